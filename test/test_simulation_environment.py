"""The Gymnasium environment."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.environment import DeskArmEnvironment
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import INSTRUCTIONS, parse


@pytest.fixture
def environment() -> Iterator[DeskArmEnvironment]:
    made = DeskArmEnvironment(cameras={"scene": (64, 64), "wrist": (32, 32)}, render_mode="rgb_array")
    yield made
    made.close()


def test_gymnasium_finds_no_fault(environment: DeskArmEnvironment) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(symmetric and normalized|alternative render modes).*")
        check_env(environment)


def test_an_expert_reaches_the_goal_and_is_rewarded_once(environment: DeskArmEnvironment) -> None:
    observation, information = environment.reset(seed=1, options={"instruction": "touch the green cube"})
    expert = Expert(environment.simulation)
    assert not information["success"]
    rewards, terminated, truncated = [], False, False
    while not (terminated or truncated):
        action = expert.action(parse(observation["instruction"])).astype(np.float32)
        observation, reward, terminated, truncated, information = environment.step(action)
        rewards.append(reward)
    assert terminated
    assert not truncated
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
    assert information == {"success": True, "first_touched": "green"}


def test_an_episode_ends_at_its_time_limit() -> None:
    environment = DeskArmEnvironment(cameras={"wrist": (16, 16)}, time_limit=0.5)
    environment.reset(seed=0)
    ends = [environment.step(np.array(HOME, np.float32))[2:4] for _ in range(15)]
    assert ends == [(False, False)] * 14 + [(False, True)]
    environment.close()


def test_a_seed_means_the_layout_of_the_engine(environment: DeskArmEnvironment) -> None:
    environment.reset(seed=11)
    engine = Simulation(seed=11)
    np.testing.assert_array_equal(environment.simulation.cube_position("red"), engine.cube_position("red"))


def test_without_a_seed_layouts_and_instructions_vary(environment: DeskArmEnvironment) -> None:
    environment.reset(seed=0)
    instructions, places = set(), set()
    for _ in range(8):
        observation, _ = environment.reset()
        instructions.add(observation["instruction"])
        places.add(float(environment.simulation.cube_position("red")[0]))
    assert len(places) == 8
    assert len(instructions) > 2
    assert instructions <= set(INSTRUCTIONS)


def test_shifts_hold_for_the_episode_they_were_asked_for(environment: DeskArmEnvironment) -> None:
    shifts = Shifts(encoder_offset=(0.2, 0.0, 0.0, 0.0, 0.0, 0.0))
    observation, _ = environment.reset(seed=0, options={"shifts": shifts})
    assert observation["joint_positions"][0] == pytest.approx(0.2, abs=1e-6)
    observation, _ = environment.reset(seed=0)
    assert observation["joint_positions"][0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instruction": "juggle"}, "unknown instruction 'juggle'"),
        ({"lights": 1.0}, "unknown reset option 'lights'; known are: instruction, shifts, random_pose"),
        ({"random_pose": 1}, "'random_pose' = 1 must be of type bool"),
    ],
)
def test_a_wrong_reset_option_is_refused(environment: DeskArmEnvironment, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        environment.reset(options=options)


@pytest.mark.parametrize("arguments", [{"render_mode": "human"}, {"time_limit": 0.0}, {"time_limit": float("nan")}])
def test_an_environment_that_cannot_be_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SimulationError, match=r"render mode|time limit"):
        DeskArmEnvironment(**arguments)
