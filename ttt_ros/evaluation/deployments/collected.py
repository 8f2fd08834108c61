"""The records of a suite, looked up by what is to be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.conditions import CONDITIONS, Group
from ttt_ros.evaluation.deployments.records import DeploymentRecord
from ttt_ros.evaluation.deployments.statistics import Sample

ALL_IN_RANGE, ALL_WIDER = "training/all", "wider/all"
"""Every property at once; curves and costs are shown for the first."""


@dataclass(frozen=True, kw_only=True)
class _Key:
    long: bool
    condition: str
    seed: int
    arm: str


class Collected:
    """Records of deployments by length, condition, seed and arm."""

    def __init__(self, records: Iterable[DeploymentRecord], arms: Sequence[Arm]) -> None:
        """Takes the records of ``arms``; those of others are left out."""
        self.arms = tuple(arms)
        names = {arm.name for arm in arms}
        self._records: Mapping[_Key, DeploymentRecord] = {
            _Key(long=each.header.long, condition=each.header.condition, seed=each.header.seed, arm=each.header.arm): each
            for each in records
            if each.header.arm in names
        }

    def named(self, *roles: Role) -> tuple[str, ...]:
        """Names of the arms with one of ``roles``, in the suite's order."""
        return tuple(arm.name for arm in self.arms if arm.role in roles)

    def conditions(self, *groups: Group, long: bool = False) -> tuple[str, ...]:
        """Names of the conditions of ``groups`` that anything was run under, in the order of CONDITIONS."""
        there = {key.condition for key in self._records if key.long == long}
        return tuple(name for name, condition in CONDITIONS.items() if name in there and condition.group in groups)

    def records(self, arm: str, conditions: Sequence[str], *, long: bool = False) -> list[DeploymentRecord]:
        """All records of one arm under ``conditions``, by condition and seed."""
        keys = [key for key in self._records if key.arm == arm and key.condition in conditions and key.long == long]
        return [self._records[key] for key in sorted(keys, key=lambda key: (key.condition, key.seed))]

    def sample(self, conditions: Sequence[str], *, arms: Sequence[str], long: bool = False, figure: str = "success") -> Sample | None:
        """A figure of the deployments that every one of ``arms`` has; None if there is none."""
        cells = [
            {(key.seed, key.condition) for key in self._records if key.arm == arm and key.condition in conditions and key.long == long}
            for arm in arms
        ]
        common = set.intersection(*cells) if cells else set()
        if not common:
            return None
        found = {arm: {cell: self._records[_Key(long=long, condition=cell[1], seed=cell[0], arm=arm)] for cell in common} for arm in arms}
        seeds = sorted({seed for seed, _ in common})
        goals = min(record.header.goals for records in found.values() for record in records.values())
        values = {arm: np.full((len(seeds), len(conditions), goals), np.nan) for arm in arms}
        for arm, records in found.items():
            for (seed, condition), record in records.items():
                values[arm][seeds.index(seed), list(conditions).index(condition)] = record.series(figure)[:goals]
        return Sample(seeds=tuple(seeds), values=values)
