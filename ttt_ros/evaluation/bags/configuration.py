"""What is evaluated on bags: the node's parameters, the meaning of the topics, and the arms."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.errors import ConfigurationError

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Control(str, Enum):
    """What is done to an arm's adaptation on purpose, or to its input."""

    NONE = "none"
    SHUFFLED = "shuffled"
    """Each transition gets the commands of an earlier one."""
    FLIPPED = "flipped"
    """Every step goes the wrong way."""
    NOISE = "noise"
    """The images carry noise of one grey level: what differs from the same arm without it is the noise floor."""


class Clock(str, Enum):
    """What the time in a bag is."""

    RECEIVED = "received"
    """When the recorder got each message."""
    STAMPED = "stamped"
    """The newest stamp in a header so far: for bags whose recorder had another clock than the sensors, as with simulated time."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class BagArm:
    """One way to run the policy on a bag.

    Attributes:
        name: in file names and figures.
        label: in words.
        adapts: whether the fast weights learn.
        control: what is done to it on purpose.
        reset_every: seconds after which the fast weights go back to the base (RDumb, arXiv 2306.05401); None: never.
        changes: fields of the adaptation that differ from the node's parameters, such as ``{learning_rate: 1.0}``.

    Raises:
        ConfigurationError: a control, a reset or changes of the adaptation of an arm that does not adapt.
    """

    name: Name
    label: str
    adapts: bool = False
    control: Control = Control.NONE
    reset_every: Annotated[float, Field(gt=0)] | None = None
    changes: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        touched = self.control in (Control.SHUFFLED, Control.FLIPPED) or self.reset_every is not None or self.changes
        if not self.adapts and touched:
            raise ConfigurationError(f"arm '{self.name}' does not adapt, so control, reset_every and changes do nothing; set adapts: true")

    def adaptation(self, config: AdaptationConfig) -> AdaptationConfig:
        """The node's ``config`` with this arm's changes; an arm that does not adapt remembers everything, as a node that does not.

        Raises:
            ConfigurationError: a change does not exist or does not fit.
        """
        changes = self.changes or {} if self.adapts else {"following_limit": 0.0, "innovation_factor": 0.0}
        return configuration.validated(AdaptationConfig, {**config.__dict__, **changes}, source=f"changes of arm '{self.name}'")


FROZEN = BagArm(name="frozen", label="frozen")
ADAPTING = BagArm(name="adapting", label="adapting", adapts=True)
AGAIN = BagArm(name="frozen_again", label="frozen, image noise", control=Control.NOISE)

ARMS = (
    FROZEN,
    ADAPTING,
    AGAIN,
    BagArm(name="reset", label="restored every 30 s", adapts=True, reset_every=30.0),
    BagArm(name="shuffled", label="shuffled commands", adapts=True, control=Control.SHUFFLED),
    BagArm(name="flipped", label="flipped sign", adapts=True, control=Control.FLIPPED),
)


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class BagEvaluationConfig:
    """What is evaluated, read from YAML.

    Attributes:
        parameters: parameter file of the policy node; a relative path begins at the folder of this file.
        streams: what the topics mean.
        clock: what the time in the bag is.
        arms: further arms or others; ``frozen``, ``adapting`` and ``frozen_again`` must be among them.
        block_seconds: length of the blocks of neighbouring chunks from which intervals are drawn.
        seed: of shuffling, noise and intervals.

    Raises:
        ConfigurationError: an arm is missing or named twice.
    """

    parameters: Path
    streams: StreamMapping
    clock: Clock = Clock.RECEIVED
    arms: tuple[BagArm, ...] = ARMS
    block_seconds: Annotated[float, Field(gt=0)] = 5.0
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        missing = [arm.name for arm in (FROZEN, ADAPTING, AGAIN) if arm.name not in names]
        if missing:
            raise ConfigurationError(f"arms lack {', '.join(missing)}, without which there is nothing to compare; add them")
        if len(set(names)) < len(names):
            raise ConfigurationError(f"arms are {', '.join(names)}; give each a name of its own")
