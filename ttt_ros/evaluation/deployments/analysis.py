"""From records to findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ttt_ros.evaluation.deployments import costs, targets
from ttt_ros.evaluation.deployments.arms import Role
from ttt_ros.evaluation.deployments.collected import ALL_IN_RANGE, Collected
from ttt_ros.evaluation.deployments.conditions import CONDITIONS, Group
from ttt_ros.evaluation.deployments.findings import ArmFacts, Comparison, Findings, NoiseFloor, Refusals
from ttt_ros.evaluation.deployments.long_runs import TENTHS, long_runs
from ttt_ros.evaluation.deployments.records import DeploymentRecord
from ttt_ros.evaluation.deployments.statistics import Bootstrap, Estimate
from ttt_ros.evaluation.refusals import kind_of

WHOLE = "whole"
_GROUPS: Mapping[str, tuple[str, tuple[Group, ...]]] = {
    "training": ("In the ranges of training", (Group.TRAINING,)),
    "wider": ("Wider than in training", (Group.WIDER,)),
    "unseen": ("Kinds never trained on", (Group.UNSEEN,)),
    WHOLE: ("The suite as a whole", (Group.TRAINING, Group.WIDER, Group.UNSEEN)),
}


def analysed(collected: Collected, facts: Sequence[ArmFacts], *, failures: Sequence[str]) -> Findings:
    """Computes every figure from the records; ``facts`` are those of the arms, ``failures`` what could not be run."""
    groups = [_compared(collected, name, label, collected.conditions(*kinds)) for name, (label, kinds) in _GROUPS.items()]
    conditions = [_compared(collected, name, CONDITIONS[name].label, (name,)) for name in collected.conditions(*Group)]
    short = _records(collected, long=False)
    goals = min((record.header.goals for records in short.values() for record in records), default=0)
    in_range = {arm: collected.records(arm, (ALL_IN_RANGE,)) for arm in short}
    findings = Findings(
        arms=tuple(facts),
        groups=tuple(each for each in groups if each),
        conditions=tuple(each for each in conditions if each),
        over_time=_over_time(collected),
        costs={arm: costs.cost(records) for arm, records in in_range.items() if records},
        long_runs=long_runs(collected, goals=goals),
        noise_floor=_noise_floor(collected),
        refusals={arm.name: _refusals(short[arm.name]) for arm in collected.arms if arm.adaptation and arm.name in short},
        verdicts=(),
        deployments=sum(len(records) for length in (False, True) for records in _records(collected, long=length).values()),
        goals=goals,
        failures=tuple(failures),
    )
    return replace(findings, verdicts=targets.verdicts(findings))


def _compared(collected: Collected, name: str, label: str, conditions: Sequence[str]) -> Comparison | None:
    """Each arm that was run under all of ``conditions``; None if there is none."""
    arms = [arm.name for arm in collected.arms if all(collected.records(arm.name, (condition,)) for condition in conditions)]
    if not arms or not conditions:
        return None

    def paired(*names: str) -> Bootstrap | None:
        sample = collected.sample(conditions, arms=names)
        return Bootstrap(sample) if sample else None

    adapting, oracle, window, attention = (
        next((arm for arm in collected.named(role) if arm in arms), None)
        for role in (Role.ADAPTING, Role.ORACLE, Role.WINDOW, Role.FULL_ATTENTION)
    )
    static = _best_static(arms, collected, conditions)
    ends = (static, oracle) if static and oracle else None
    own = {arm: paired(arm) for arm in arms}
    beside = {arm: paired(adapting, arm) for arm in arms if adapting and arm != adapting}
    between = {arm: paired(arm, *ends) for arm in arms if ends}
    room = paired(*ends) if ends else None
    memories = paired(attention, window) if attention and window else None
    return Comparison(
        name=name,
        label=label,
        conditions=tuple(conditions),
        success={arm: each.mean(arm) for arm, each in own.items() if each},
        advantage={arm: each.difference(adapting, arm) for arm, each in beside.items() if each and adapting},
        best_static=static,
        room=room.difference(ends[1], ends[0]) if room and ends else None,
        gap_closed={arm: each.gap_closed(arm, floor=ends[0], ceiling=ends[1]) for arm, each in between.items() if each and ends},
        further_back=memories.difference(attention, window) if memories and attention and window else None,
    )


def _best_static(arms: Sequence[str], collected: Collected, conditions: Sequence[str]) -> str | None:
    """The static arm with the highest success; taking the best makes the gap smaller, never larger."""
    static = [name for name in collected.named(Role.STATIC) if name in arms]
    sample = collected.sample(conditions, arms=static)
    if sample is None:
        return None
    bootstrap = Bootstrap(sample, draws=0)
    return max(static, key=lambda name: bootstrap.mean(name).value)


def _records(collected: Collected, *, long: bool) -> dict[str, list[DeploymentRecord]]:
    conditions = collected.conditions(*Group, long=long)
    found = {arm.name: collected.records(arm.name, conditions, long=long) for arm in collected.arms}
    return {arm: records for arm, records in found.items() if records}


def _over_time(collected: Collected) -> dict[str, tuple[Estimate, ...]]:
    samples = {arm.name: collected.sample((ALL_IN_RANGE,), arms=(arm.name,)) for arm in collected.arms}
    return {arm: Bootstrap(sample).by_goal(arm, bins=TENTHS) for arm, sample in samples.items() if sample}


def _noise_floor(collected: Collected) -> NoiseFloor | None:
    """Over all conditions in which a static arm was run twice."""
    by_name = {arm.name: arm for arm in collected.arms}
    conditions = collected.conditions(*Group)
    for repeat in collected.named(Role.REPEAT):
        for static in collected.named(Role.STATIC):
            sample = collected.sample(conditions, arms=(static, repeat))
            if by_name[static].checkpoint == by_name[repeat].checkpoint and sample is not None:
                changed = np.nanmean(np.abs(sample.values[repeat] - sample.values[static]))
                return NoiseFloor(arm=static, difference=Bootstrap(sample).difference(repeat, static), goals_changed=float(changed))
    return None


def _refusals(records: Sequence[DeploymentRecord]) -> Refusals:
    outcomes = [outcome for record in records for outcome in record.outcomes]
    reasons = Counter(kind_of(outcome.reason) for outcome in outcomes if outcome.reason)
    committed = sum(outcome.committed for outcome in outcomes)
    return Refusals(windows=committed + sum(reasons.values()), committed=committed, reasons=dict(reasons.most_common()))
