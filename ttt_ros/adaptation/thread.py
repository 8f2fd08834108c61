"""Running the learner beside the control loop, which must not notice whether it is late, wrong or dead."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

from ttt_ros.adaptation.journal import Journal
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.window import Window

_logger = logging.getLogger(__name__)

OnReport = Callable[[WindowReport], None]


class _Job(NamedTuple):
    window: Window
    epoch: int
    permitted: bool


class Adaptation(ABC):
    """Takes windows from the control loop and works on them; nothing that goes wrong in the work reaches the caller.

    What cannot be recorded or reported must not be committed either: the first failure to do so halts adaptation. Windows
    are then refused, each with a report that says why.
    """

    def __init__(self, learner: Learner, on_report: OnReport, *, journal: Journal | None = None) -> None:
        """Records each report in ``journal`` and hands it to ``on_report``, in the thread that did the work."""
        self._learner = learner
        self._on_report = on_report
        self._journal = journal
        self._halted = ""
        self._busy_since: float | None = None

    @property
    def busy_since(self) -> float | None:
        """``time.monotonic`` at which work on the current window began, None while idle."""
        return self._busy_since

    @property
    def halted(self) -> str:
        """Why nothing is committed any more; empty while all is well."""
        return self._halted

    @property
    def waiting(self) -> int:
        """Windows that wait."""
        return self._queue()[0]

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether a window submitted now would be worked on."""

    @abstractmethod
    def submit(self, window: Window, *, epoch: int, permitted: bool = True) -> None:
        """Hands over a window begun in ``epoch``; raises nothing. Unless ``permitted``, its update is not committed."""

    @abstractmethod
    def stop(self, *, timeout: float) -> bool:
        """Ends the work, waiting at most ``timeout`` seconds for the current window; says whether it has ended."""

    @abstractmethod
    def _queue(self) -> tuple[int, int]:
        """How many windows wait and how many were dropped so far."""

    def _work_on(self, job: _Job) -> None:
        self._busy_since = time.monotonic()
        report = self._adapt(job)
        depth, dropped = self._queue()
        self._deliver(replace(report, queue_depth=depth, dropped_windows=dropped), job)
        self._busy_since = None

    def _adapt(self, job: _Job) -> WindowReport:
        if self._halted:
            return self._learner.refuse(job.window, epoch=job.epoch, reason=f"adaptation is halted: {self._halted}")
        try:
            return self._learner.adapt(job.window, epoch=job.epoch, permitted=job.permitted)
        except Exception as error:  # a policy may raise anything; the report carries it and the next window gets its chance
            _logger.exception("adaptation failed on a window")
            return self._learner.refuse(job.window, epoch=job.epoch, reason=f"{type(error).__name__}: {error}")

    def _deliver(self, report: WindowReport, job: _Job) -> None:
        if self._journal is not None and not self._halted:
            permitted = job.permitted and not report.withheld
            record = partial(self._journal.window, window=job.window, permitted=permitted, current=self._learner.store.current)
            report = self._received_or_taken_back(record, report)
        self._received_or_taken_back(self._on_report, report)

    def _received_or_taken_back(self, receive: OnReport, report: WindowReport) -> WindowReport:
        """The report, or what is left of it where ``receive`` failed: adaptation is halted then, and its commit taken back."""
        try:
            receive(report)
        except Exception as error:  # a full disk, a closed publisher: all the same to the control loop
            _logger.exception("the report of a window was lost, adaptation is halted")
            self._halted = f"the report of window {report.window_sequence} was lost: {error}"
            return self._taken_back(report) if report.committed else report
        return report

    def _taken_back(self, report: WindowReport) -> WindowReport:
        version = self._learner.store.restore(report.version - 1)
        return replace(
            report,
            committed=False,
            reason=f"taken back: {self._halted}",
            update_norm=0.0,
            version=version.number,
            checksum=version.checksum,
            drift_total=version.drift_total,
            drift_per_module=version.drift_per_module,
        )


class AdaptationThread(Adaptation):
    """Works in a daemon thread, with one torch thread, behind a queue that drops its oldest window when full."""

    def __init__(self, learner: Learner, on_report: OnReport, *, journal: Journal | None = None) -> None:
        """Prepares the thread, which ``start`` starts."""
        super().__init__(learner, on_report, journal=journal)
        self._size = learner.config.queue_size
        self._waiting: deque[_Job] = deque()
        self._dropped = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptation", daemon=True)

    def start(self) -> None:
        """Starts the thread and leaves the number of torch threads as it was everywhere else.

        ``torch.set_num_threads`` sets the number of the calling thread, and the one that every other thread takes over when
        it first computes in parallel. The second is put back here, once the new thread has taken over its own.
        """
        others = torch.get_num_threads()
        self._thread.start()
        self._ready.wait()
        torch.set_num_threads(others)

    @property
    def alive(self) -> bool:
        """Whether a window submitted now would be worked on."""
        return self._thread.is_alive() and not self._stopping

    def submit(self, window: Window, *, epoch: int, permitted: bool = True) -> None:
        """Queues a window begun in ``epoch`` and returns at once; drops the oldest window when the queue is full."""
        with self._changed:
            if len(self._waiting) == self._size:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(_Job(window, epoch, permitted))
            self._changed.notify()

    def stop(self, *, timeout: float) -> bool:
        """Drops what waits and gives the current window ``timeout`` seconds to finish; says whether the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _queue(self) -> tuple[int, int]:
        with self._changed:
            return len(self._waiting), self._dropped

    def _run(self) -> None:
        use_one_torch_thread()
        self._ready.set()
        while (job := self._next()) is not None:
            self._work_on(job)

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            return None if self._stopping else self._waiting.popleft()


class SynchronousAdaptation(Adaptation):
    """The thread's twin for offline runs: works on each window before ``submit`` returns, so every run is the same."""

    def __init__(self, learner: Learner, on_report: OnReport, *, journal: Journal | None = None) -> None:
        """Ready at once; there is nothing to start."""
        super().__init__(learner, on_report, journal=journal)
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Whether it was not stopped."""
        return not self._stopped

    def submit(self, window: Window, *, epoch: int, permitted: bool = True) -> None:
        """Works on a window begun in ``epoch``, unless stopped."""
        if not self._stopped:
            with torch_threads(1):  # as in the live thread
                self._work_on(_Job(window, epoch, permitted))

    def stop(self, *, timeout: float) -> bool:
        """Ignores all further windows; there is nothing to wait for."""
        self._stopped = True
        return True

    def _queue(self) -> tuple[int, int]:
        return 0, 0


def use_one_torch_thread() -> None:
    """Lets the calling thread compute with one torch thread from now on, whatever others set later."""
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread takes the shared number over only once: now, and not after another thread has changed it


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Computes with ``count`` torch threads: another number may add in another order and lead to other bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
