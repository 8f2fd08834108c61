"""The other robot of an attack that swaps the streams of two."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.runner import GoalResult, Robot, Runner
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy


class ForeignRobot:
    """What another robot sees after each of its movements, to its own goals, with the frozen policy; it moves no further than asked."""

    def __init__(self, policy: Policy, arm: Arm, robot: Robot, *, seed: int) -> None:
        """Takes over ``robot``; ``arm`` must not adapt."""
        self._outcomes: list[Observation] = []
        self._runner = Runner(policy, arm, _Recorded(robot, self._outcomes), seed=seed)
        self._goals = 0

    def outcome(self, index: int) -> Observation:
        """After its movement to goal number ``index``."""
        while self._goals <= index:
            self._runner.goal(self._goals)
            self._goals += 1
        return self._outcomes[index]


class _Recorded:
    """Keeps every observation that was made after a movement."""

    def __init__(self, robot: Robot, outcomes: list[Observation]) -> None:
        self._robot = robot
        self._outcomes = outcomes
        self._resting = False

    def begin_goal(self, index: int) -> None:
        self._robot.begin_goal(index)
        self._resting = False

    def observe(self) -> Observation:
        observation = self._robot.observe()
        if self._resting:
            self._outcomes.append(observation)
        return observation

    def play(self, chunk: NDArray[np.float64]) -> None:
        self._robot.play(chunk)

    def rest(self) -> None:
        self._robot.rest()
        self._resting = True

    def result(self) -> GoalResult:
        return self._robot.result()
