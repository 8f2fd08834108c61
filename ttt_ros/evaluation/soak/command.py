"""A whole soak: run, page, figure, record."""

from pathlib import Path

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.soak.configuration import SoakConfig
from ttt_ros.evaluation.soak.page import write_page
from ttt_ros.evaluation.soak.result import SoakResult
from ttt_ros.evaluation.soak.run import soak
from ttt_ros.training.progress import progress_bar


def run_soak(config: SoakConfig, out: Path) -> SoakResult:
    """Soaks, with a progress bar, and writes ``report.html``, ``memory.png`` and ``soak.json`` into ``out``.

    Raises:
        StalledError: a deadlock; ``out`` then holds the stacks of all threads.
        ConfigurationError, RecordingError: the rules cannot be read, the memory cannot be measured, or ``out`` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"cannot make {out}: {error.strerror}; choose a folder that can be written") from None
    with progress_bar("chunks", total=config.chunks) as advance:
        result = soak(config, stacks=out / "stacks.txt", advance=advance)
    write_page(result, out)
    return result
