"""The sizes of the policy that remembers."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.policies.sight import SightConfig

PositiveInt = Annotated[int, Field(gt=0, le=1 << 20)]


class MemoryKind(str, Enum):
    """How a policy remembers earlier transitions, beside fast weights."""

    NONE = "none"
    WINDOW = "window"
    """Attention over the last transitions: constant cost."""
    ATTENTION = "attention"
    """Attention over all transitions: its cost grows with the run."""
    LSTM = "lstm"
    """A recurrent state (Hochreiter and Schmidhuber, 1997): constant cost."""


@strict
@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """All sizes of the policy.

    Attributes:
        sight: of the network that finds the points in the image.
        hand: which of the sight's points is the hand.
        width: channels of the state.
        hidden: channels of the slow MLPs.
        words: channels of the instruction.
        memory: see MemoryKind.
        window: transitions that ``MemoryKind.WINDOW`` attends to.
        layers: of attention.
        heads: of attention; they divide ``width``.
        fast_width: hidden channels of the fast MLP; 0: the policy has none and cannot adapt.
        code: numbers that describe a chunk, the coordinates in a basis of movements.
        effects: numbers of a code that the picture after the movement tells; the fast weights speak about them alone.
        privileged: numbers about the robot that the policy is told, as an oracle; 0 for every policy that runs on a robot.
    """

    sight: SightConfig = field(default_factory=SightConfig)
    hand: Annotated[int, Field(ge=0, le=1 << 20)] = 3
    width: PositiveInt = 96
    hidden: PositiveInt = 128
    words: PositiveInt = 16
    memory: MemoryKind = MemoryKind.NONE
    window: PositiveInt = 8
    layers: Annotated[int, Field(gt=0, le=256)] = 2
    heads: PositiveInt = 4
    fast_width: Annotated[int, Field(ge=0, le=1 << 20)] = 64
    code: PositiveInt = 12
    effects: PositiveInt = 2
    privileged: Annotated[int, Field(ge=0, le=1 << 20)] = 0
