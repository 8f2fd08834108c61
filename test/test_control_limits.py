"""Joint limits: a chunk passes whole or not at all."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttt_ros.configuration import validated
from ttt_ros.control.limits import ROUNDING, JointLimits, JointLimitsConfig
from ttt_ros.errors import ActionError, ConfigurationError, SpecificationError

WRITTEN = {
    "shoulder": {"lower": -1.0, "upper": 1.0, "max_velocity": 2.0, "max_step": 0.5},
    "elbow": {"lower": -0.5, "upper": 2.0, "max_velocity": 4.0, "max_step": 0.3},
}
CURRENT = np.zeros(2)
PERIOD = 0.1


def limits_of(*names: str) -> JointLimits:
    return validated(JointLimitsConfig, {"joint_limits": WRITTEN}, source="limits").select(names or ("shoulder", "elbow"))


def check(positions: object, *, current: NDArray[np.float64] = CURRENT, period: float = PERIOD) -> None:
    limits_of().check_chunk(np.array(positions, dtype=np.float64), current=current, period=period)


def test_a_chunk_within_all_limits_passes() -> None:
    check([[0.1, 0.1], [0.2, 0.2], [0.1, 0.3]])


@pytest.mark.parametrize(
    ("positions", "current", "period", "message"),
    [
        ([[0.1, 0.0], [np.nan, 0.0]], [0, 0], 0.1, "joint 'shoulder', step 1: position nan rad is not finite"),
        ([[0.0, np.inf]], [0, 0], 0.1, "joint 'elbow', step 0: position inf rad is not finite"),
        ([[1.1, 0.0]], [1.0, 0], 0.1, "joint 'shoulder', step 0: position 1.1 rad is above the upper limit 1 rad"),
        ([[0.0, -0.4], [0.0, -0.6]], [0, -0.3], 0.1, "joint 'elbow', step 1: position -0.6 rad is below the lower limit -0.5 rad"),
        ([[0.0, 0.31]], [0, 0], 0.1, "joint 'elbow', step 0: step 0.31 rad is above the limit 0.3 rad"),
        ([[0.0, 0.2], [0.0, 0.55]], [0, 0], 0.1, "joint 'elbow', step 1: step 0.35 rad is above the limit 0.3 rad"),
        ([[0.3, 0.0]], [0, 0], 0.1, "joint 'shoulder', step 0: velocity 3 rad/s is above the limit 2 rad/s"),
        ([[0.0, 0.0], [0.0, -0.2]], [0, 0], 0.04, "joint 'elbow', step 1: velocity 5 rad/s is above the limit 4 rad/s"),
    ],
)
def test_each_violation_is_named_with_joint_step_value_and_limit(
    positions: list[list[float]], current: list[float], period: float, message: str
) -> None:
    with pytest.raises(ActionError, match=re.escape(message)):
        check(positions, current=np.array(current, dtype=np.float64), period=period)


def test_values_exactly_at_a_limit_pass() -> None:
    check([[0.2, 0.3]])
    check([[1.0, 2.0]], current=np.array([0.9, 1.9]))


def test_the_rounding_of_float32_passes_and_no_more() -> None:
    check(np.array([[1.0, 2.0]]) + ROUNDING / 2, current=np.array([1.0, 2.0]))
    with pytest.raises(ActionError):
        check(np.array([[1.0, 2.0]]) + ROUNDING * 2, current=np.array([1.0, 2.0]))


@given(st.lists(st.lists(st.one_of(st.floats(-2.5, 2.5), st.just(float("nan"))), min_size=2, max_size=2), min_size=1, max_size=6))
def test_whatever_passes_keeps_every_limit_in_every_step(positions: list[list[float]]) -> None:
    try:
        check(positions)
    except ActionError:
        return
    table = np.array([[0.0, 0.0], *positions])
    steps = np.abs(np.diff(table, axis=0))
    assert (table[:, 0] >= -1.0 - ROUNDING).all()
    assert (table[:, 0] <= 1.0 + ROUNDING).all()
    assert (table[:, 1] >= -0.5 - ROUNDING).all()
    assert (steps[:, 0] <= 0.2 + ROUNDING).all()
    assert (steps[:, 1] <= 0.3 + ROUNDING).all()


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.3, 0.3)), min_size=1, max_size=3))
def test_a_chunk_of_small_steps_inside_the_range_always_passes(moves: list[tuple[float, float]]) -> None:
    start = np.array([0.0, 0.5])
    check(start + np.cumsum(np.array(moves), axis=0), current=start)


def test_nothing_is_checked_against_a_position_that_is_not_finite() -> None:
    with pytest.raises(ActionError, match="joint 'elbow': the position commanded last is not finite"):
        check([[0.0, 0.0]], current=np.array([0.0, np.nan]))


@pytest.mark.parametrize("shape", [(2,), (3, 3), (1, 2, 2)])
def test_a_chunk_for_other_joints_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ActionError, match="does not fit 2 joints"):
        check(np.zeros(shape))


def test_limits_are_picked_by_name_in_the_policys_order() -> None:
    limits = limits_of("elbow")
    assert (limits.names, limits.lower.tolist(), limits.max_step.tolist()) == (("elbow",), [-0.5], [0.3])


def test_a_joint_without_limits_is_refused() -> None:
    with pytest.raises(SpecificationError, match="joint 'wrist' has no limits; the file gives them for shoulder, elbow"):
        limits_of("elbow", "wrist")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lower": 1.0}, "lower 1 rad must be below upper 1 rad"),
        ({"max_velocity": 0.0}, "max_velocity' = 0.0"),
        ({"max_step": -1.0}, "max_step' = -1.0"),
        ({"upper": float("nan")}, "upper' = nan"),
        ({"effort": 1.0}, "effort"),
    ],
)
def test_contradictory_limits_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        validated(JointLimitsConfig, {"joint_limits": {"shoulder": WRITTEN["shoulder"] | change}}, source="limits")
