"""Robots for pictures: another one for each goal."""

from dataclasses import dataclass

import numpy as np

from ttt_ros.simulation.robots import Range, Robot
from ttt_ros.simulation.shifts import Shifts

_PICTURES = 0x91C
"""Keeps the choice of a robot apart from the layout of its goal, which is drawn from the same seed and goal."""


@dataclass(frozen=True, kw_only=True)
class RobotPerGoal(Robot):
    """Stands for as many robots as there are goals, so that one deployment shows them all; each at the beginning of its life.

    Attributes:
        wider: share of the robots that are drawn from the wider range whatever ``range`` is.
    """

    wider: float = 0.0

    def shifts(self, goal_index: int) -> Shifts:
        """Those of the robot of that goal."""
        generator = np.random.default_rng([self.seed, goal_index, _PICTURES])
        robot = Robot(
            range=Range.WIDER if generator.random() < self.wider else self.range,
            seed=int(generator.integers(2**31)),
            properties=self.properties,
            unseen=self.unseen,
            corruption=self.corruption,
            severity=self.severity,
        )
        return robot.shifts(0)
