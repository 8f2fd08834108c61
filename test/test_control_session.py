"""A session: journal, snapshots, switches, threads."""

from pathlib import Path

import pytest
from control_session import Bench
from small_policy import SmallPolicy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import read_journal
from ttt_ros.control.inline_executor import InlineExecutor
from ttt_ros.errors import CheckpointError, ConfigurationError, JournalError


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


def test_saved_weights_begin_the_next_session_and_every_episode_of_it(tmp_path: Path) -> None:
    first = Bench()
    first.run(60)
    saved = first.session.save(tmp_path / "weights.safetensors")
    second = Bench(initial_weights=tmp_path / "weights.safetensors")
    assert second.session.store.current.checksum == saved.checksum
    second.run(60)
    assert second.session.store.current.checksum != saved.checksum
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


def test_an_inline_executor_answers_with_the_exception_of_the_call() -> None:
    future = InlineExecutor().submit(int, "not a number")
    assert isinstance(future.exception(), ValueError)
    assert InlineExecutor().submit(int, "3").result() == 3
