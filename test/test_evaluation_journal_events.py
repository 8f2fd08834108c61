"""Whatever happens between the windows of a run, its journal is verified through it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_session import PERIOD
from recorded_bench import ADAPTATION, RecordedBench
from small_policy import SmallPolicy
from verified_journals import verified, windows

from ttt_ros.adaptation.journal import read_journal
from ttt_ros.errors import JournalError
from ttt_ros.evaluation.journal_verification import Outcome
from ttt_ros.safeguard.ladder import Mode


def eventful(folder: Path, *, threaded: bool, initial_weights: Path | None = None) -> RecordedBench:
    """A run with all that can happen in between."""
    bench = RecordedBench(folder, threaded=threaded, initial_weights=initial_weights)
    session = bench.session
    bench.run_until_reports(12)
    session.rollback()
    bench.run_until_reports(8)
    session.reconfigure(replace(ADAPTATION, learning_rate=0.03, trim_factor=1.2))
    bench.run_until_reports(8)
    bench.order(Mode.FROZEN, trusted=2)
    bench.run_until_reports(4, Mode.FROZEN)
    bench.run_until_reports(8)
    session.reset()
    session.enabled = False
    bench.run(10)
    session.enabled = True
    bench.run_until_reports(8)
    session.reset()
    session.rollback()
    bench.run_until_reports(4, Mode.BASE)
    bench.run_until_reports(8)
    session.save(folder / "weights")
    bench.close()
    return bench


@pytest.mark.parametrize("threaded", [False, True])
def test_resets_rollbacks_and_other_configurations_in_mid_run_are_followed(tmp_path: Path, threaded: bool) -> None:
    bench = eventful(tmp_path, threaded=threaded)
    assert {record["kind"] for record in read_journal(tmp_path / "journal").records} == {"window", "configuration", "reset", "rollback"}
    assert len({report.epoch for report in bench.reports if report.committed}) >= 3
    if not threaded:
        assert any(report.withheld for report in bench.reports)
        assert any(report.trimmed for report in bench.reports)
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
    assert result.verified == len(bench.reports)


def test_a_run_from_a_snapshot_is_followed_through_its_resets(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    eventful(tmp_path / "first", threaded=False)
    eventful(tmp_path / "second", threaded=False, initial_weights=tmp_path / "first" / "weights")
    result = verified(tmp_path / "second", initial_weights=tmp_path / "first" / "weights")
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
    with pytest.raises(JournalError, match="--initial-weights"):
        verified(tmp_path / "second")


class _Interrupted(SmallPolicy):
    """Lets something happen in the middle of a step."""

    on_step: Callable[[], None] = staticmethod(lambda: None)

    def reconstruct(self, transitions, fast):
        self.on_step()
        return super().reconstruct(transitions, fast)


def test_a_window_whose_epoch_ended_in_mid_step_is_followed(tmp_path: Path) -> None:
    policy = _Interrupted()
    bench = RecordedBench(tmp_path, policy)
    bench.run(30)
    policy.on_step = bench.session.store.reset
    bench.run(4)
    policy.on_step = lambda: None
    bench.run(30)
    bench.close()
    ended = [report for report in bench.reports if "during the step" in report.reason]
    assert ended
    assert ended[0].version_before > 0
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


def test_windows_that_a_full_queue_dropped_leave_no_gap(tmp_path: Path) -> None:
    policy, gate = _Interrupted(), threading.Event()
    policy.on_step = lambda: gate.wait(30)
    bench = RecordedBench(tmp_path, policy, adaptation=replace(ADAPTATION, queue_size=2), threaded=True)
    bench.run(30)  # the first window takes this long
    gate.set()
    bench.run_until_reports(12)
    bench.close()
    assert bench.reports[-1].dropped_windows >= 8
    assert len(windows(tmp_path)[1]["new"]) > 1
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


def test_a_window_that_failed_is_followed(tmp_path: Path) -> None:
    policy = _Interrupted()
    bench = RecordedBench(tmp_path, policy)
    bench.run(30)
    policy.on_step = lambda: torch.ones(2) @ torch.ones(3)
    bench.run(4)
    policy.on_step = lambda: None
    bench.run(30)
    bench.close()
    assert any("RuntimeError" in report.reason for report in bench.reports)
    assert verified(tmp_path).outcome is Outcome.IDENTICAL


def test_a_clock_that_was_set_back_to_the_same_stamps_is_followed(tmp_path: Path) -> None:
    bench = RecordedBench(tmp_path)
    bench.run(60)
    bench.now = PERIOD
    bench.run(60)
    bench.close()
    stamps = [sample["before"]["stamp"] for record in windows(tmp_path) for sample in record["new"]]
    assert len(set(stamps)) < len(stamps) - 10
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
