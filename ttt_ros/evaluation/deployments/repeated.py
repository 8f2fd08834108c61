"""The same deployment once more, with other sensor noise."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.evaluation.deployments.runner import GoalResult, Robot
from ttt_ros.policies.observation import Observation


class Repeated:
    """A robot whose every observation is the one after ``times`` that are thrown away.

    Noise is drawn anew for every frame, while robot, layouts and goals stay: what differs from the plain deployment is what
    noise alone does, so an arm against itself gives the floor under which no difference between arms means anything.
    """

    def __init__(self, robot: Robot, *, times: int) -> None:
        """Wraps ``robot``."""
        self._robot = robot
        self._times = times

    def begin_goal(self, index: int) -> None:
        """As the robot."""
        self._robot.begin_goal(index)

    def observe(self) -> Observation:
        """A later frame of the same instant."""
        for _ in range(self._times):
            self._robot.observe()
        return self._robot.observe()

    def play(self, chunk: NDArray[np.float64]) -> None:
        """As the robot."""
        self._robot.play(chunk)

    def rest(self) -> None:
        """As the robot."""
        self._robot.rest()

    def result(self) -> GoalResult:
        """As the robot."""
        return self._robot.result()
