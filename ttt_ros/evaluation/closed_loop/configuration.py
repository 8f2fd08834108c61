"""What a closed loop on a virtual clock is made of."""

from dataclasses import dataclass
from pathlib import Path

from ttt_ros.errors import ConfigurationError
from ttt_ros.simulation.robots import Robot

NOMINAL = Robot(seed=0, properties=())
"""The robot as the policy was trained on it, with nothing hidden."""


@dataclass(frozen=True, kw_only=True)
class ClosedLoopConfig:
    """One run.

    Attributes:
        parameters: parameter file of the policy node.
        rules: file of the safeguard's rules.
        policy: checkpoint; None for that of the parameters.
        robot: what is hidden about the arm, and drifts from goal to goal.
        seed: of the layouts, the goals and the sensor noise.
        goals: how many are given.

    Raises:
        ConfigurationError: there are no goals, or the seed is negative.
    """

    parameters: Path
    rules: Path
    policy: Path | None = None
    robot: Robot = NOMINAL
    seed: int = 0
    goals: int = 8

    def __post_init__(self) -> None:
        if self.goals < 1 or self.seed < 0:
            raise ConfigurationError(f"a run of {self.goals} goals with seed {self.seed} is none; give at least one goal and a seed from 0")
