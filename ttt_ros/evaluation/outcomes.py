"""Following the jobs of a suite: a bar while they run, the failures in words, and whatever came out."""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.evaluation.workers import Failure
from ttt_ros.training.progress import progress_bar

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOCK = ".lock"


def successes(
    outcomes: Iterable[tuple[Job, Result | Failure]],
    *,
    title: str,
    already: int,
    left: int,
    name: Callable[[Job], str],
    path: Callable[[Job], Path],
    out: Path,
    failures: list[str],
    console: Console,
) -> Iterator[tuple[Job, Result]]:
    """Gives what succeeded, as it comes; a failure is told, and its details are written beside where the record would be.

    Args:
        outcomes: of the jobs that are left, see ``workers``; not asked for if none is.
        title: of the bar.
        already: jobs that were done before.
        left: jobs that are run now.
        name: of a job, in words.
        path: of a job's record.
        out: folder of the suite, which no other process runs jobs into meanwhile.
        failures: receives each failure in words.

    Raises:
        RecordingError: another process runs jobs into ``out``, or it cannot be written.
    """
    if not left:
        return
    with _alone_in(out), progress_bar(title, total=already + left, completed=already) as advance:
        for job, outcome in outcomes:
            advance()
            if not isinstance(outcome, Failure):
                yield job, outcome
                continue
            failures.append(f"{name(job)}: {outcome.reason}")
            console.print(f"failed: {failures[-1]}", style="red", highlight=False, soft_wrap=True)
            if outcome.details:
                write_whole(path(job).with_suffix(".failure.txt"), outcome.details)


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """The kernel ends the hold with the process, whatever ends that."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / _LOCK).open("a")
    except OSError as error:
        raise RecordingError(f"cannot write into {out}: {error.strerror}; choose a folder that can be written") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordingError(f"another process runs a suite into {out}; wait for it, or choose another folder") from None
        yield
