"""What a policy sees at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One assembled instant, on the CPU.

    Attributes:
        stamp: nanoseconds of the newest camera frame in it, in the clock of the sensors.
        images: RGB, uint8, shape (height, width, 3), by camera name.
        joint_positions: float32, shape (joints,), radians, in the policy's joint order.
        instruction: the task in words.
        sources: nanoseconds in the header of each message that it was put together from, by camera name and ``joint_states``; empty if
            it did not come from messages.
    """

    stamp: int
    images: Mapping[str, Tensor]
    joint_positions: Tensor
    instruction: str
    sources: Mapping[str, int] = field(default_factory=dict)
