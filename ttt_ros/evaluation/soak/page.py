"""A soak as a page and a figure."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ttt_ros.evaluation.plots import DARK, LIGHT, WIDTH, Theme, png, style
from ttt_ros.evaluation.soak.invariants import LONGEST
from ttt_ros.evaluation.soak.memory import MEBIBYTE, WARM_UP
from ttt_ros.evaluation.soak.result import SoakResult
from ttt_ros.evaluation.soak.run import RECOVERY_TICKS
from ttt_ros.evaluation.web_page import templates
from ttt_ros.evaluation.whole_file import write_whole

_COLOUR = "#3b82c4"
_HEIGHT = 2.7


def write_page(result: SoakResult, directory: Path) -> None:
    """Writes ``report.html``, which needs no other file, ``memory.png`` and ``soak.json``.

    Raises:
        RecordingError: the folder cannot be written.
    """
    light, dark = drawn(result, theme=LIGHT), drawn(result, theme=DARK)
    result.write(directory / "soak.json")
    write_whole(directory / "memory.png", light)
    page = templates().get_template("soak.html")
    write_whole(directory / "report.html", page.render(result=result, light=light, dark=dark, longest=LONGEST, limit=RECOVERY_TICKS))


def drawn(result: SoakResult, *, theme: Theme) -> bytes:
    """The memory over the chunks, with its slope: a PNG file."""
    with mpl.rc_context(style(theme)):
        figure = Figure(figsize=(WIDTH, _HEIGHT))
        axes = figure.subplots()
        chunks, memory = np.array(result.sampled), np.array(result.memory) / MEBIBYTE
        axes.plot(chunks, memory, color=_COLOUR)
        axes.set_xlabel("chunks")
        axes.set_ylabel("private memory [MiB]")
        if result.slope is not None:
            settled = chunks >= WARM_UP * result.chunks
            middle = np.median(chunks[settled])
            line = np.median(memory[settled]) + result.slope.value * (chunks[settled] - middle) / 100_000
            axes.plot(chunks[settled], line, color=theme.ink, linestyle="--", linewidth=1, label=f"{result.slope}")
            axes.legend(loc="lower right")
        return png(figure)
