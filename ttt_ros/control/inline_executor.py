"""An executor without a thread, for runs that must be the same every time."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class InlineExecutor(Executor):
    """Runs each call in ``submit``; its future has then answered, with the result or the exception."""

    def submit(self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> "Future[Result]":
        """Calls ``call`` at once."""
        future: Future[Result] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
