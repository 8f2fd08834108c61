"""What the suite runs: which policy against which attacks, on which robots, how often and how long."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.poison.attacks import ATTACKS, CLEAN, Attack
from ttt_ros.evaluation.poison.patch import PatchConfig

SHIPPED_SUITE = Path(__file__).parent / "suites" / "poison.yaml"
"""The suite that the figures of the README come from."""

QUICK_SEEDS, QUICK_GOALS = 2, 6
"""Enough to see every part of the suite work, too few for any conclusion."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class PoisonConfig:
    """The whole suite.

    Attributes:
        adaptation: with all gates; the other lines of defence leave out some of them.
        policy: the name of a shipped policy, or a checkpoint.
        condition: name of the condition that the robots are drawn under.
        seeds: robots, the same for every attack and defence.
        first_seed: of the first robot.
        foreign_seeds: by how much the seed of the robot that streams are swapped with is above that of the robot.
        goals: of each deployment.
        probes: clean observations that the final weights are tried on.
        attacks: names; all where empty. The clean stream is always among them.
        patch: how the printed patch is found.

    Raises:
        ConfigurationError: a name is unknown.
    """

    adaptation: AdaptationConfig
    policy: str = "desk_arm"
    condition: str = "training/all"
    seeds: Annotated[int, Field(ge=1)] = 20
    first_seed: Annotated[int, Field(ge=0)] = 0
    foreign_seeds: Annotated[int, Field(ge=1)] = 500_000
    goals: Annotated[int, Field(ge=1)] = 64
    probes: Annotated[int, Field(ge=1)] = 8
    attacks: tuple[str, ...] = ()
    patch: PatchConfig = field(default_factory=PatchConfig)

    def __post_init__(self) -> None:
        if self.condition not in CONDITIONS:
            raise ConfigurationError(f"condition '{self.condition}' is unknown; known are {', '.join(CONDITIONS)}")
        known = [attack.name for attack in ATTACKS]
        unknown = [name for name in self.attacks if name not in known]
        if unknown:
            raise ConfigurationError(f"the attacks {', '.join(unknown)} are unknown; known are {', '.join(known)}")

    @property
    def chosen_attacks(self) -> tuple[Attack, ...]:
        """The clean stream and the attacks asked for, in the order of ATTACKS."""
        return tuple(attack for attack in ATTACKS if attack is CLEAN or not self.attacks or attack.name in self.attacks)


def quick(config: PoisonConfig) -> PoisonConfig:
    """The same suite with few seeds and few goals: a test that all of it runs."""
    patch = replace(config.patch, steps=min(config.patch.steps, 2), goals=min(config.patch.goals, 2))
    return replace(config, seeds=min(config.seeds, QUICK_SEEDS), goals=min(config.goals, QUICK_GOALS), probes=2, patch=patch)
