"""One arm's run in a few figures, before and after the shift."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ttt_ros import configuration
from ttt_ros.evaluation.run_record import Arm, Count, Goal, RunRecord, Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Successes:
    """How many goals succeeded out of how many."""

    succeeded: Count
    goals: Count


Thirds: TypeAlias = tuple[Successes, Successes, Successes]
"""Successes in the first, second and last third of some goals."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """The figures of one arm; None where nothing was recorded. Without a shift the whole run counts as before it.

    Attributes:
        arm: the arm.
        seed: of its simulation.
        success_before: goals that ended before the shift.
        success_after: goals that ended after it, so the goal under way when it came counts as after.
        thirds_before: the goals before the shift by thirds.
        thirds_after: the goals after it by thirds.
        distance_before: median distance from the cube at the end of a goal before the shift, m.
        distance_after: the same after the shift.
        prediction_loss_before: median over the windows before the shift.
        prediction_loss_after: median over the windows after it.
        drift_max: largest total drift from the base, relative.
        inference_p50: median inference time in seconds.
        inference_p99: its 99th percentile.
        lateness_p50: median lateness of a control tick in seconds.
        lateness_p99: its 99th percentile.
        windows_committed: updates that became a version.
        windows_rejected: updates that were refused.
        underruns: control ticks at which no step of a chunk was left to play.
    """

    arm: Arm
    seed: int
    success_before: Successes
    success_after: Successes
    thirds_before: Thirds
    thirds_after: Thirds
    distance_before: float | None
    distance_after: float | None
    prediction_loss_before: float | None
    prediction_loss_after: float | None
    drift_max: float | None
    inference_p50: Seconds | None
    inference_p99: Seconds | None
    lateness_p50: Seconds | None
    lateness_p99: Seconds | None
    windows_committed: Count
    windows_rejected: Count
    underruns: Count


def summarised(run: RunRecord) -> ArmSummary:
    """Computes the figures of one run."""
    shift = run.shift.start if run.shift else float("inf")
    inference = [chunk.inference_time for chunk in run.chunks]
    committed = sum(window.committed for window in run.windows)
    before = [goal for goal in run.goals if goal.end < shift]
    after = [goal for goal in run.goals if goal.end >= shift]
    return ArmSummary(
        arm=run.arm,
        seed=run.seed,
        success_before=_successes(before),
        success_after=_successes(after),
        thirds_before=_thirds(before),
        thirds_after=_thirds(after),
        distance_before=_percentile((goal.distance for goal in before), 50),
        distance_after=_percentile((goal.distance for goal in after), 50),
        prediction_loss_before=_percentile((window.prediction_loss for window in run.windows if window.time < shift), 50),
        prediction_loss_after=_percentile((window.prediction_loss for window in run.windows if window.time >= shift), 50),
        drift_max=max((window.drift_total for window in run.windows), default=None),
        inference_p50=_percentile(inference, 50),
        inference_p99=_percentile(inference, 99),
        lateness_p50=_percentile(run.control.lateness, 50),
        lateness_p99=_percentile(run.control.lateness, 99),
        windows_committed=committed,
        windows_rejected=len(run.windows) - committed,
        underruns=run.underruns,
    )


def _thirds(goals: Sequence[Goal]) -> Thirds:
    first, last = round(len(goals) / 3), round(2 * len(goals) / 3)
    return _successes(goals[:first]), _successes(goals[first:last]), _successes(goals[last:])


def _successes(goals: Sequence[Goal]) -> Successes:
    return Successes(succeeded=sum(goal.succeeded for goal in goals), goals=len(goals))


def _percentile(values: Iterable[float | None], percent: float) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.percentile(known, percent)) if known else None
