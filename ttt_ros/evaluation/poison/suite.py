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
        seeds: robots of each attack, the same for every defence.
        clean_seeds: robots of the clean stream, of which the first are those of the attacks. The share of the gain that is kept is a
            ratio of two small differences and takes more of them.
        first_seed: of the first robot.
        foreign_seeds: by how much the seed of the robot that streams are swapped with is above that of the robot.
        goals: of each deployment.
        probes: clean observations that the final weights are tried on.
        attacks: names; all where empty. The clean stream is always among them.
        patch: how the printed patch is found.

    Raises:
        ConfigurationError: a name is unknown, or an attacked robot would have no clean run.
    """

    adaptation: AdaptationConfig
    policy: str = "desk_arm"
    condition: str = "training/all"
    seeds: Annotated[int, Field(ge=1)] = 20
    clean_seeds: Annotated[int, Field(ge=1)] = 100
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
        if self.clean_seeds < self.seeds:
            raise ConfigurationError(
                f"clean_seeds is {self.clean_seeds} and seeds {self.seeds}, but each attacked robot is compared with its clean run; "
                f"set clean_seeds to at least {self.seeds}"
            )

    @property
    def chosen_attacks(self) -> tuple[Attack, ...]:
        """The clean stream and the attacks asked for, in the order of ATTACKS."""
        return tuple(attack for attack in ATTACKS if attack is CLEAN or not self.attacks or attack.name in self.attacks)

    @property
    def robots(self) -> tuple[tuple[int, Attack], ...]:
        """The seed of each robot and what is done to it, seed by seed."""
        counts = {attack: self.clean_seeds if attack is CLEAN else self.seeds for attack in self.chosen_attacks}
        return tuple((self.first_seed + place, attack) for place in range(self.clean_seeds) for attack in counts if place < counts[attack])


def quick(config: PoisonConfig) -> PoisonConfig:
    """The same suite with few seeds and few goals: a test that all of it runs."""
    patch = replace(config.patch, steps=min(config.patch.steps, 2), goals=min(config.patch.goals, 2))
    seeds, goals = min(config.seeds, QUICK_SEEDS), min(config.goals, QUICK_GOALS)
    return replace(config, seeds=seeds, clean_seeds=seeds, goals=goals, probes=2, patch=patch)
