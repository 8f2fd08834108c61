"""What became of the arms on the long runs."""

import itertools
from collections.abc import Sequence

import numpy as np

from ttt_ros.evaluation.deployments import costs
from ttt_ros.evaluation.deployments.arms import Role
from ttt_ros.evaluation.deployments.collected import Collected
from ttt_ros.evaluation.deployments.conditions import Group
from ttt_ros.evaluation.deployments.findings import LongRun
from ttt_ros.evaluation.deployments.records import DeploymentRecord
from ttt_ros.evaluation.deployments.statistics import Bootstrap, Estimate, Floats, Sample

TENTHS = 10
LONGER = 16
"""How many times as long as in training a run is on which the adapting arm is to be above full attention."""


def long_runs(collected: Collected, *, goals: int) -> dict[str, LongRun]:
    """The figures of each arm that has long runs; ``goals`` is the length of a run as in training."""
    conditions = collected.conditions(*Group, long=True)
    adapting = next(iter(collected.named(Role.ADAPTING)), "")
    found = {}
    for arm in collected.arms:
        own = collected.sample(conditions, arms=(arm.name,), long=True)
        if own is not None:
            pair = collected.sample(conditions, arms=(adapting, arm.name), long=True) if arm.name != adapting else None
            records = collected.records(arm.name, conditions, long=True)
            found[arm.name] = _long_run(arm.name, own, pair, records, adapting=adapting, goals=goals)
    return found


def _long_run(arm: str, own: Sample, pair: Sample | None, records: Sequence[DeploymentRecord], *, adapting: str, goals: int) -> LongRun:
    length = own.values[arm].shape[-1]
    reach = LONGER * goals / length
    far_enough = 0 < reach <= 1
    bootstrap = Bootstrap(own)
    seconds = [record.series("seconds_per_step") for record in records]
    early, late = [costs.seconds_early(record) for record in records], [costs.seconds_late(record) for record in records]
    return LongRun(
        steps=sum(outcome.steps for outcome in records[0].outcomes),
        success=bootstrap.mean(arm),
        success_by_tenth=bootstrap.by_goal(arm, bins=TENTHS),
        advantage=Bootstrap(pair).difference(adapting, arm) if pair else None,
        last_minus_second=_last_minus_second(arm, own),
        first_part=Bootstrap(own.part(0, reach)).mean(arm) if far_enough else None,
        first_part_advantage=Bootstrap(pair.part(0, reach)).difference(adapting, arm) if pair and far_enough else None,
        drift_by_tenth=tuple(_largest_by_tenth([record.series("drift") for record in records])),
        seconds_by_tenth=tuple(_median_by_tenth(seconds)),
        seconds_early=float(np.median(early)),
        seconds_late=float(np.median(late)),
        growth=float(np.median(np.divide(late, early))),
        bytes_early=max(_bytes(record, 0) for record in records),
        bytes_late=max(_bytes(record, -1) for record in records),
    )


def _last_minus_second(arm: str, sample: Sample) -> Estimate:
    second, last = sample.part(1 / TENTHS, 2 / TENTHS), sample.part(1 - 1 / TENTHS, 1)
    pair = Sample(seeds=sample.seeds, values={"second": second.values[arm], "last": last.values[arm]})
    return Bootstrap(pair).difference("last", "second")


def _tenths(length: int) -> list[slice]:
    edges = np.linspace(0, length, TENTHS + 1).round().astype(int)
    return [slice(start, end) for start, end in itertools.pairwise(edges)]


def _largest_by_tenth(series: Sequence[Floats]) -> list[float]:
    return [max(float(each[tenth].max()) for each in series) for tenth in _tenths(min(map(len, series)))]


def _median_by_tenth(series: Sequence[Floats]) -> list[float]:
    return [float(np.median([np.nanmedian(each[tenth]) for each in series])) for tenth in _tenths(min(map(len, series)))]


def _bytes(record: DeploymentRecord, goal: int) -> int:
    return record.outcomes[goal].memory_bytes + record.outcomes[goal].adaptation_bytes
