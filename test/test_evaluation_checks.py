from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_runs import synthetic_report, synthetic_run, with_nodes

from ttt_ros.evaluation import checks
from ttt_ros.evaluation.demo_report import judged
from ttt_ros.evaluation.run_record import RunRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return synthetic_run("adapting", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return synthetic_run("frozen", tmp_path_factory.mktemp("pictures"))


@given(due=st.integers(min_value=1, max_value=100_000), data=st.data())
def test_control_passes_exactly_when_99_percent_of_the_ticks_were_met(run: RunRecord, due: int, data: st.DataObject) -> None:
    met = data.draw(st.integers(min_value=0, max_value=due))
    control = replace(run.control, ticks_due=due, ticks_met=met)
    assert checks.control_ticks_met(replace(run, control=control)).passed == (100 * met >= 99 * due)


def test_a_run_without_control_ticks_does_not_pass(run: RunRecord) -> None:
    check = checks.control_ticks_met(replace(run, control=replace(run.control, ticks_due=0, ticks_met=0)))
    assert not check.passed
    assert check.figure == "no tick was due"


@given(due=st.integers(min_value=0, max_value=500), attempted=st.integers(min_value=0, max_value=500))
def test_updates_pass_exactly_when_nine_of_ten_goals_that_ended_with_permit_got_one(run: RunRecord, due: int, attempted: int) -> None:
    check = checks.updates_attempted(replace(run, updates_due=due, windows_attempted=attempted))
    assert check.passed == (due > 0 and attempted / due >= 0.9)


@pytest.mark.parametrize("surplus", [-1, 1])
def test_a_second_look_or_an_instruction_without_an_answer_does_not_pass(run: RunRecord, surplus: int) -> None:
    assert checks.one_chunk_per_instruction(run).passed
    assert not checks.one_chunk_per_instruction(replace(run, instructions=len(run.chunks) + surplus)).passed
    assert not checks.one_chunk_per_instruction(replace(run, instructions=0, chunks=())).passed


def test_a_node_that_did_not_come_up_is_named(run: RunRecord) -> None:
    check = checks.all_nodes_came_up(with_nodes(run, came_up=False))
    assert not check.passed
    assert check.figure == "3 of 4 nodes, not simulation"


def test_a_node_that_was_killed_is_named_with_its_exit_code(run: RunRecord) -> None:
    check = checks.all_nodes_shut_down_cleanly(with_nodes(run, shut_down_cleanly=False, exit_code=-9))
    assert not check.passed
    assert check.figure == "3 of 4 nodes, not simulation (exit code -9)"


def test_a_run_without_nodes_passes_neither_start_nor_shutdown(run: RunRecord) -> None:
    empty = replace(run, nodes=())
    assert not checks.all_nodes_came_up(empty).passed
    assert not checks.all_nodes_shut_down_cleanly(empty).passed


def test_arms_on_different_seeds_do_not_pass(run: RunRecord, frozen: RunRecord) -> None:
    assert checks.both_arms_on_one_seed([frozen, run]).passed
    assert not checks.both_arms_on_one_seed([frozen, replace(run, seed=8)]).passed
    assert not checks.both_arms_on_one_seed([frozen]).passed
    assert not checks.both_arms_on_one_seed([run, run]).passed


def test_the_frozen_arm_owes_no_updates(frozen: RunRecord) -> None:
    assert not any("updates" in check.name for check in checks.demo_checks([frozen]))


def test_the_exit_code_is_zero_only_if_every_check_passed(run: RunRecord, frozen: RunRecord) -> None:
    assert checks.exit_code(checks.demo_checks([frozen, run])) == 0
    assert checks.exit_code(checks.demo_checks([frozen, with_nodes(run, came_up=False)])) == 1
    assert checks.exit_code(checks.demo_checks([])) == 1
    assert checks.exit_code(()) == 1


def test_the_verdict_names_each_failed_check(tmp_path: Path) -> None:
    report = synthetic_report(tmp_path)
    arms = [report.arms[0], replace(report.arms[1], windows_attempted=0)]
    failed = judged(arms=arms, limits=report.limits, environment=report.environment)
    assert report.passed
    assert report.verdict == "Passed: the closed loop met all 10 checks."
    assert not failed.passed
    assert failed.verdict == "Failed: 1 of 10 checks did not pass (adapting: updates attempted per goal)."
