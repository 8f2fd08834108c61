"""The robot of a foreign environment: what it shows, what it follows, and what it refuses."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from point_mass import REACHED, SIDE, TASK, UNIT, PointMass, described

from ttt_ros.errors import ConfigurationError, SimulationError, SpecificationError
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.environment import DeskArmEnvironment
from ttt_ros.simulation.foreign.description import Channel, EnvironmentTask, Meaning, RobotDescription, check_policy
from ttt_ros.simulation.foreign.factory import make_environment
from ttt_ros.simulation.foreign.follower import Follower, targets
from ttt_ros.simulation.foreign.robot import ForeignRobot

CHANNELS = (Channel(name="x", meaning=Meaning.DISPLACEMENT, unit=0.01, share=0.1), Channel(name="effort"))
LOW, HIGH = np.full(2, -1.0), np.ones(2)


def robot(environment: PointMass, **changes: Any) -> ForeignRobot:
    made = ForeignRobot(described(**changes), TASK, environment)
    made.reset(1)
    return made


def test_a_displacement_goes_a_share_of_the_way_and_a_direct_channel_is_the_target() -> None:
    follower = Follower(CHANNELS, low=LOW, high=HIGH)
    follower.begin(np.array([0.5, 0.0]))
    np.testing.assert_allclose(follower.action(np.array([0.53, 0.6])), [0.3, 0.6])
    # It reckons with having moved by 0.3 * 0.01.
    np.testing.assert_allclose(follower.action(np.array([0.53, 0.6])), [0.27, 0.6])


def test_an_action_stays_within_the_environments_bounds_and_reckoning_knows() -> None:
    follower = Follower(CHANNELS, low=LOW, high=HIGH)
    follower.begin(np.zeros(2))
    assert follower.action(np.array([5.0, 7.0])).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(follower.action(np.array([0.02, 0.0])), [0.1, 0.0])


@given(action=st.floats(-1, 1), measured=st.floats(-1, 1), effort=st.floats(-1, 1))
def test_a_demonstrated_action_becomes_a_target_that_leads_to_it(action: float, measured: float, effort: float) -> None:
    demonstrated, where = np.array([action, effort]), np.array([measured, 0.3])
    follower = Follower(CHANNELS, low=LOW, high=HIGH)
    follower.begin(where)
    np.testing.assert_allclose(follower.action(targets(CHANNELS, actions=demonstrated, measured=where)), demonstrated, atol=1e-9)


def test_a_wrong_gain_shows_within_a_chunk_because_the_follower_does_not_look() -> None:
    ends = []
    for gain in (1.0, 0.5):
        environment = PointMass()
        follower = Follower(described().channels, low=LOW, high=HIGH)
        environment.reset(seed=1)
        environment.position = np.zeros(2)
        follower.begin(environment.position)
        for _ in range(20):
            environment.step((gain * follower.action(np.array([0.2, 0.2]))).astype(np.float32))
        ends.append(environment.position)
    np.testing.assert_allclose(ends[0], 0.2, atol=1e-3)
    np.testing.assert_allclose(ends[1], 0.1, atol=1e-3)


@pytest.mark.parametrize("image", ["observed", "rendered"])
def test_an_observation_is_what_a_policy_takes(image: Any) -> None:
    environment = PointMass(image)
    seen = robot(environment).observe()
    assert seen.images["above"].shape == (SIDE, SIDE, 3)
    assert seen.images["above"].dtype == torch.uint8
    np.testing.assert_allclose(seen.joint_positions, environment.position, atol=1e-6)
    assert seen.instruction == "reach the centre"


def test_an_observation_may_be_the_vector_itself() -> None:
    environment = PointMass(flat=True)
    np.testing.assert_allclose(robot(environment, proprioception="").measured(), environment.position, atol=1e-6)


def test_an_episode_ends_at_success_and_the_rest_of_the_chunk_is_not_played() -> None:
    environment = PointMass()
    made = robot(environment)
    environment.position = np.array([REACHED + 0.5 * UNIT, 0.0])
    assert made.play(np.tile([-1.0, 0.0], (4, 1))) == 1
    assert made.success
    assert made.over


def test_an_episode_ends_at_the_step_limit() -> None:
    made = robot(PointMass(), step_limit=3)
    assert made.play(np.ones((4, 2))) == 3
    assert made.over
    assert not made.success


def test_the_desk_arm_goes_through_the_same_door() -> None:
    environment = DeskArmEnvironment(cameras={"scene": (64, 64)})
    description = RobotDescription(
        environment="ttt_ros.simulation.environment:DeskArmEnvironment",
        camera="scene",
        proprioception="joint_positions",
        proprioception_names=JOINT_NAMES,
        channels=tuple(Channel(name=name) for name in JOINT_NAMES),
        horizon=4,
        period=1 / 30,
        replan_steps=4,
        step_limit=8,
    )
    made = ForeignRobot(description, TASK, environment)
    try:
        made.reset(0)
        before = made.measured()
        assert made.play(np.tile(before + 0.02, (4, 1))) == 4
        assert (made.measured() > before).all()
    finally:
        made.close()


@pytest.mark.parametrize(
    ("environment", "changes", "message"),
    [
        (PointMass("none"), {}, "shows no image: its observation has no entry 'above' and render"),
        (PointMass(), {"proprioception": "joints"}, "has no proprioception 'joints'; it has the entries position"),
        (PointMass(), {"proprioception": ""}, "has no proprioception ''; it has the entries position"),
        (PointMass(flat=True), {}, "it has no entries, it is one ndarray"),
    ],
)
def test_an_environment_without_image_or_proprioception_is_refused(environment: PointMass, changes: Any, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        robot(environment, **changes).observe()


def test_a_proprioception_of_another_length_is_refused() -> None:
    environment = PointMass()
    made = robot(environment)
    environment._observation = lambda: {"position": np.zeros(3)}  # type: ignore[method-assign]
    made.act(np.zeros(2))
    with pytest.raises(SimulationError, match=r"has shape \(3,\), but 2 values are named: x, y"):
        made.observe()


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)])
def test_an_image_that_is_not_8_bit_rgb_is_refused(image: Any) -> None:
    environment = PointMass()
    environment.render = lambda: image  # type: ignore[method-assign]
    with pytest.raises(SimulationError, match=r"not uint8 \(height, width, 3\)"):
        robot(environment).observe()


def test_a_measurement_that_is_not_finite_is_refused() -> None:
    environment = PointMass()
    made = robot(environment)
    environment._observation = lambda: {"position": np.array([np.nan, 0.0])}  # type: ignore[method-assign]
    made.act(np.zeros(2))
    with pytest.raises(SimulationError, match="the simulation has diverged"):
        made.observe()


def test_targets_that_are_not_finite_are_refused() -> None:
    with pytest.raises(SimulationError, match="not finite; the policy has diverged"):
        robot(PointMass()).play(np.full((4, 2), np.nan))


def test_an_environment_with_another_action_is_refused() -> None:
    three = tuple(Channel(name=name) for name in "xyz")
    with pytest.raises(SimulationError, match="3 numbers are named: x, y, z"):
        robot(PointMass(), channels=three, proprioception_names=("x", "y", "z"))


def test_an_environment_that_does_not_tell_success_is_refused() -> None:
    with pytest.raises(SimulationError, match="has no entry 'is_success'; it has: success"):
        robot(PointMass(), success_key="is_success").act(np.zeros(2))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("NoSuchRobot-v0", {}, "Gymnasium cannot make 'NoSuchRobot-v0'"),
        ("no_such_module:make", {}, "cannot be imported"),
        ("point_mass:make", {}, "cannot be imported"),
        ("point_mass:make_point_mass", {"colour": "red"}, "does not take the arguments {'colour': 'red'}"),
        ("point_mass:described", {}, "made a RobotDescription, not a gymnasium.Env"),
    ],
)
def test_an_environment_that_cannot_be_made_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        make_environment(name, EnvironmentTask(name="t", instruction="do", arguments=arguments))


def test_a_gymnasium_id_is_made_to_render() -> None:
    gymnasium.register("PointMassForTests-v0", entry_point=PointMass)
    try:
        made = make_environment("PointMassForTests-v0", TASK)
        assert isinstance(made.unwrapped, PointMass)
        assert made.render_mode == "rgb_array"
    finally:
        gymnasium.registry.pop("PointMassForTests-v0")


def test_a_policy_for_another_robot_is_refused_with_every_difference() -> None:
    specification = PolicySpecification(
        cameras=(CameraSpecification(name="front", height=32, width=32),),
        joint_names=("y", "x"),
        horizon=8,
        period=0.1,
        action_meaning=ActionMeaning.ABSOLUTE,
        max_instruction_words=4,
    )
    with pytest.raises(SpecificationError, match=r"cameras: .*; joints: .*; steps in a chunk: .*; period: "):
        check_policy(described(), specification)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"replan_steps": 5}, "play at most all of them"), ({"proprioception_names": ("x",)}, "2 channels for 1 measured values")],
)
def test_a_description_that_contradicts_itself_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        described(**changes)
