"""The arms of the comparison: a policy, how it adapts, and what is done to it on purpose."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig, parameter_ranges
from ttt_ros.errors import ConfigurationError

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]

_GATES = ("trim_factor", "following_limit", "innovation_factor", "gate_factor", "gradient_limit", "drift_limit", "probe_limit")
"""Limits at which a sample or an update is refused; the clip is not among them, because it is a part of the step."""


class Role(str, Enum):
    """What an arm stands for in the comparison; the verdicts look arms up by it."""

    ADAPTING = "adapting"
    """The policy that the suite is about: memory and fast weights, meta-trained. Exactly one arm."""
    ORACLE = "oracle"
    """Told the hidden properties: the ceiling."""
    STATIC = "static"
    """Neither memory nor adaptation; the best of these is the floor of the gap."""
    FROZEN = "frozen"
    """The adapting policy with its fast weights left as they were trained."""
    WINDOW = "window"
    """Attention to a few of the last transitions, no fast weights."""
    RECURRENT = "recurrent"
    FULL_ATTENTION = "full_attention"
    NAIVE = "naive"
    """Adapts, but was not trained to."""
    VARIANT = "variant"
    """The adapting policy trained or adapted in another way, such as first order or another window."""
    RESET = "reset"
    """Control: the adapting policy with its fast weights restored to the base every few goals (RDumb, arXiv 2306.05401)."""
    SHUFFLED = "shuffled"
    FLIPPED = "flipped"
    REPEAT = "repeat"
    """A static arm once more with other sensor noise: what differs from the first is the noise floor."""


BASELINES = (Role.STATIC, Role.FROZEN, Role.WINDOW, Role.RECURRENT, Role.FULL_ATTENTION, Role.NAIVE, Role.RESET)
"""Other ways to do the same task without being told what is hidden."""


class Control(str, Enum):
    """What is done to the adaptation of a control arm on purpose; see ``controls``."""

    NONE = "none"
    SHUFFLED = "shuffled"
    FLIPPED = "flipped"


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm.

    Attributes:
        name: in file names and figures.
        label: in words, for tables and plots.
        role: what it stands for.
        checkpoint: of its policy; a relative path begins at the folder of the checkpoints.
        adaptation: how its fast weights adapt; None: they do not.
        control: what is done to the adaptation on purpose.
        reset_every: goals after which the fast weights go back to the base; None: never.
        repetition: another number draws other sensor noise on the same robot, layouts and goals.

    Raises:
        ConfigurationError: a control or a reset of an arm that does not adapt.
    """

    name: Name
    label: str
    role: Role
    checkpoint: Path
    adaptation: AdaptationConfig | None = None
    control: Control = Control.NONE
    reset_every: Annotated[int, Field(ge=1)] | None = None
    repetition: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.adaptation is None and (self.control is not Control.NONE or self.reset_every is not None):
            raise ConfigurationError(
                f"arm '{self.name}' does not adapt, so control '{self.control.value}' and reset_every {self.reset_every} do nothing; "
                "let it adapt or leave them out"
            )


def without_gates(config: AdaptationConfig) -> AdaptationConfig:
    """The same update rule with every limit at its maximum, so that hardly anything is refused."""
    maxima = {parameter.name: parameter.maximum for parameter in parameter_ranges() if parameter.name in _GATES}
    return configuration.validated(AdaptationConfig, {**config.__dict__, **maxima, "minimum_samples": 1}, source="adaptation without gates")
