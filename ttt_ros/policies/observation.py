"""What a policy sees at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One assembled instant, on the CPU.

    Attributes:
        stamp: nanoseconds of the newest camera frame in it, in the clock of the sensors.
        images: RGB, uint8, shape (height, width, 3), by camera name.
        joint_positions: float32, shape (joints,), radians, in the policy's joint order.
        instruction: the task in words.
    """

    stamp: int
    images: Mapping[str, Tensor]
    joint_positions: Tensor
    instruction: str
