"""What the suite runs: which arms, on which robots, how often and how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments.arms import Arm, Control, Name, Role, without_gates
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.policies.shipped import SHIPPED

SHIPPED_SUITE = Path(__file__).parent / "suites" / "deployment.yaml"
"""The suite that the figures of the README come from."""

QUICK_SEEDS, QUICK_GOALS, QUICK_LONG_GOALS = 2, 6, 20
"""Enough to see every part of the suite work, too few for any conclusion."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """An arm as it stands in the file; see ``Arm`` for what is not explained here.

    Attributes:
        checkpoint: a path, or the name of a policy that comes with the package.
        adapts: whether its fast weights adapt.
        changes: fields of the suite's ``adaptation`` that are different for this arm.
        gates: False puts every limit of the adaptation at its maximum.
    """

    name: Name
    label: str
    role: Role
    checkpoint: str
    adapts: bool = False
    changes: Mapping[str, int | float | Mapping[str, float]] = field(default_factory=dict)
    gates: bool = True
    control: Control = Control.NONE
    reset_every: Annotated[int, Field(ge=1)] | None = None
    repetition: Annotated[int, Field(ge=0)] = 0


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Part:
    """Deployments of one length.

    Attributes:
        conditions: names of conditions, see ``conditions.CONDITIONS``.
        seeds: robots drawn in each condition, the same for every arm.
        goals: of each deployment; a goal takes two chunks.
        first_seed: of the first robot.
        long: whether these are the long runs, which are judged by themselves.
        arms: names of the arms that take part; all where empty.
    """

    conditions: tuple[str, ...]
    seeds: Annotated[int, Field(ge=1)]
    goals: Annotated[int, Field(ge=1)]
    first_seed: Annotated[int, Field(ge=0)] = 0
    long: bool = False
    arms: tuple[Name, ...] = ()


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """The whole suite.

    Attributes:
        adaptation: of every arm that adapts, unless the arm changes it.
        arms: the arms, in the order of tables and plots.
        parts: what they are run on.

    Raises:
        ConfigurationError: a name is used twice or unknown, or there is not exactly one adapting arm.
    """

    adaptation: AdaptationConfig
    arms: Annotated[tuple[ArmConfig, ...], Field(min_length=1)]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(f"the arms {', '.join(twice)} are there more than once; give each a name of its own")
        adapting = [arm.name for arm in self.arms if arm.role is Role.ADAPTING]
        if len(adapting) != 1:
            raise ConfigurationError(f"one arm must have the role 'adapting', not {len(adapting)} ({', '.join(adapting) or 'none'})")
        for part in self.parts:
            unknown = [name for name in part.arms if name not in names]
            if unknown:
                raise ConfigurationError(f"a part names the arms {', '.join(unknown)}; known are {', '.join(names)}")
            missing = [name for name in part.conditions if name not in CONDITIONS]
            if missing:
                raise ConfigurationError(f"a part names the conditions {', '.join(missing)}; known are {', '.join(CONDITIONS)}")

    def arms_of(self, part: Part) -> tuple[str, ...]:
        """Names of the arms that take part in ``part``."""
        return part.arms or tuple(arm.name for arm in self.arms)


def resolved(suite: SuiteConfig, *, checkpoints: Path) -> tuple[Arm, ...]:
    """The suite's arms; relative paths begin at the folder ``checkpoints``.

    Raises:
        ConfigurationError: a change does not fit AdaptationConfig.
    """
    return tuple(_resolved(arm, suite.adaptation, checkpoints) for arm in suite.arms)


def quick(suite: SuiteConfig) -> SuiteConfig:
    """The same suite with few seeds and few goals: a test that all of it runs."""
    return replace(suite, parts=tuple(_quick(part) for part in suite.parts))


def _quick(part: Part) -> Part:
    goals = QUICK_LONG_GOALS if part.long else QUICK_GOALS
    return replace(part, seeds=min(part.seeds, QUICK_SEEDS), goals=min(part.goals, goals))


def _resolved(arm: ArmConfig, common: AdaptationConfig, checkpoints: Path) -> Arm:
    adaptation: AdaptationConfig | None = None
    if arm.adapts:
        values = {**common.__dict__, **arm.changes}
        adaptation = configuration.validated(AdaptationConfig, values, source=f"arm '{arm.name}'")
        adaptation = adaptation if arm.gates else without_gates(adaptation)
    return Arm(
        name=arm.name,
        label=arm.label,
        role=arm.role,
        checkpoint=SHIPPED.get(arm.checkpoint, checkpoints / arm.checkpoint),
        adaptation=adaptation,
        control=arm.control,
        reset_every=arm.reset_every,
        repetition=arm.repetition,
    )
