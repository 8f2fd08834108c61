"""Following the jobs of a suite: a bar while they run, the failures in words, and whatever came out."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.evaluation.workers import Failure
from ttt_ros.training.progress import progress_bar

Job = TypeVar("Job")
Result = TypeVar("Result")


def successes(
    outcomes: Iterable[tuple[Job, Result | Failure]],
    *,
    title: str,
    already: int,
    left: int,
    name: Callable[[Job], str],
    path: Callable[[Job], Path],
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
        failures: receives each failure in words.

    Raises:
        RecordingError: details cannot be written.
    """
    if not left:
        return
    with progress_bar(title, total=already + left, completed=already) as advance:
        for job, outcome in outcomes:
            advance()
            if not isinstance(outcome, Failure):
                yield job, outcome
                continue
            failures.append(f"{name(job)}: {outcome.reason}")
            console.print(f"failed: {failures[-1]}", style="red", highlight=False, soft_wrap=True)
            if outcome.details:
                write_whole(path(job).with_suffix(".failure.txt"), outcome.details)
