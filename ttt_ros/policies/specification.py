"""What a policy expects of a robot and what its actions mean."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from ttt_ros.configuration import strict

MAX_SIDE = 8192
"""Pixels of an image's side."""

MAX_HORIZON = 10_000
"""Steps of a chunk: minutes, where seconds are common."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
Side = Annotated[int, Field(gt=0, le=MAX_SIDE)]


class ActionMeaning(str, Enum):
    """How a chunk's joint positions are to be read."""

    ABSOLUTE = "absolute"
    """Target positions."""
    RELATIVE = "relative"
    """Offsets from the joint positions of the observation that the chunk answers."""


@strict
@dataclass(frozen=True, kw_only=True)
class CameraSpecification:
    """One camera input: ``name`` and image size in pixels."""

    name: Name
    height: Side
    width: Side


@strict
@dataclass(frozen=True, kw_only=True)
class PolicySpecification:
    """The contract between a policy and a robot, checked when the policy node is configured; read from a file, its sizes are bounded.

    Attributes:
        cameras: the cameras that the policy sees, in its order.
        joint_names: the joints that it reads and commands, in its order; positions in radians (REP-103).
        horizon: steps in one action chunk.
        period: seconds between two steps of a chunk.
        action_meaning: absolute targets or offsets from the observed positions.
        max_instruction_words: longest instruction that the policy reads.
        frame: coordinate frame of the actions; only joint space is supported.
    """

    cameras: Annotated[tuple[CameraSpecification, ...], Field(max_length=64)]
    joint_names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
    horizon: Annotated[int, Field(gt=0, le=MAX_HORIZON)]
    period: Annotated[float, Field(gt=0, le=3600)]
    action_meaning: ActionMeaning
    max_instruction_words: Annotated[int, Field(gt=0, le=1000)]
    frame: Literal["joint"] = "joint"
