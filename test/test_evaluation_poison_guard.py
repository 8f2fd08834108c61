"""The safeguard of the poison suite is the real one in the robot's time, and it is obeyed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from deployment_stand_ins import PointingPolicy, StandInRobot
from small_policy import HORIZON, JOINT_NAMES

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import load_yaml
from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.runner import Runner
from ttt_ros.evaluation.poison.guard import Guard, GuardedAdaptation, GuardedRobot
from ttt_ros.policies.observation import Observation
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.rules import Rule

CONFIG = load_yaml(Path(__file__).parent.parent / "config" / "safeguard.yaml", SafeguardConfig)
ADAPTATION = AdaptationConfig(window=4, minimum_samples=2, learning_rate=0.05)
ARM = Arm(name="guarded", label="guarded", role=Role.VARIANT, checkpoint=Path("none"), adaptation=ADAPTATION)


class TimedRobot(StandInRobot):
    """Takes two seconds from one observation to the next."""

    def observe(self) -> Observation:
        return replace(super().observe(), stamp=2 * NANOSECONDS * len([call for call in self.calls if call == "observe"]))


def guarded(config: SafeguardConfig = CONFIG) -> tuple[Runner, GuardedAdaptation, Guard, TimedRobot]:
    policy, robot = PointingPolicy(), TimedRobot()
    guard = Guard(config, cameras=("front",))
    adaptation = GuardedAdaptation(policy, ARM, seed=0, guard=guard)
    return Runner(policy, ARM, GuardedRobot(robot, guard), seed=0, adaptation=adaptation), adaptation, guard, robot


def with_rule(**rule: object) -> SafeguardConfig:
    return replace(CONFIG, rules=(*CONFIG.rules, Rule(trips=1, of_last=1, clear_after=1000, **rule)))


def test_a_healthy_stream_leaves_base_and_adapts():
    runner, adaptation, guard, _ = guarded()
    outcomes = [runner.goal(index) for index in range(6)]
    assert guard.verdict.mode is Mode.ADAPTING
    assert any(outcome.committed for outcome in outcomes)
    assert adaptation.modes["adapting"] > 0


def test_nothing_is_committed_in_frozen_and_the_trusted_version_is_restored():
    runner, _, guard, _ = guarded(with_rule(signal="drift_total", limit=1e-6, clear_limit=0.0, mode=Mode.FROZEN))
    outcomes = [runner.goal(index) for index in range(8)]
    assert guard.verdict.mode is Mode.FROZEN
    assert sum(outcome.committed for outcome in outcomes) == 1
    assert outcomes[-1].drift == 0.0


def test_in_base_the_base_weights_act():
    runner, adaptation, guard, _ = guarded(with_rule(signal="drift_total", limit=1e-6, clear_limit=0.0, mode=Mode.BASE))
    for index in range(8):
        runner.goal(index)
    assert guard.verdict.mode is Mode.BASE
    base = PointingPolicy().base_fast_weights()
    assert all(adaptation.weights[name].equal(weight) for name, weight in base.items())


@pytest.mark.parametrize("signal", ["prediction_loss", "update_norm", "drift_module"])
def test_in_hold_the_last_position_is_kept(signal: str):
    runner, _, guard, robot = guarded(with_rule(signal=signal, limit=1e-6, clear_limit=0.0, mode=Mode.HOLD))
    for index in range(4):
        runner.goal(index)
    assert guard.verdict.mode is Mode.HOLD
    assert np.ptp(robot.played[-1], axis=0).max() == 0.0
    assert robot.played[-1].shape == (HORIZON, len(JOINT_NAMES))
    assert np.array_equal(robot.played[-1][0], robot.played[-2][-1])


def test_the_first_thing_a_robot_that_must_hold_does_is_to_stay_at_its_first_command():
    robot = TimedRobot()
    guard = Guard(with_rule(signal="drift_total", limit=1e-6, clear_limit=0.0, mode=Mode.HOLD), cameras=("front",))
    guard._safeguard.read("drift_total", 1.0, 0)
    held = GuardedRobot(robot, guard)
    held.play(torch.arange(float(HORIZON * len(JOINT_NAMES))).view(HORIZON, -1).double().numpy())
    assert np.array_equal(robot.played[0], np.broadcast_to(robot.played[0][0], robot.played[0].shape))
