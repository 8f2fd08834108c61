"""What was commanded between two observations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.control.executed import ExecutedCommands
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import ActionMeaning

HORIZON = 4


def record_of(ticks: int) -> ExecutedCommands:
    record = ExecutedCommands(horizon=HORIZON)
    record.observed()
    for tick in range(ticks):
        record.commanded(np.array([float(tick), -float(tick)]))
    return record


@given(st.integers(1, HORIZON))
def test_commands_between_two_observations_are_padded_with_the_last_one(ticks: int) -> None:
    executed = record_of(ticks).observed()
    assert executed is not None
    assert executed.steps == ticks
    assert executed.positions.dtype == torch.float32
    assert executed.positions[:, 0].tolist() == [min(step, ticks - 1) for step in range(HORIZON)]
    assert torch.equal(executed.positions[:, 1], -executed.positions[:, 0])


@given(st.integers(HORIZON + 1, 20))
def test_more_commands_than_the_horizon_are_no_transition(ticks: int) -> None:
    assert record_of(ticks).observed() is None


@given(st.integers(1, 20))
def test_a_position_held_beyond_the_horizon_is_no_further_command(held: int) -> None:
    record = record_of(HORIZON)
    for _ in range(held):
        record.commanded(np.array([HORIZON - 1.0, 1.0 - HORIZON]))
    executed = record.observed()
    assert executed is not None
    assert executed.steps == HORIZON
    assert executed.positions[:, 0].tolist() == [float(step) for step in range(HORIZON)]


@given(st.integers(0, 20), st.integers(1, HORIZON))
def test_a_movement_begins_with_the_first_command_to_leave_the_position_of_the_observation(waited: int, ticks: int) -> None:
    record = ExecutedCommands(horizon=HORIZON)
    standing = np.array([9.0, 9.0])
    record.observed(standing=standing)
    for _ in range(waited):
        record.commanded(standing.copy())
    for tick in range(ticks):
        record.commanded(np.array([float(tick), 0.0]))
    record.commanded(standing)  # on the way back it is a command like any other
    executed = record.observed(standing=standing)
    if ticks == HORIZON:
        assert executed is None
    else:
        assert executed is not None
        assert executed.steps == ticks + 1
        assert executed.positions[: ticks + 1, 0].tolist() == [*map(float, range(ticks)), 9.0]


def test_a_robot_that_never_left_its_position_made_no_movement() -> None:
    record = ExecutedCommands(horizon=HORIZON)
    record.observed(standing=np.zeros(2))
    record.commanded(np.zeros(2))
    assert record.observed() is None


def test_without_a_position_to_stand_at_waiting_is_part_of_the_record() -> None:
    record = ExecutedCommands(horizon=HORIZON)
    record.commanded(np.zeros(2))
    record.observed()
    record.commanded(np.zeros(2))
    executed = record.observed()
    assert executed is not None
    assert executed.steps == 1


def test_two_observations_without_a_command_between_are_no_transition() -> None:
    assert record_of(0).observed() is None


def test_what_was_commanded_before_the_first_observation_is_no_transition() -> None:
    record = ExecutedCommands(horizon=HORIZON)
    record.commanded(np.zeros(2))
    assert record.observed() is None


def test_each_observation_begins_a_new_record() -> None:
    record = record_of(3)
    record.observed()
    record.commanded(np.array([9.0, 9.0]))
    executed = record.observed()
    assert executed is not None
    assert (executed.steps, executed.positions[0, 0].item()) == (1, 9.0)


def test_a_gap_that_was_too_long_does_not_spoil_the_next_record() -> None:
    record = record_of(HORIZON + 3)
    record.observed()
    record.commanded(np.zeros(2))
    assert record.observed() is not None


def test_a_reset_ends_the_record() -> None:
    record = record_of(2)
    record.reset()
    record.commanded(np.zeros(2))
    assert record.observed() is None


@pytest.mark.parametrize("meaning", list(ActionMeaning))
def test_a_transition_says_how_far_each_joint_is_from_its_last_command(meaning: ActionMeaning) -> None:
    executed = record_of(3).observed()
    assert executed is not None
    before, after = (
        Observation(stamp=0, images={}, joint_positions=torch.tensor(joints), instruction="") for joints in ([0.5, 0.5], [2.25, -1.0])
    )
    features = {"any": torch.zeros(1)}
    transition = executed.transition(before, after, features=features, next_features=features, meaning=meaning)
    assert transition.following_error is not None
    assert transition.following_error.tolist() == [[0.25, 1.0]]
