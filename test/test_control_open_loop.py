"""The control loop of a policy that decides a whole movement at once: one chunk for each instruction."""

import numpy as np
import pytest
import torch
from control_session import PERIOD, Bench
from small_policy import HORIZON, SmallPolicy
from torch import Tensor

from ttt_ros.control.loop import Outcome
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory
from ttt_ros.safeguard.ladder import Mode


class _OncePolicy(SmallPolicy):
    """Answers with NaN the first time."""

    answers = 0

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        self.answers += 1
        actions = super().act(features, fast, memory)
        return actions * torch.nan if self.answers == 1 else actions


def instructed(bench: Bench, instruction: str, *, ticks: int = HORIZON + 6) -> np.ndarray:
    """What was commanded from the tick at which the instruction came, (ticks, joints)."""
    bench.session.assembler.set_instruction(instruction)
    return np.array([command.positions for command in bench.run(ticks)])


@pytest.fixture
def bench() -> Bench:
    """A robot that stands after its first chunk."""
    bench = Bench(open_loop=True)
    bench.run(HORIZON + 6)
    return bench


def test_each_instruction_is_answered_by_one_chunk_and_the_position_is_held_until_the_next(bench: Bench) -> None:
    assert len(bench.chunks) == 1
    for count, instruction in enumerate(("push", "reach", "push"), start=2):
        commanded = instructed(bench, instruction, ticks=3 * HORIZON)
        assert len(bench.chunks) == count
        assert np.array_equal(commanded[-1], bench.chunks[-1].positions[-1])
        assert bench.run(1)[0].mode == Mode.ADAPTING
    assert "underrun" not in bench.session.schedule.counts


def test_a_chunk_is_played_whole_as_the_policy_answered_it(bench: Bench) -> None:
    commanded = instructed(bench, "push")
    chunk = bench.chunks[-1].positions
    starts = [start for start in range(len(commanded) - HORIZON) if np.array_equal(commanded[start : start + HORIZON], chunk)]
    assert len(starts) == 1
    assert all(np.array_equal(position, commanded[0]) for position in commanded[: starts[0]])  # until then it stood


def test_a_transition_holds_the_whole_chunk_however_long_the_position_was_held_after_it(bench: Bench) -> None:
    outcomes: list[Outcome] = []
    bench.session.loop._on_outcome = outcomes.append
    instructed(bench, "push", ticks=5 * HORIZON)
    pushed = bench.chunks[-1]
    instructed(bench, "reach")
    assert len(outcomes) == 2
    assert outcomes[-1].before.instruction == "push"
    assert int(outcomes[-1].transition.steps) == HORIZON
    assert np.array_equal(outcomes[-1].transition.executed[0].numpy(), pushed.positions.astype(np.float32))


@pytest.mark.parametrize("after", range(1, HORIZON + 4))
def test_an_instruction_that_comes_in_mid_motion_waits_for_the_end_and_for_a_younger_observation(bench: Bench, after: int) -> None:
    asked = bench.now
    instructed(bench, "push", ticks=after)
    pushed = len(bench.chunks)
    came = bench.now
    instructed(bench, "reach", ticks=2 * HORIZON + 4)
    assert len(bench.chunks) == pushed + 1
    newest = bench.chunks[-1]
    if pushed == 2:  # the chunk under way was played to its end first
        end = asked + PERIOD * (2 + HORIZON)
        assert newest.stamp >= end - PERIOD
    assert newest.stamp > came
    assert np.array_equal(bench.run(1)[0].positions, newest.positions[-1])


def test_a_chunk_that_a_hold_interrupted_is_asked_for_again_and_one_that_had_ended_is_not(bench: Bench) -> None:
    instructed(bench, "push", ticks=4)
    bench.run(2, Mode.HOLD)
    bench.run(HORIZON + 4)
    assert len(bench.chunks) == 3
    bench.run(2, Mode.HOLD)
    bench.run(HORIZON + 4)
    assert len(bench.chunks) == 3


def test_a_chunk_goes_on_where_it_was_when_the_camera_is_back(bench: Bench) -> None:
    outcomes: list[Outcome] = []
    bench.session.loop._on_outcome = outcomes.append
    instructed(bench, "push", ticks=4)
    assert bench.session.schedule.remaining
    bench.now += 5 * PERIOD
    bench.order(Mode.ADAPTING)
    held = bench.tick()
    assert held.mode == Mode.HOLD
    bench.run(HORIZON + 4)
    assert len(bench.chunks) == 2
    assert np.array_equal(bench.run(1)[0].positions, bench.chunks[-1].positions[-1])
    instructed(bench, "reach")
    assert np.array_equal(outcomes[-1].transition.executed[0].numpy(), bench.chunks[1].positions.astype(np.float32))


def test_a_chunk_under_way_when_the_robot_was_not_felt_for_long_is_asked_for_again_from_where_it_stands(bench: Bench) -> None:
    instructed(bench, "push", ticks=4)
    assert bench.session.schedule.remaining
    bench.now += 20 * PERIOD
    bench.run(2 * HORIZON)
    assert len(bench.chunks) == 3
    assert np.array_equal(bench.run(1)[0].positions, bench.chunks[-1].positions[-1])


def test_an_interrupted_instruction_is_answered_anew_when_the_clock_was_set_back(bench: Bench) -> None:
    bench.run(60)
    instructed(bench, "push", ticks=4)
    assert bench.session.schedule.remaining
    bench.now = PERIOD
    bench.run(2 * HORIZON)
    assert np.array_equal(bench.run(1)[0].positions, bench.chunks[-1].positions[-1])
    assert bench.chunks[-1].stamp < bench.now


def test_a_run_that_begins_anew_does_not_play_what_was_left_of_a_movement(bench: Bench) -> None:
    instructed(bench, "push", ticks=4)
    left = bench.session.schedule.remaining
    assert left
    bench.session.begin()
    assert bench.run(1)[0].positions is None
    assert bench.session.schedule.remaining == 0


@pytest.mark.parametrize("ended", ["reset", "rollback", "base"])
def test_a_movement_is_finished_when_its_weights_are_withdrawn_but_nothing_is_learnt_from_it(bench: Bench, ended: str) -> None:
    outcomes: list[Outcome] = []
    bench.session.loop._on_outcome = outcomes.append
    instructed(bench, "push", ticks=4)
    if ended != "base":
        getattr(bench.session, ended)()
    bench.run(HORIZON + 4, Mode.BASE if ended == "base" else Mode.ADAPTING)
    assert len(bench.chunks) == 2
    assert np.array_equal(bench.run(1)[0].positions, bench.chunks[-1].positions[-1])
    outcomes.clear()
    instructed(bench, "reach")
    assert len(bench.chunks) == 3
    assert not outcomes


def test_an_answer_of_withdrawn_weights_is_dropped_and_the_instruction_asked_for_again(bench: Bench) -> None:
    bench.session.assembler.set_instruction("push")
    bench.run(2)
    assert bench.session.loop._request is not None
    epoch = bench.session.reset() and bench.session.store.epoch
    bench.run(HORIZON + 6)
    assert len(bench.chunks) == 2
    assert bench.chunks[-1].epoch == epoch


def test_an_instruction_whose_chunk_was_refused_is_asked_for_again() -> None:
    bench = Bench(_OncePolicy(), open_loop=True)
    bench.run(HORIZON + 8)
    assert len(bench.chunks) == 1
    assert np.array_equal(bench.run(1)[0].positions, bench.chunks[0].positions[-1])
