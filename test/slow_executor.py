"""An executor that a test keeps waiting."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ttt_ros.control.inline_executor import InlineExecutor


class SlowExecutor(InlineExecutor):
    """Computes at once and answers only when told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        late: Future[Any] = Future()
        result = super().submit(call, *args, **kwargs).result()
        self.waiting.append(lambda: late.set_result(result))
        return late
