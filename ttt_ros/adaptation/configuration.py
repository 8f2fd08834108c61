"""What can be tuned about adaptation, each with its range; the same table serves YAML files and ROS parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.config import JsonDict

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError

ObjectiveWeight = Annotated[float, Field(ge=0.0, le=100.0)]

# JSON schema's word for what cannot change while adaptation runs, because a buffer was sized with it.
_FIXED: JsonDict = {"readOnly": True}


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """How fast weights are adapted and when an update is refused.

    ``objectives`` gives the weight of each reconstruction loss by its name in ``Policy.reconstruct``; 0 leaves it out.
    Every other field has its range, unit and meaning in its annotation.

    Raises:
        ConfigurationError: two fields contradict each other.
    """

    objectives: Mapping[str, ObjectiveWeight] = field(default_factory=lambda: {"features": 1.0, "proprioception": 1.0})
    window: Annotated[int, Field(ge=1, le=256, json_schema_extra=_FIXED, description="Transitions that one gradient step sees.")] = 8

    trim_factor: Annotated[
        float, Field(ge=1.0, le=1e6, description="A sample is dropped if its error is above this many times the window's median error.")
    ] = 6.0
    minimum_samples: Annotated[
        int, Field(ge=1, le=256, json_schema_extra=_FIXED, description="A window with fewer samples left after the trim is refused.")
    ] = 4

    following_limit: Annotated[
        float,
        Field(ge=0.0, le=6.3, description="A sample is refused if a joint ended further from its last command, in rad; 0 refuses none."),
    ] = 0.0

    innovation_factor: Annotated[
        float,
        Field(ge=0.0, le=1e6, description="A sample is refused if its innovation is above this many times the quantile; 0 refuses none."),
    ] = 0.0
    innovation_quantile: Annotated[
        float, Field(ge=0.0, le=1.0, description="Of all fresh samples' innovations; whoever controls less than the rest cannot raise it.")
    ] = 0.25
    innovation_history: Annotated[
        int, Field(ge=1, le=10_000, json_schema_extra=_FIXED, description="Fresh samples whose innovations are remembered.")
    ] = 32
    innovation_warmup: Annotated[
        int, Field(ge=1, le=10_000, description="Fresh samples after which their quantile may raise the limit above that of the prior.")
    ] = 4
    innovation_prior: Annotated[
        float, Field(ge=1e-8, le=1e6, description="An innovation that is never suspicious, in squared units of the normalised targets.")
    ] = 4e-3

    gate_quantile: Annotated[
        float, Field(ge=0.0, le=1.0, description="Quantile of the accepted windows' losses that the gate compares with.")
    ] = 0.9
    gate_factor: Annotated[
        float, Field(ge=1.0, le=1e6, description="A window is refused if its loss is above this many times the quantile.")
    ] = 5.0
    gate_history: Annotated[
        int, Field(ge=1, le=10_000, json_schema_extra=_FIXED, description="Accepted windows whose losses the gate remembers.")
    ] = 64
    gate_warmup: Annotated[int, Field(ge=1, le=10_000, description="Accepted windows after which the gate begins to act.")] = 8

    gate_patience: Annotated[
        int, Field(ge=1, le=10_000, description="Refusals in a row after which the gate takes the world to have changed and begins anew.")
    ] = 32

    learning_rate: Annotated[float, Field(ge=0.0, le=10.0, description="Step size; forms one pair with the window.")] = 0.1
    ridge: Annotated[
        float,
        Field(
            ge=0.0,
            le=1e6,
            json_schema_extra=_FIXED,
            description="Above 0, gradients are divided by the second moment of the fast layer's inputs, and this is its prior.",
        ),
    ] = 0.0
    momentum: Annotated[float, Field(ge=0.0, le=0.99, description="Share of the last step's direction kept in the next.")] = 0.0
    gradient_limit: Annotated[
        float, Field(ge=1e-3, le=1e6, description="A window whose gradient norm, before clipping, is above this is refused.")
    ] = 20.0
    clip_norm: Annotated[float, Field(ge=1e-3, le=1e6, description="Gradients are shortened to this norm.")] = 1.0
    pull_back: Annotated[
        float, Field(ge=0.0, le=1.0, description="Share by which every update lets the past fade into the base weights and the ridge.")
    ] = 0.01
    drift_limit: Annotated[
        float, Field(ge=1e-4, le=10.0, description="Largest distance of a module from its base, relative to the base's norm.")
    ] = 0.2
    probe_limit: Annotated[
        float, Field(ge=0.0, le=6.3, description="Largest change of any action on the probes against the base policy, in rad.")
    ] = 0.25
    probes: Annotated[
        int, Field(ge=1, le=256, json_schema_extra=_FIXED, description="Stored observations that an update is checked on.")
    ] = 8

    versions: Annotated[int, Field(ge=1, le=1000, json_schema_extra=_FIXED, description="Committed versions kept for a rollback.")] = 16
    queue_size: Annotated[
        int, Field(ge=1, le=1000, json_schema_extra=_FIXED, description="Windows that may wait; one more drops the oldest.")
    ] = 4

    def __post_init__(self) -> None:
        if self.minimum_samples > self.window:
            raise ConfigurationError(
                f"minimum_samples is {self.minimum_samples}, above window, {self.window}: no window could ever be used; lower it"
            )
        if self.innovation_warmup > self.innovation_history:
            raise ConfigurationError(
                f"innovation_warmup is {self.innovation_warmup}, above innovation_history, {self.innovation_history}: "
                "the gate would never go by what it has seen; lower it"
            )
        if self.gate_warmup > self.gate_history:
            raise ConfigurationError(
                f"gate_warmup is {self.gate_warmup}, above gate_history, {self.gate_history}: the gate would never act; lower it"
            )
        if not any(self.objectives.values()):
            raise ConfigurationError(f"objectives are {dict(self.objectives)}: nothing to learn from; give one a weight above 0")


@dataclass(frozen=True, kw_only=True)
class ParameterRange:
    """The inclusive range of one number in AdaptationConfig; ``fixed`` if it cannot change while adaptation runs."""

    name: str
    minimum: float
    maximum: float
    description: str
    fixed: bool


@cache
def parameter_ranges() -> tuple[ParameterRange, ...]:
    """Lists every number of AdaptationConfig (all fields but ``objectives``), in order of declaration."""
    schema = TypeAdapter(AdaptationConfig).json_schema()["properties"]
    return tuple(
        ParameterRange(
            name=name,
            minimum=limits["minimum"],
            maximum=limits["maximum"],
            description=limits["description"],
            fixed=limits.get("readOnly", False),
        )
        for name, limits in schema.items()
        if name != "objectives"
    )


def check_live_change(old: AdaptationConfig, new: AdaptationConfig) -> None:
    """Raises ConfigurationError if ``new`` changes a fixed field of ``old``."""
    for parameter in parameter_ranges():
        before, after = getattr(old, parameter.name), getattr(new, parameter.name)
        if parameter.fixed and before != after:
            raise ConfigurationError(
                f"{parameter.name} cannot change from {before} to {after} while adaptation runs; configure the policy anew"
            )
