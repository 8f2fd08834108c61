"""The shifts that wrap any Gymnasium environment."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from point_mass import PointMass, described

from ttt_ros.errors import ConfigurationError, SimulationError
from ttt_ros.simulation.foreign.cameras import MovedCamera
from ttt_ros.simulation.foreign.description import Channel
from ttt_ros.simulation.foreign.shifts import NO_SHIFT, DelayedActions, EnvironmentShift, shifted

ROBOT = described()


def wrapped(environment: PointMass, **shift: Any) -> Any:
    return shifted(environment, EnvironmentShift(**shift), ROBOT, seed=0)


def actions(count: int) -> list[Any]:
    return list(np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32))


def test_no_shift_is_the_environment_itself() -> None:
    environment = PointMass()
    assert shifted(environment, NO_SHIFT, ROBOT, seed=0) is environment


@given(steps=st.integers(1, 6), count=st.integers(1, 12))
def test_a_delay_is_first_in_first_out_and_begins_with_nothing(steps: int, count: int) -> None:
    environment = PointMass()
    delayed = wrapped(environment, action_delay=steps)
    for _ in range(2):  # what waited at the end of an episode is forgotten
        delayed.reset(seed=1)
        given_actions = actions(count)
        for action in given_actions:
            delayed.step(action)
        nothing = [np.zeros(2, np.float32)] * steps
        np.testing.assert_array_equal(environment.executed, [*nothing, *given_actions][:count])


def test_a_delayed_direct_channel_begins_where_it_was_measured() -> None:
    environment = PointMass()
    direct = described(channels=(Channel(name="x"), Channel(name="y")))
    delayed = DelayedActions(environment, direct, steps=1)
    seen, _ = delayed.reset(seed=1)
    delayed.step(np.ones(2, np.float32))
    np.testing.assert_array_equal(environment.executed, [seen["position"]])


def test_a_gain_scales_every_action() -> None:
    environment = PointMass()
    half = wrapped(environment, action_gain=0.5)
    half.reset(seed=1)
    given_actions = actions(5)
    for action in given_actions:
        half.step(action)
    np.testing.assert_allclose(environment.executed, 0.5 * np.array(given_actions), rtol=1e-6)


@pytest.mark.parametrize("flat", [False, True])
def test_a_measured_offset_is_the_same_in_every_step_and_leaves_the_robot_alone(flat: bool) -> None:
    environment = PointMass(flat=flat)
    robot = described(proprioception="" if flat else "position")
    told = shifted(environment, EnvironmentShift(measured_offset={"y": 0.3}), robot, seed=0)
    seen, _ = told.reset(seed=1)
    for action in (None, *actions(4)):
        if action is not None:
            seen, *_ = told.step(action)
        np.testing.assert_allclose((seen if flat else seen["position"]) - environment.position, (0.0, 0.3), atol=1e-6)


def test_an_object_offset_is_handed_to_the_environment() -> None:
    environment = PointMass()
    wrapped(environment, object_offset=(0.02, 0.0, 0.0))
    assert environment.object_offset == (0.02, 0.0, 0.0)


def test_an_object_offset_needs_an_environment_that_knows_its_object() -> None:
    with pytest.raises(SimulationError, match="no method set_object_offset"):
        shifted(gymnasium.Env(), EnvironmentShift(object_offset=(0.02, 0.0, 0.0)), ROBOT, seed=0)


@pytest.mark.parametrize("image", ["observed", "rendered"])
def test_a_moved_camera_shows_the_dot_elsewhere_whichever_way_the_image_comes(image: Any) -> None:
    environment = PointMass(image)
    moved = wrapped(environment, camera_shift=(0.25, 0.0))
    moved.reset(seed=1)
    environment.position = np.zeros(2)
    seen, *_ = moved.step(np.zeros(2, np.float32))
    picture = seen["above"] if image == "observed" else moved.render()
    plain = environment._picture()
    column, shifted_column = (np.argwhere(view[..., 0] > 127)[:, 1].mean() for view in (plain, picture))
    assert shifted_column - column == pytest.approx(0.25 * 32, abs=0.6)


def test_a_camera_that_was_not_moved_shows_the_same() -> None:
    environment = PointMass()
    environment.reset(seed=1)
    still = MovedCamera(environment, "above", shift=(0.0, 0.0), roll=0.0, zoom=1.0)
    np.testing.assert_array_equal(still.render(), environment.render())


def test_a_rolled_camera_turns_the_image_clockwise() -> None:
    environment = PointMass()
    environment.reset(seed=1)
    environment.position = np.array([0.0, -0.8])  # at the top
    turned = MovedCamera(environment, "above", shift=(0.0, 0.0), roll=np.pi / 2, zoom=1.0)
    row, column = np.argwhere(turned.render()[..., 0] > 127).mean(axis=0)
    assert column > 25
    assert row == pytest.approx(15.5, abs=1.5)


def test_a_corruption_is_the_same_from_the_same_seed() -> None:
    pytest.importorskip("imagecorruptions", reason="the corruptions come from the library imagecorruptions")
    pictures = []
    for seed in (0, 0, 1):
        environment = shifted(PointMass(), EnvironmentShift(corruption="gaussian_noise", severity=3), ROBOT, seed=seed)
        environment.reset(seed=1)
        pictures.append([environment.render(), environment.render()])
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0][0], pictures[0][1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ({"corruption": "haze", "severity": 3}, "unknown corruption 'haze'"),
        ({"corruption": "fog"}, "needs one from 1 to 5"),
        ({"severity": 2}, "needs one from 1 to 5"),
    ],
)
def test_a_shift_that_means_nothing_is_refused(shift: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        EnvironmentShift(**shift)


def test_an_offset_of_an_unknown_value_is_refused() -> None:
    with pytest.raises(SimulationError, match="no measured value is named z; the robot has x, y"):
        wrapped(PointMass(), measured_offset={"z": 0.1})
