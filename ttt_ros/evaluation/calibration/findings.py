"""What clean runs say about the limits."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttt_ros import configuration
from ttt_ros.evaluation.calibration.extremes import proposed
from ttt_ros.evaluation.calibration.levels import NOT_FINITE, Shape
from ttt_ros.evaluation.calibration.poisson import Rate, rate
from ttt_ros.evaluation.calibration.records import RunRecord
from ttt_ros.evaluation.calibration.sources import NOT_JUDGED
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.rules import Rule

_DIGITS = 2
"""Of a proposed limit; it is rounded away from the readings."""

Verdict = Literal["judged", "not judged here", "not read"]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class RuleFindings:
    """One rule.

    Attributes:
        shape: signal, direction and counting of the rule.
        mode: that it demands, in words.
        judged: whether these runs can say anything about it.
        shipped: its limit.
        shipped_clear: its clear_limit.
        proposed: the limit that is crossed as often as stated; the shipped one where the rule is not judged, or where all levels are
            alike or a handful of values, to which no distribution can be fitted, and none is beyond it.
        proposed_clear: in the same ratio to the limit as shipped, or at the median level if that is nearer to the limit.
        tail: shape of the fitted distribution; None where none was fitted.
        calibration_levels: of the runs that the proposal comes from, in the order of the runs.
        held_out_levels: of the others.
        alarms_shipped: held-out runs in which the shipped limit would have been crossed.
        alarms_proposed: likewise the proposed one.
    """

    shape: Shape
    mode: str
    judged: Verdict
    shipped: float
    shipped_clear: float
    proposed: float
    proposed_clear: float
    tail: float | None
    calibration_levels: tuple[float, ...]
    held_out_levels: tuple[float, ...]
    alarms_shipped: int
    alarms_proposed: int


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Findings:
    """All rules.

    Attributes:
        stated: false alarms per hour that are accepted, of all rules together.
        policy: checksum of the policy.
        calibration_runs: how many there were.
        calibration_hours: of them together.
        held_out_runs: likewise.
        held_out_hours: likewise.
        goals: given in the held-out runs.
        met: of them.
        shipped: alarms per hour on the held-out runs at the shipped limits, of the rules that are judged.
        proposed: likewise at the proposed limits.
        rules: in the order of the file.
        failures: runs that could not be made, in words.
    """

    stated: float
    policy: str
    calibration_runs: int
    calibration_hours: float
    held_out_runs: int
    held_out_hours: float
    goals: int
    met: int
    shipped: Rate
    proposed: Rate
    rules: tuple[RuleFindings, ...]
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the shipped limits give no more alarms on held-out runs than stated."""
        return self.shipped.value <= self.stated


def found(
    rules: SafeguardConfig, calibration: Sequence[RunRecord], held_out: Sequence[RunRecord], *, stated: float, failures: Sequence[str]
) -> Findings:
    """Proposes limits from the ``calibration`` runs and judges both them and those of ``rules`` on the runs that were ``held_out``.

    The stated rate is shared evenly by the rules that can be judged. A rule counts at most one alarm in a run: what follows an alarm is
    no clean run any more. For a signal that was no number in a run no limit is proposed, as none would bear it.
    """
    judged = sum(_verdict(index, calibration) == "judged" for index in range(len(rules.rules)))
    share = stated / max(judged, 1)
    each = tuple(_rule(index, rule, calibration, held_out, share=share) for index, rule in enumerate(rules.rules))
    hours = _hours(held_out)
    return Findings(
        stated=stated,
        policy=calibration[0].header.policy,
        calibration_runs=len(calibration),
        calibration_hours=_hours(calibration),
        held_out_runs=len(held_out),
        held_out_hours=hours,
        goals=sum(run.goals for run in held_out),
        met=sum(run.met for run in held_out),
        shipped=rate(sum(rule.alarms_shipped for rule in each), hours=hours),
        proposed=rate(sum(rule.alarms_proposed for rule in each), hours=hours),
        rules=each,
        failures=tuple(failures),
    )


def _rule(index: int, rule: Rule, calibration: Sequence[RunRecord], held_out: Sequence[RunRecord], *, share: float) -> RuleFindings:
    shape, verdict = Shape.of(rule), _verdict(index, calibration)
    levels, held_out_levels = _levels(index, calibration), _levels(index, held_out)
    limit, tail = rule.limit, None
    if verdict == "judged" and max(map(abs, levels)) < NOT_FINITE:
        exceeded = -math.expm1(-share * _hours(calibration) / len(calibration))
        proposal = proposed([shape.sign * level for level in levels], exceeded=exceeded)
        tail = proposal.shape
        if tail is not None or shape.is_beyond(shape.sign * proposal.limit, rule.limit):
            limit = _rounded_away(shape.sign * proposal.limit, shape)
    counted = held_out_levels if verdict == "judged" else ()
    return RuleFindings(
        shape=shape,
        mode=rule.mode.label,
        judged=verdict,
        shipped=rule.limit,
        shipped_clear=rule.clear_limit,
        proposed=limit,
        proposed_clear=_clear(limit, rule, levels),
        tail=tail,
        calibration_levels=levels,
        held_out_levels=held_out_levels,
        alarms_shipped=sum(shape.is_beyond(level, rule.limit) for level in counted),
        alarms_proposed=sum(shape.is_beyond(level, limit) for level in counted),
    )


def _verdict(index: int, runs: Sequence[RunRecord]) -> Verdict:
    if all(run.levels[index].shape.signal in NOT_JUDGED[run.header.source] for run in runs):
        return "not judged here"
    return "judged" if _levels(index, runs) else "not read"


def _levels(index: int, runs: Sequence[RunRecord]) -> tuple[float, ...]:
    """Of the runs whose kind says anything about the rule; of all runs where none does."""
    telling = [run for run in runs if run.levels[index].shape.signal not in NOT_JUDGED[run.header.source]]
    return tuple(level for run in telling or runs if (level := run.levels[index].level) is not None)


def _clear(limit: float, rule: Rule, levels: Sequence[float]) -> float:
    """In the shipped ratio to the limit, but not within the level of half of the runs: a clean run must be able to clear the rule."""
    if limit == rule.limit:
        return rule.clear_limit
    sign = Shape.of(rule).sign
    in_ratio = _rounded(limit * rule.clear_limit / rule.limit) if rule.limit else limit - sign
    usual = _rounded(statistics.median(levels))
    return usual if sign * in_ratio < sign * usual < sign * limit else in_ratio


def _rounded_away(limit: float, shape: Shape) -> float:
    """To _DIGITS digits, and never towards the readings."""
    rounded = _rounded(limit)
    if rounded == limit or not limit:
        return rounded
    step = 10.0 ** (math.floor(math.log10(abs(limit))) + 1 - _DIGITS)
    outwards = math.ceil(limit / step) if shape.sign > 0 else math.floor(limit / step)
    return _rounded(outwards * step)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _hours(runs: Sequence[RunRecord]) -> float:
    return sum(run.hours for run in runs)
