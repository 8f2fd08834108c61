"""An executor with one thread that a process can end without: a policy that hangs on a device must not keep a dead node alive."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from ttt_ros.adaptation.thread import use_one_torch_thread

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class InferenceThread(Executor):
    """Makes one call after the other in a daemon thread with one torch thread.

    The interpreter joins the threads of a ``ThreadPoolExecutor`` before it ends, however long a call takes; this one it does not.
    """

    def __init__(self) -> None:
        """Starts the thread."""
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> "Future[Result]":
        """Queues ``call`` and returns at once."""
        future: Future[Result] = Future()
        self._calls.put((future, partial(call, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the thread after the calls that are queued, or with ``cancel_futures`` after the one under way."""
        while cancel_futures and not self._calls.empty():
            queued = self._calls.get()
            if queued is not None:
                queued[0].cancel()
        self._calls.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        use_one_torch_thread()
        while (queued := self._calls.get()) is not None:
            future, call = queued
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # whatever it is, it belongs to whoever asks for the result
                future.set_exception(error)
