"""Noticing that a loop does not go on."""

import faulthandler
import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ttt_ros.errors import TttRosError


class StalledError(TttRosError):
    """A loop has not gone on for too long; the message says where the stacks of all threads are."""


class Watchdog:
    """Interrupts the main thread when it has not called ``alive`` for some time, and writes down where every thread is.

    Use it as a context in the main thread; the interruption comes out of it as StalledError.
    """

    def __init__(self, limit: float, *, stacks: Path) -> None:
        """Waits for ``limit`` seconds; ``stacks`` is written when they are over."""
        self._limit = limit
        self._stacks = stacks
        self._fired = self._beaten = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def alive(self) -> None:
        """The loop goes on."""
        self._beaten = True

    def __enter__(self) -> "Watchdog":
        self._watched = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        with suppress(KeyboardInterrupt):  # that came as the loop ended
            self._thread.join()
        if self._fired:
            raise StalledError(f"nothing has happened for {self._limit:g} s; the stacks of all threads are in {self._stacks}") from error

    def _watch(self) -> None:
        while not self._ended.wait(self._limit):
            if not self._beaten:
                self._fired = True
                with self._stacks.open("w", encoding="utf-8") as file:
                    faulthandler.dump_traceback(file)
                # A signal, unlike `_thread.interrupt_main`, also wakes a thread that waits for a lock.
                signal.pthread_kill(self._watched, signal.SIGINT)
                return
            self._beaten = False
