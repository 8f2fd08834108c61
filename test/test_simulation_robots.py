"""Robots: what is hidden about them is a pure function of seed and goal, in range, and drifts slowly."""

from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.corruptions import SLOW_CORRUPTIONS
from ttt_ros.simulation.deployment import random_of_goal
from ttt_ros.simulation.robots import DRIFT, HIDDEN_SIZE, Property, Range, Robot, Unseen
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts

SEEDS = st.integers(0, 2**31)
GOALS = st.integers(0, 1_000_000)


def of_coupling(shifts: Shifts) -> np.ndarray[Any, np.dtype[np.float64]]:
    matrix = np.reshape(shifts.cross_coupling, (6, 6))
    return np.concatenate([matrix[:4, :4][~np.eye(4, dtype=bool)]])


@settings(deadline=None)
@given(seed=SEEDS, goal=GOALS)
def test_in_training_range_every_property_is_within_its_limits_however_long_the_run(seed: int, goal: int) -> None:
    robot = Robot(seed=seed)
    shifts = robot.shifts(goal)
    assert np.abs(shifts.encoder_offset).max() <= 0.1
    assert np.abs(np.array(shifts.actuator_gain) - 1).max() <= 0.1 + 1e-12
    assert shifts.actuator_gain[4:] == (1.0, 1.0)
    assert np.abs(of_coupling(shifts)).max() <= 0.05
    assert np.abs(shifts.camera_position).max() <= 0.02
    assert (np.abs(shifts.camera_rotation) <= (0.03, 0.03, 0.06)).all()
    assert 0 <= shifts.action_delay <= 0.15
    assert 0 <= shifts.payload <= 0.15
    assert 0.6 <= shifts.light <= 1.4
    assert np.abs(np.array(shifts.colour_cast) - 1).max() <= 0.15 + 1e-12
    assert 0 <= shifts.sensor_noise <= 10
    assert np.abs(robot.hidden(goal)).max() <= 1


@settings(deadline=None)
@given(seed=SEEDS, goal=GOALS)
def test_in_the_wider_range_every_property_is_beyond_training_and_not_beyond_its_bound(seed: int, goal: int) -> None:
    shifts = Robot(seed=seed, range=Range.WIDER).shifts(goal)
    groups = [
        np.array(shifts.encoder_offset) / 0.1,
        (np.array(shifts.actuator_gain[:4]) - 1) / 0.1,
        of_coupling(shifts) / 0.05,
        np.array(shifts.camera_position) / 0.02,
        np.array(shifts.camera_rotation) / (0.03, 0.03, 0.06),
        np.array([shifts.action_delay / 0.15, shifts.payload / 0.15, (shifts.light - 1) / 0.4, shifts.sensor_noise / 10]),
        (np.array(shifts.colour_cast) - 1) / 0.15,
    ]
    sizes = np.abs(np.concatenate(groups))
    assert sizes.min() >= 1 - 1e-9
    assert sizes.max() <= 1.75 + 1e-9


@settings(deadline=None)
@given(seed=SEEDS, goal=GOALS, span=st.sampled_from(list(Range)))
def test_the_same_seed_is_the_same_robot_at_the_same_goal_whatever_was_asked_before(seed: int, goal: int, span: Range) -> None:
    robot, other = Robot(seed=seed, range=span), Robot(seed=seed, range=span)
    other.shifts(goal // 2)
    assert robot.shifts(goal) == other.shifts(goal)
    np.testing.assert_array_equal(robot.hidden(goal), other.hidden(goal))


@settings(deadline=None)
@given(seed=SEEDS, goal=GOALS, span=st.sampled_from(list(Range)))
def test_from_goal_to_goal_nothing_moves_by_more_than_one_and_a_half_times_the_drift(seed: int, goal: int, span: Range) -> None:
    robot = Robot(seed=seed, range=span)
    moved = np.abs(robot.hidden(goal + 1) - robot.hidden(goal))
    assert 0 < moved.max() <= 1.5 * DRIFT + 1e-6


def test_over_two_hundred_goals_a_robot_moves_by_about_half_a_training_range() -> None:
    moved = [np.abs(Robot(seed=seed).hidden(200) - Robot(seed=seed).hidden(0)).mean() for seed in range(50)]
    assert 0.5 < np.mean(moved) < 1.1


def test_without_drift_a_robot_stays_as_it_is() -> None:
    robot = Robot(seed=1, drift=0.0)
    assert robot.shifts(0) == robot.shifts(1_000)


def test_where_the_cubes_lie_tells_nothing_of_the_robot_of_the_same_seed() -> None:
    """The first draws of a layout are the radii and azimuths of the cubes."""
    for goal in range(10):
        layouts = np.array([random_of_goal(seed, goal).uniform(size=6) for seed in range(400)])
        robots = np.array([Robot(seed=seed).hidden(goal) for seed in range(400)])
        correlations = np.corrcoef(layouts, robots, rowvar=False)[:6, 6:]
        assert np.abs(correlations).max() < 0.25


def test_robots_of_many_seeds_fill_the_training_range_evenly_at_any_goal() -> None:
    for goal in (0, 977):
        hidden = np.array([Robot(seed=seed).hidden(goal) for seed in range(300)])
        np.testing.assert_allclose(hidden.mean(axis=0), 0.0, atol=0.15)
        np.testing.assert_allclose(hidden.std(axis=0), 1 / np.sqrt(3), atol=0.06)


@pytest.mark.parametrize("kept", list(Property))
def test_a_property_has_the_same_values_with_and_without_the_others_which_are_then_nominal(kept: Property) -> None:
    everything, alone = Robot(seed=4).shifts(30), Robot(seed=4, properties=(kept,)).shifts(30)
    for one, other, nominal in zip(astuple(everything), astuple(alone), astuple(NO_SHIFTS), strict=True):
        assert other in (one, nominal)
    assert alone != NO_SHIFTS


def test_a_robot_without_properties_is_nominal_and_its_oracle_is_told_so() -> None:
    robot = Robot(seed=4, properties=())
    assert robot.shifts(100) == NO_SHIFTS
    hidden = robot.hidden(100)
    assert hidden.shape == (HIDDEN_SIZE,)
    assert hidden.dtype == np.float32
    assert set(hidden.tolist()) == {0.0, -1.0}


def test_what_an_oracle_is_told_are_the_shifts() -> None:
    robot = Robot(seed=9)
    shifts, hidden = robot.shifts(12), robot.hidden(12)
    told = np.concatenate(
        [
            np.array(shifts.encoder_offset[:4]) / 0.1,
            (np.array(shifts.actuator_gain[:4]) - 1) / 0.1,
            of_coupling(shifts) / 0.05,
            np.array(shifts.camera_position) / 0.02,
            np.array(shifts.camera_rotation) / (0.03, 0.03, 0.06),
            [2 * shifts.action_delay / 0.15 - 1, 2 * shifts.payload / 0.15 - 1, (shifts.light - 1) / 0.4],
            (np.array(shifts.colour_cast) - 1) / 0.15,
            [2 * shifts.sensor_noise / 10 - 1],
        ]
    )
    np.testing.assert_allclose(hidden, told, atol=1e-6)


@pytest.mark.parametrize("kind", list(Unseen))
def test_an_unseen_kind_comes_on_top_and_changes_nothing_else(kind: Unseen) -> None:
    without, with_kind = Robot(seed=2), Robot(seed=2, unseen=(kind,))
    fields = ("corruption", "severity") if kind is Unseen.CORRUPTION else (kind.value,)
    nominal = {field: getattr(NO_SHIFTS, field) for field in fields}
    assert with_kind.shifts(5) != without.shifts(5)
    assert replace(with_kind.shifts(5), **nominal) == without.shifts(5)
    assert getattr(Robot(seed=2, unseen=tuple(Unseen)).shifts(5), fields[0]) == getattr(with_kind.shifts(5), fields[0])
    np.testing.assert_array_equal(with_kind.hidden(5), without.hidden(5))


def test_a_corruption_is_drawn_from_the_quick_ones_unless_it_is_named() -> None:
    drawn = {Robot(seed=seed, unseen=(Unseen.CORRUPTION,)).shifts(0).corruption for seed in range(120)}
    assert len(drawn) > 10
    assert drawn.isdisjoint(SLOW_CORRUPTIONS)
    named = Robot(seed=0, unseen=(Unseen.CORRUPTION,), corruption="fog", severity=5).shifts(0)
    assert (named.corruption, named.severity) == ("fog", 5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": -1}, "robot seed -1 must be at least 0"),
        ({"seed": 0, "severity": 6}, "severity 6 must be a whole number from 1 to 5"),
        ({"seed": 0, "severity": 0}, "severity 0 must be a whole number from 1 to 5"),
        ({"seed": 0, "corruption": "rain", "unseen": (Unseen.CORRUPTION,)}, "unknown corruption 'rain'"),
        ({"seed": 0, "corruption": "fog"}, "corruption 'fog' has no effect; add Unseen.CORRUPTION"),
        ({"seed": 0, "drift": float("nan")}, "drift nan per goal must be a finite number of at least 0"),
        ({"seed": 0, "drift": -0.1}, "drift -0.1 per goal must be a finite number of at least 0"),
    ],
)
def test_a_robot_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        Robot(**fields)


@pytest.mark.parametrize("ask", [Robot.shifts, Robot.hidden])
def test_a_negative_goal_is_refused(ask: Any) -> None:
    with pytest.raises(SimulationError, match="goal index -1 must be at least 0"):
        ask(Robot(seed=0), -1)
