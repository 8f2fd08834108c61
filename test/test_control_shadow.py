"""Shadow mode: the policy computes beside the controller that drives the robot, and learns from what that one commands."""

import numpy as np
import pytest
from control_session import PERIOD, Bench
from small_policy import HORIZON, JOINT_NAMES

from ttt_ros.control.limits import JointLimit
from ttt_ros.control.loop import Outcome
from ttt_ros.errors import ActionError
from ttt_ros.safeguard.ladder import Mode

JOINTS = len(JOINT_NAMES)


def shadowing(*, open_loop: bool = False, limit: JointLimit | None = None) -> tuple[Bench, list[Outcome]]:
    bench = Bench(shadow=True, open_loop=open_loop, **({} if limit is None else {"limit": limit}))
    outcomes: list[Outcome] = []
    bench.session.loop._on_outcome = outcomes.append
    return bench, outcomes


def tell(bench: Bench, position: float) -> None:
    bench.session.loop.told(np.full(JOINTS, position))


def executed(outcome: Outcome) -> list[float]:
    """The positions of the first joint that the outcome says were executed."""
    positions = outcome.transition.executed[0, : int(outcome.transition.steps)]
    assert (positions == positions[:, :1]).all()
    return [float(position) for position in positions[:, 0]]


def test_nothing_is_commanded_and_every_chunk_is_announced() -> None:
    bench, _ = shadowing()
    commands = bench.run(60)
    assert all(command.positions is None for command in commands)
    assert {command.mode for command in commands} == {Mode.ADAPTING}
    assert len(bench.chunks) > 20


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.STOP])
def test_not_even_a_hold_is_commanded(mode: Mode) -> None:
    bench, _ = shadowing()
    bench.run(10)
    assert all(command.positions is None for command in bench.run(5, mode))


def test_what_was_executed_is_what_the_robot_was_told_at_each_tick() -> None:
    bench, outcomes = shadowing()
    told = {}
    for tick in range(60):
        tell(bench, 0.25 * tick)
        told[bench.now] = 0.25 * tick
        bench.run(1)
    assert len(outcomes) > 20
    for outcome in outcomes:
        assert executed(outcome) == [told[stamp] for stamp in range(outcome.before.stamp, outcome.after.stamp, PERIOD)]


def test_a_command_counts_until_the_next_one_comes() -> None:
    bench, outcomes = shadowing()
    tell(bench, 7.0)
    bench.run(20)
    assert outcomes
    assert {position for outcome in outcomes for position in executed(outcome)} == {7.0}


def test_before_the_first_command_nothing_was_executed() -> None:
    bench, outcomes = shadowing()
    bench.run(20)
    assert bench.chunks
    assert not outcomes


def test_a_policy_that_shadows_adapts_to_what_others_command() -> None:
    bench = Bench(shadow=True)
    for tick in range(60):
        tell(bench, np.sin(tick / 5))
        bench.run(1)
    assert any(report.committed for report in bench.reports)


def test_in_open_loop_a_movement_of_another_controller_is_taken_whole_without_its_waiting() -> None:
    bench, outcomes = shadowing(open_loop=True)
    tell(bench, 0.0)
    bench.run(5)
    for goal, late in enumerate((0, 1, 5), start=1):
        for _ in range(late):  # the other controller takes its time
            bench.run(1)
        for step in range(HORIZON):
            tell(bench, goal + step / 8)
            bench.run(1)
        bench.run(2 * HORIZON)
        bench.session.assembler.set_instruction(f"reach {goal}")
        bench.run(3)
        assert executed(outcomes[-1]) == [goal + step / 8 for step in range(HORIZON)]
    assert len(outcomes) == 3
    assert len(bench.chunks) == 4


def test_only_the_steps_of_the_chunk_and_its_seam_from_the_measured_position_are_held_against_the_limits() -> None:
    measured, _ = shadowing()
    measured.run(60)
    within = max(np.abs(np.diff(chunk.positions, axis=0)).max() for chunk in measured.chunks)
    # Positions in these tests are drawn anew in every tick, so blending and playback would step much further than any chunk.
    limit = JointLimit(lower=-100.0, upper=100.0, max_velocity=1e4, max_step=max(within, 3.0))
    bench, _ = shadowing(limit=limit)
    bench.run(60)
    assert [chunk.stamp for chunk in bench.chunks] == [chunk.stamp for chunk in measured.chunks]
    assert "unsafe" not in bench.session.schedule.counts


@pytest.mark.parametrize("open_loop", [False, True])
def test_a_chunk_over_a_limit_is_refused_and_the_record_goes_on(open_loop: bool) -> None:
    bench, outcomes = shadowing(open_loop=open_loop, limit=JointLimit(lower=-1e-3, upper=1e-3, max_velocity=1e4, max_step=1e3))
    tell(bench, 0.0)
    bench.run(4)
    tell(bench, 1.0)
    command = bench.run(3)[-1]
    assert not bench.chunks
    assert command.mode == Mode.HOLD
    assert "limit" in command.reasons[0]
    bench.session.assembler.set_instruction("push")
    bench.run(4)
    assert 1.0 in executed(outcomes[-1] if open_loop else outcomes[-2])


def test_in_open_loop_a_refused_chunk_is_not_asked_for_again_in_mid_motion() -> None:
    bench, _ = shadowing(open_loop=True, limit=JointLimit(lower=-1e-3, upper=1e-3, max_velocity=1e4, max_step=1e3))
    bench.run(20)
    assert bench.session.schedule.counts["unsafe"] == 1


@pytest.mark.parametrize("positions", [np.zeros(JOINTS - 1), np.array([0.0, np.nan, 0.0]), np.array([0.0, np.inf, 0.0])])
def test_a_command_that_cannot_be_executed_is_refused_and_the_one_before_stays(positions: np.ndarray) -> None:
    bench, outcomes = shadowing()
    tell(bench, 2.0)
    with pytest.raises(ActionError, match="3 finite positions"):
        bench.session.loop.told(positions)
    bench.run(10)
    assert {position for outcome in outcomes for position in executed(outcome)} == {2.0}
