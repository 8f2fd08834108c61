"""The targets that the adapting policy is held to, each with a verdict and the figure that it rests on.

A target holds if the figure meets it, and where it says "intervals apart" if the whole 95 % interval does.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ttt_ros.evaluation.deployments.arms import BASELINES, Role
from ttt_ros.evaluation.deployments.collected import ALL_IN_RANGE, ALL_WIDER
from ttt_ros.evaluation.deployments.conditions import Group
from ttt_ros.evaluation.deployments.findings import Comparison, Findings, LongRun, Verdict
from ttt_ros.evaluation.deployments.statistics import Estimate

ROOM = 0.30
GAP_IN_RANGE, GAP_WIDER = 0.70, 0.50
OF_FULL_ATTENTION = 0.9
GROWTH = 0.02
KEPT_BY_CONTROLS = 0.1
"""Share of the gain that may be left to a control arm and still count as lost."""

NOT_RUN = "not run"


def verdicts(findings: Findings) -> tuple[Verdict, ...]:
    """All verdicts, in the order of the page."""
    judge = _Judge(findings)
    return tuple(
        verdict
        for part in (
            judge.room,
            judge.gaps,
            judge.unseen,
            judge.baselines,
            judge.full_attention,
            judge.dominated,
            judge.long_run,
            judge.constant_cost,
            judge.controls,
        )
        for verdict in part()
    )


def points(estimate: Estimate) -> str:
    """A difference of shares in words: in percentage points, with its interval."""
    return f"{100 * estimate.value:+.1f} points{_between(estimate, 100, '+.1f')}"


def percent(estimate: Estimate) -> str:
    """A share in words, with its interval."""
    return f"{100 * estimate.value:.1f} %{_between(estimate, 100, '.1f')}"


def ratio(estimate: Estimate) -> str:
    """A ratio in words, with its interval."""
    return f"{estimate.value:.2f}{_between(estimate, 1, '.2f')}"


def _between(estimate: Estimate, scale: float, digits: str) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f" ({scale * estimate.lower:{digits}} to {scale * estimate.upper:{digits}})"


class _Judge:
    """Looks up what a target is about and words the verdict."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._labels = {arm.name: arm.label for arm in findings.arms}
        self._adapting = self._named(Role.ADAPTING)[0]

    def room(self) -> Iterator[Verdict]:
        """Is there anything to win?"""
        target = f"There is something to win: an oracle beats the best static policy by at least {100 * ROOM:.0f} points, suite as a whole"
        whole = self._comparison("whole")
        if whole is None or whole.room is None:
            yield _not_run(target)
        else:
            yield Verdict(target=target, holds=whole.room.value >= ROOM, figure=points(whole.room))

    def gaps(self) -> Iterator[Verdict]:
        """How much of it is won?"""
        for name, words, least in (
            (ALL_IN_RANGE, "in the ranges of training, all properties at once", GAP_IN_RANGE),
            ("training", "in the ranges of training, over all conditions", GAP_IN_RANGE),
            (ALL_WIDER, "wider than in training, all properties at once", GAP_WIDER),
            ("wider", "wider than in training, over all conditions", GAP_WIDER),
        ):
            target = f"Gap closed at least {least:.2f} {words}"
            comparison = self._comparison(name)
            if comparison is None or self._adapting not in comparison.gap_closed:
                yield _not_run(target)
                continue
            closed = comparison.gap_closed[self._adapting]
            figure = ratio(closed) if closed else "there is no gap: the oracle is not above the best static policy"
            yield Verdict(target=target, holds=closed is not None and closed.value >= least, figure=figure)

    def unseen(self) -> Iterator[Verdict]:
        """Does adapting harm where nobody prepared it?"""
        target = "Gap closed never below 0 for the kinds never trained on (not below the best static policy under any of them)"
        against = {
            each.label: each.advantage[each.best_static]
            for each in self._conditions(Group.UNSEEN)
            if each.best_static is not None and each.best_static in each.advantage
        }
        if not against:
            yield _not_run(target)
            return
        worst = min(against, key=lambda label: against[label].value)
        below = [label for label, each in against.items() if each.value < 0]
        figure = f"worst of {len(against)} kinds: {worst}, {points(against[worst])}; below in {len(below)}"
        yield Verdict(target=target, holds=not below, figure=figure)

    def baselines(self) -> Iterator[Verdict]:
        """Is it better than memory of other kinds?"""
        for arm in self._named(Role.FROZEN):
            for name, words in ((ALL_IN_RANGE, "in the ranges of training"), (ALL_WIDER, "wider than in training")):
                target = f"Above '{self._labels[arm]}', intervals apart, all properties at once, {words}"
                comparison = self._comparison(name)
                advantage = comparison.advantage.get(arm) if comparison else None
                yield Verdict(target=target, holds=_above(advantage), figure=points(advantage)) if advantage else _not_run(target)
            yield self._nowhere_below(arm)
        for arm in self._named(Role.WINDOW, Role.RECURRENT):
            yield self._above_further_back(arm)
            yield self._nowhere_below(arm)

    def full_attention(self) -> Iterator[Verdict]:
        """How does it stand beside attention to everything?"""
        for arm in self._named(Role.FULL_ATTENTION):
            target = f"At least {OF_FULL_ATTENTION} of the success of '{self._labels[arm]}' on runs of training length"
            comparison = self._comparison(ALL_IN_RANGE)
            if comparison and {arm, self._adapting} <= comparison.success.keys():
                own, other = comparison.success[self._adapting], comparison.success[arm]
                holds = own.value >= OF_FULL_ATTENTION * other.value
                yield Verdict(target=target, holds=holds, figure=f"{percent(own)} against {percent(other)}")
            else:
                yield _not_run(target)
            target = f"Above '{self._labels[arm]}' on runs 16 times as long"
            run = self._findings.long_runs.get(arm)
            advantage = run.first_part_advantage if run else None
            yield Verdict(target=target, holds=advantage.value > 0, figure=points(advantage)) if advantage else _not_run(target)

    def dominated(self) -> Iterator[Verdict]:
        """Is any baseline both better, its whole interval, and cheaper?"""
        comparison, costs = self._comparison(ALL_IN_RANGE), self._findings.costs
        if comparison and self._adapting in comparison.success and self._adapting in costs:
            for words, cost in (
                ("time", {arm: each.seconds_per_step for arm, each in costs.items()}),
                ("memory", {arm: float(each.memory_bytes + each.adaptation_bytes) for arm, each in costs.items()}),
            ):
                yield self._undominated(f"{words}, runs of training length", comparison.advantage, cost)
        runs = self._findings.long_runs
        if self._adapting in runs:
            advantages = {arm: run.advantage for arm, run in runs.items() if run.advantage}
            for words, cost in (
                ("time at their end", {arm: run.seconds_late for arm, run in runs.items()}),
                ("memory at their end", {arm: float(run.bytes_late) for arm, run in runs.items()}),
            ):
                yield self._undominated(f"{words}, long runs", advantages, cost)

    def long_run(self) -> Iterator[Verdict]:
        """Does it last?"""
        run = self._findings.long_runs.get(self._adapting)
        steps = "Long run" if run is None else f"Long run of {run.steps:,} control steps"
        names = ("success of the last tenth not below that of the second", "drift bounded", "above the best periodic reset")
        if run is None:
            yield from (_not_run(f"{steps}: {name}") for name in names)
            return
        yield Verdict(target=f"{steps}: {names[0]}", holds=run.last_minus_second.value >= 0, figure=points(run.last_minus_second))
        early, late = max(run.drift_by_tenth[:5]), max(run.drift_by_tenth[5:])
        drift = f"largest relative drift {early:.3g} in the first half, {late:.3g} in the second"
        yield Verdict(
            target=f"{steps}: {names[1]} (its second half at most a tenth above its first)", holds=late <= 1.1 * early, figure=drift
        )
        yield self._above_resets(f"{steps}: {names[2]}")

    def constant_cost(self) -> Iterator[Verdict]:
        """Does a step cost the same for ever?"""
        target = f"Cost per step at the end of the long run within {100 * GROWTH:.0f} % of that at step 100"
        run = self._findings.long_runs.get(self._adapting)
        yield Verdict(target=target, holds=abs(run.growth - 1) <= GROWTH, figure=_growth(run)) if run else _not_run(target)
        for arm in self._named(Role.FULL_ATTENTION):
            target = f"The cost per step of '{self._labels[arm]}' grows"
            run = self._findings.long_runs.get(arm)
            yield Verdict(target=target, holds=run.growth > 1 + GROWTH, figure=_growth(run)) if run else _not_run(target)

    def controls(self) -> Iterator[Verdict]:
        """Is it the learning that helps?"""
        comparison = self._comparison(ALL_IN_RANGE)
        frozen = next((arm for arm in self._named(Role.FROZEN) if comparison and arm in comparison.success), None)
        for arm in self._named(Role.SHUFFLED, Role.FLIPPED):
            target = f"'{self._labels[arm]}' loses what the adapting arm gains over its frozen self (keeps at most a tenth)"
            if comparison is None or frozen is None or not {arm, self._adapting} <= comparison.success.keys():
                yield _not_run(target)
                continue
            kept = comparison.success[arm].value - comparison.success[frozen].value
            gain = comparison.success[self._adapting].value - comparison.success[frozen].value
            figure = f"adapting gains {100 * gain:+.1f} points, this arm {100 * kept:+.1f}"
            yield Verdict(target=target, holds=gain > 0 and kept <= KEPT_BY_CONTROLS * gain, figure=figure)

    def _above_further_back(self, arm: str) -> Verdict:
        """Where nothing further back than the window matters, a longer memory has nothing to win, and a tie is enough.

        Whether it matters is told by two other arms: full attention, which has all of it, against the sliding window, which has none.
        Where either was not run it is taken to matter.
        """
        target = (
            f"Above '{self._labels[arm]}', intervals apart, all properties at once, wherever what matters lies further back than "
            "the window (where full attention is above the sliding window, intervals apart)"
        )
        comparisons = [self._comparison(name) for name in (ALL_IN_RANGE, ALL_WIDER)]
        compared = [each for each in comparisons if each and arm in each.advantage]
        if not compared:
            return _not_run(target)
        nearby = {each.label: each.further_back for each in compared if each.further_back and not _above(each.further_back)}
        asked = {each.label: each.advantage[arm] for each in compared if each.label not in nearby}
        figures = [f"{label}: {points(advantage)}" for label, advantage in asked.items()] or ["nowhere is it so"]
        figures += [f"not so under '{label}', where full attention is at {points(other)}" for label, other in nearby.items()]
        return Verdict(target=target, holds=all(map(_above, asked.values())) if asked else None, figure="; ".join(figures))

    def _nowhere_below(self, arm: str) -> Verdict:
        target = f"Nowhere below '{self._labels[arm]}' (no condition's whole interval is)"
        against = {each.label: each.advantage[arm] for each in self._conditions(*Group) if arm in each.advantage}
        if not against:
            return _not_run(target)
        worst = min(against, key=lambda label: against[label].value)
        below = [label for label, each in against.items() if _below(each)]
        figure = f"worst of {len(against)} conditions: {worst}, {points(against[worst])}; below in {len(below)}"
        return Verdict(target=target, holds=not below, figure=figure)

    def _undominated(self, words: str, advantages: Mapping[str, Estimate], cost: Mapping[str, float]) -> Verdict:
        cheaper = [arm for arm in self._named(*BASELINES) if arm in advantages and cost.get(arm, math.inf) < cost[self._adapting]]
        better = [arm for arm in cheaper if _below(advantages[arm])]
        closest = min(cheaper, key=lambda arm: advantages[arm].value, default=None)
        figure = f"better and cheaper: {', '.join(self._labels[arm] for arm in better) or 'none'}"
        if closest is not None:
            figure += f"; the best of the cheaper: {self._labels[closest]}, against which adapting is at {points(advantages[closest])}"
        target = f"No baseline has both higher success, its whole interval, and lower cost ({words})"
        return Verdict(target=target, holds=not better, figure=figure)

    def _above_resets(self, target: str) -> Verdict:
        runs = self._findings.long_runs
        resets = [arm for arm in self._named(Role.RESET) if arm in runs]
        best = max(resets, key=lambda arm: runs[arm].success.value, default=None)
        advantage = runs[best].advantage if best else None
        if best is None or advantage is None:
            return _not_run(target)
        return Verdict(target=target, holds=advantage.value > 0, figure=f"{points(advantage)} over '{self._labels[best]}'")

    def _named(self, *roles: Role) -> Sequence[str]:
        return [arm.name for arm in self._findings.arms if arm.role in roles]

    def _comparison(self, name: str) -> Comparison | None:
        return _first(each for each in (*self._findings.conditions, *self._findings.groups) if each.name == name)

    def _conditions(self, *groups: Group) -> list[Comparison]:
        return [each for each in self._findings.conditions if each.name.split("/")[0] in groups]


def _first(comparisons: Iterable[Comparison]) -> Comparison | None:
    return next(iter(comparisons), None)


def _above(advantage: Estimate) -> bool:
    return advantage.lower is not None and advantage.lower > 0


def _below(advantage: Estimate) -> bool:
    return (advantage.value if advantage.upper is None else advantage.upper) < 0


def _growth(run: LongRun) -> str:
    return f"{100 * (run.growth - 1):+.1f} % ({1e6 * run.seconds_early:.0f} to {1e6 * run.seconds_late:.0f} µs per step)"


def _not_run(target: str) -> Verdict:
    return Verdict(target=target, holds=None, figure=NOT_RUN)
