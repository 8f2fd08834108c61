"""A session: journal, snapshots, switches, threads."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from control_session import Bench
from small_policy import SmallPolicy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import read_journal
from ttt_ros.control.inline_executor import InlineExecutor
from ttt_ros.control.limits import JointLimitsConfig
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.errors import CheckpointError, ConfigurationError, JournalError, SpecificationError
from ttt_ros.safeguard.ladder import Mode


def test_the_journal_holds_every_window_and_every_reset(tmp_path: Path) -> None:
    bench = Bench(journal=tmp_path / "journal.jsonl")
    bench.run(60)
    bench.session.rollback()
    bench.session.reset()
    bench.session.close()
    contents = read_journal(tmp_path / "journal.jsonl")
    windows = [record for record in contents.records if record["kind"] == "window"]
    assert [record["checksum"] for record in windows] == [report.checksum for report in bench.reports]
    assert [record["kind"] for record in contents.records[-2:]] == ["rollback", "reset"]
    assert contents.start["base_checksum"] == bench.policy.checksum


def test_a_journal_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("precious\n")
    with pytest.raises(JournalError, match="exists"):
        Bench(journal=path)
    assert path.read_text() == "precious\n"


def test_nothing_is_committed_once_the_permit_has_expired_though_no_tick_has_noticed(tmp_path: Path) -> None:
    bench = Bench(journal=tmp_path / "journal.jsonl")
    bench.run(30)
    committed = bench.session.store.current.number
    assert committed
    late = 2_000_000_000
    bench.session._clock = lambda: bench.now + late
    bench.run(30)
    assert bench.session.store.current.number == committed
    assert all(report.withheld for report in bench.reports[-3:])
    assert [record["permitted"] for record in read_journal(tmp_path / "journal.jsonl").records][-3:] == [False] * 3
    late = 0
    bench.run(30)
    assert bench.session.store.current.number > committed


def test_saved_weights_begin_the_next_session_and_every_episode_of_it(tmp_path: Path) -> None:
    first = Bench()
    first.run(60)
    saved = first.session.save(tmp_path / "weights.safetensors")
    second = Bench(initial_weights=tmp_path / "weights.safetensors")
    assert second.session.store.current.checksum == saved.checksum
    second.run(60)
    assert second.session.store.current.checksum != saved.checksum
    assert second.session.reset().checksum == saved.checksum


def test_saved_weights_outlive_the_base_that_a_safeguard_orders_until_it_knows_more(tmp_path: Path) -> None:
    first = Bench()
    first.run(60)
    saved = first.session.save(tmp_path / "weights.safetensors")
    second = Bench(initial_weights=tmp_path / "weights.safetensors")
    for _ in range(2):  # the second time as after deactivation and activation
        second.session.begin()
        second.tick()
        second.run(3, Mode.BASE)
        assert second.session.store.current.checksum == saved.checksum
        second.run(1)
        second.run(30)
        second.run(1, Mode.BASE)
        assert second.session.store.current is second.session.store.base


def test_saved_weights_that_were_deleted_meanwhile_still_begin_each_episode(tmp_path: Path) -> None:
    first = Bench()
    first.run(60)
    saved = first.session.save(tmp_path / "weights.safetensors")
    second = Bench(initial_weights=tmp_path / "weights.safetensors")
    (tmp_path / "weights.safetensors").unlink()
    assert second.session.reset().checksum == saved.checksum


def test_saved_weights_of_another_base_are_refused(tmp_path: Path) -> None:
    first = Bench()
    first.run(60)
    first.session.save(tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match="base"):
        Bench(SmallPolicy(seed=1), initial_weights=tmp_path / "weights.safetensors")


def test_a_disabled_session_adapts_nothing_and_costs_no_window() -> None:
    bench = Bench()
    bench.session.enabled = False
    bench.run(60)
    assert not bench.reports
    assert bench.session.store.current.number == 0


def test_a_zero_rate_commits_weights_that_are_the_base() -> None:
    bench = Bench(adaptation=AdaptationConfig(learning_rate=0.0))
    bench.run(60)
    assert {report.checksum for report in bench.reports} == {bench.session.store.base.checksum}
    assert {report.update_norm for report in bench.reports if report.committed} == {0.0}


def test_what_is_fixed_while_adaptation_runs_cannot_be_reconfigured() -> None:
    bench = Bench()
    with pytest.raises(ConfigurationError, match="window"):
        bench.session.reconfigure(AdaptationConfig(window=16))
    bench.session.reconfigure(AdaptationConfig(learning_rate=0.01))
    assert bench.session.learner.config.learning_rate == 0.01


def test_a_session_that_cannot_be_built_leaves_no_thread_and_no_journal(tmp_path: Path) -> None:
    threads = threading.enumerate()
    config = SessionConfig(limits=JointLimitsConfig(joint_limits={}), adaptation=AdaptationConfig())
    ignored: Any = lambda _value: None  # noqa: E731
    with pytest.raises(SpecificationError):
        Session(SmallPolicy(), config, on_chunk=ignored, on_report=ignored, journal=tmp_path / "journal")
    assert threading.enumerate() == threads
    assert not (tmp_path / "journal").exists()


def test_an_inference_that_hangs_does_not_keep_the_process_alive() -> None:
    program = """
import threading
from ttt_ros.control.inference_thread import InferenceThread

begun = threading.Event()
executor = InferenceThread()
executor.submit(lambda: (begun.set(), threading.Event().wait()))
waiting = executor.submit(int)
begun.wait()
executor.shutdown(wait=False, cancel_futures=True)
assert waiting.cancelled()
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


def test_an_inline_executor_answers_with_the_exception_of_the_call() -> None:
    future = InlineExecutor().submit(int, "not a number")
    assert isinstance(future.exception(), ValueError)
    assert InlineExecutor().submit(int, "3").result() == 3
