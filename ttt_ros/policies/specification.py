"""What a policy expects of a robot and what its actions mean."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class ActionMeaning(str, Enum):
    """How a chunk's joint positions are to be read."""

    ABSOLUTE = "absolute"
    """Target positions."""
    RELATIVE = "relative"
    """Offsets from the joint positions of the observation that the chunk answers."""


@dataclass(frozen=True, kw_only=True)
class CameraSpecification:
    """One camera input: ``name`` and image size in pixels."""

    name: str
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class PolicySpecification:
    """The contract between a policy and a robot, checked when the policy node is configured.

    Attributes:
        cameras: the cameras that the policy sees, in its order.
        joint_names: the joints that it reads and commands, in its order; positions in radians (REP-103).
        horizon: steps in one action chunk.
        period: seconds between two steps of a chunk.
        action_meaning: absolute targets or offsets from the observed positions.
        max_instruction_words: longest instruction that the policy reads.
        frame: coordinate frame of the actions; only joint space is supported.
    """

    cameras: tuple[CameraSpecification, ...]
    joint_names: tuple[str, ...]
    horizon: int
    period: float
    action_meaning: ActionMeaning
    max_instruction_words: int
    frame: Literal["joint"] = "joint"
