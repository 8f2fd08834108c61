"""The progress bar of long commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress_bar(title: str, *, total: int, completed: int = 0, shown: bool = True) -> Iterator[Callable[..., None]]:
    """Shows a bar with the time left, unless another process does; the value is a function that moves it by one, or by its argument."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not shown) as progress:
        bar = progress.add_task(title, total=total, completed=completed)
        yield lambda steps=1: progress.advance(bar, steps)
