"""The control loop notices nothing of what happens in the adaptation thread."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from adapting import learner_on, shifted_window, store_of, windows
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import Journal, read_journal
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.thread import AdaptationThread, SynchronousAdaptation

TIMEOUT = 30.0
STREAM = list(windows(stream(SmallPolicy(), 20, shift=1.0)))


class GatedPolicy(SmallPolicy):
    """Computes only while the gate is open, and tells when it has come to the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.arrived = threading.Event()

    def predictions(self, features, executed, fast):
        self.arrived.set()
        assert self.gate.wait(TIMEOUT)
        return super().predictions(features, executed, fast)


class FailingOncePolicy(SmallPolicy):
    """Raises in its first reconstruction."""

    failed = False

    def predictions(self, features, executed, fast):
        if not self.failed:
            self.failed = True
            raise RuntimeError("the device is on fire")
        return super().predictions(features, executed, fast)


Start = Callable[..., tuple[AdaptationThread, "queue.Queue[WindowReport]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts threads that are stopped when the test ends."""
    started: list[AdaptationThread] = []

    def start_thread(policy: SmallPolicy, *, journal: Journal | None = None, queue_size: int = 4):
        reports: queue.Queue[WindowReport] = queue.Queue()
        thread = AdaptationThread(learner_on(policy, AdaptationConfig(queue_size=queue_size)), reports.put, journal=journal)
        thread.start()
        started.append(thread)
        return thread, reports

    yield start_thread
    for thread in started:
        assert thread.stop(timeout=TIMEOUT)


def test_a_window_is_worked_on_and_reported(start):
    thread, reports = start(SmallPolicy())
    thread.submit(STREAM[0], epoch=0)
    report = reports.get(timeout=TIMEOUT)
    assert report.committed
    assert (report.queue_depth, report.dropped_windows) == (0, 0)
    assert thread.alive
    assert not thread.halted


def test_a_full_queue_drops_the_oldest_window_and_never_blocks(start):
    policy = GatedPolicy()
    thread, reports = start(policy, queue_size=2)
    thread.submit(STREAM[0], epoch=0)
    assert policy.arrived.wait(TIMEOUT)
    for window in STREAM[1:7]:
        thread.submit(window, epoch=0)  # returns although the thread hangs
    policy.gate.set()
    received = [reports.get(timeout=TIMEOUT) for _ in range(3)]
    assert [report.stamps for report in received] == [STREAM[0].stamps, STREAM[5].stamps, STREAM[6].stamps]
    assert [(report.queue_depth, report.dropped_windows) for report in received] == [(2, 4), (1, 4), (0, 4)]


def test_a_hanging_update_is_visible_from_outside(start):
    policy = GatedPolicy()
    thread, reports = start(policy)
    assert thread.busy_since is None
    before = time.monotonic()
    thread.submit(STREAM[0], epoch=0)
    assert policy.arrived.wait(TIMEOUT)
    assert before <= thread.busy_since <= time.monotonic()
    assert not thread.stop(timeout=0.0)
    assert not thread.alive
    policy.gate.set()
    assert reports.get(timeout=TIMEOUT).committed
    assert thread.stop(timeout=TIMEOUT)
    assert thread.busy_since is None


@pytest.mark.parametrize("synchronous", [False, True])
def test_an_exception_is_reported_and_the_next_window_gets_its_chance(start, synchronous):
    if synchronous:
        reports: queue.Queue[WindowReport] = queue.Queue()
        adaptation = SynchronousAdaptation(learner_on(FailingOncePolicy()), reports.put)
    else:
        adaptation, reports = start(FailingOncePolicy())
    for window in STREAM[:2]:
        adaptation.submit(window, epoch=0)
    first, second = (reports.get(timeout=TIMEOUT) for _ in range(2))
    assert not first.committed
    assert first.reason == "RuntimeError: the device is on fire"
    assert (first.window_sequence, first.version) == (1, 0)
    assert second.committed
    assert adaptation.alive


def test_what_is_not_permitted_is_not_committed(start):
    thread, reports = start(SmallPolicy())
    thread.submit(STREAM[0], epoch=0, permitted=False)
    assert reports.get(timeout=TIMEOUT).withheld


def test_a_journal_that_cannot_be_written_stops_all_further_commits(start, tmp_path: Path):
    journal = Journal(
        tmp_path / "journal",
        configuration=AdaptationConfig(),
        base_checksum="",
        version=store_of(SmallPolicy()).base,
        inference_threads=1,
        seed=0,
        package_version="0",
    )
    thread, reports = start(SmallPolicy(), journal=journal)
    thread.submit(STREAM[0], epoch=0)
    assert reports.get(timeout=TIMEOUT).committed
    journal.close()
    thread.submit(STREAM[1], epoch=0)
    unrecorded = reports.get(timeout=TIMEOUT)
    assert (unrecorded.committed, unrecorded.version) == (False, 1)
    assert unrecorded.reason.startswith("taken back: the report of window 2 was lost: journal")
    assert thread._learner.store.current.number == 1
    thread.submit(STREAM[2], epoch=0)
    refused = reports.get(timeout=TIMEOUT)
    assert not refused.committed
    assert refused.reason.startswith("adaptation is halted: the report of window 2 was lost: journal")
    assert "it was closed" in thread.halted
    assert thread.alive
    assert len(read_journal(tmp_path / "journal").records) == 1


def test_a_report_that_nobody_takes_stops_all_further_commits():
    def refuse(report: WindowReport) -> None:
        raise ValueError("publisher is gone")

    learner = learner_on(SmallPolicy())
    adaptation = SynchronousAdaptation(learner, refuse)
    for window in STREAM[:3]:
        adaptation.submit(window, epoch=0)
    assert learner.store.current is learner.store.base
    assert "publisher is gone" in adaptation.halted


def test_the_thread_computes_with_one_torch_thread_and_leaves_the_others_alone():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside: queue.Queue[int] = queue.Queue()
        thread = AdaptationThread(learner_on(SmallPolicy()), lambda report: inside.put(torch.get_num_threads()))
        thread.start()
        thread.submit(STREAM[0], epoch=0)
        assert inside.get(timeout=TIMEOUT) == 1
        assert thread.stop(timeout=TIMEOUT)
        elsewhere: queue.Queue[int] = queue.Queue()
        other = threading.Thread(target=lambda: elsewhere.put(torch.get_num_threads()))
        other.start()
        assert elsewhere.get(timeout=TIMEOUT) == 2
        other.join()
        SynchronousAdaptation(learner_on(SmallPolicy()), lambda report: inside.put(torch.get_num_threads())).submit(STREAM[0], epoch=0)
        assert inside.get(timeout=TIMEOUT) == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_thread_and_twin_come_to_the_same_weights(start):
    thread, live = start(SmallPolicy(), queue_size=20)
    offline: list[WindowReport] = []
    twin = SynchronousAdaptation(learner_on(SmallPolicy(), AdaptationConfig(queue_size=20)), offline.append)
    for window in STREAM:
        thread.submit(window, epoch=0)
        twin.submit(window, epoch=0)
    assert [live.get(timeout=TIMEOUT).checksum for _ in STREAM] == [report.checksum for report in offline]


def test_nothing_is_worked_on_after_a_stop():
    reports: list[WindowReport] = []
    twin = SynchronousAdaptation(learner_on(SmallPolicy()), reports.append)
    assert twin.stop(timeout=0.0)
    twin.submit(shifted_window(), epoch=0)
    assert not reports
    assert not twin.alive
