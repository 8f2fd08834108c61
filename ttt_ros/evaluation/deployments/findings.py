"""What a suite found, in figures: everything that the page and the plots show."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from ttt_ros import configuration
from ttt_ros.evaluation.deployments.arms import Role
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.run_record import Count, Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ArmFacts:
    """What an arm is.

    Attributes:
        name: of the arm.
        label: in words.
        role: what it stands for.
        policy: checksum of its policy.
        parameters: numbers in its policy.
        fast_parameters: how many of them may adapt; 0 if it does not adapt.
        training: what its checkpoint says about its training.
    """

    name: str
    label: str
    role: Role
    policy: str
    parameters: Count
    fast_parameters: Count
    training: Mapping[str, JsonValue]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All arms on the same deployments.

    Attributes:
        name: of the condition or the group of conditions.
        label: in words.
        conditions: that are averaged, each deployment counting the same.
        success: share of goals met, by arm.
        advantage: success of the adapting arm minus that of each other arm, paired.
        best_static: the static arm with the highest success here; None if there is none.
        room: success of the oracle minus that of the best static arm, paired: what there is to win.
        gap_closed: by arm: (arm - best static) / (oracle - best static); None where it is not defined.
        further_back: success of full attention minus that of the sliding window, paired: what the movements are worth that lie further
            back than the window; None if either was not run.
    """

    name: str
    label: str
    conditions: tuple[str, ...]
    success: Mapping[str, Estimate]
    advantage: Mapping[str, Estimate]
    best_static: str | None
    room: Estimate | None
    gap_closed: Mapping[str, Estimate | None]
    further_back: Estimate | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an arm costs on runs of one length: medians over goals, then over deployments.

    Attributes:
        seconds_per_step: all that the policy and its adaptation compute, over the control steps played.
        inference_seconds: encoding and acting of one goal (two chunks).
        remember_seconds: updating the memory, per goal.
        adapt_seconds: adapting, per goal.
        memory_bytes: the policy's memory at the end of the run.
        adaptation_bytes: what adapting keeps.
    """

    seconds_per_step: Seconds
    inference_seconds: Seconds
    remember_seconds: Seconds
    adapt_seconds: Seconds
    memory_bytes: Count
    adaptation_bytes: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class LongRun:
    """An arm on the long runs; by tenths of the run where a figure is a tuple.

    Attributes:
        steps: control steps of a run.
        success: over the whole run.
        success_by_tenth: share of goals met.
        advantage: success of the adapting arm minus this one's, paired; None for itself, or if it was not run.
        last_minus_second: success of the last tenth minus that of the second, paired.
        first_part: success over the first goals, 16 times as many as in runs of training length; None if the run is shorter.
        first_part_advantage: success of the adapting arm minus this one's over the same goals, paired.
        drift_by_tenth: largest drift of any deployment.
        seconds_by_tenth: median seconds per control step.
        seconds_early: median seconds per control step about step 100, of a run begun anew in turn with the goals at the end of this one.
        seconds_late: the same of those goals.
        growth: seconds_late / seconds_early, the median over deployments.
        bytes_early: memory and adaptation state after the first goal.
        bytes_late: the same after the last.
    """

    steps: Count
    success: Estimate
    success_by_tenth: tuple[Estimate, ...]
    advantage: Estimate | None
    last_minus_second: Estimate
    first_part: Estimate | None
    first_part_advantage: Estimate | None
    drift_by_tenth: tuple[float, ...]
    seconds_by_tenth: tuple[Seconds, ...]
    seconds_early: Seconds
    seconds_late: Seconds
    growth: float
    bytes_early: Count
    bytes_late: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """A static arm against itself with other sensor noise: what a comparison shows where there is nothing to be found.

    Attributes:
        arm: the static arm.
        difference: of its two runs, paired.
        goals_changed: share of goals that ended otherwise.
    """

    arm: str
    difference: Estimate
    goals_changed: float


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a target holds.

    Attributes:
        target: in words.
        holds: None if what it needs was not run.
        figure: what was found, in words.
    """

    target: str
    holds: bool | None
    figure: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Refusals:
    """How often an arm's updates came about: windows handed to it, those committed, and why others were refused, by reason."""

    windows: Count
    committed: Count
    reasons: Mapping[str, Count]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Findings:
    """The whole result.

    Attributes:
        arms: every arm.
        groups: comparisons over groups of conditions.
        conditions: comparisons of single conditions.
        over_time: share of goals met by tenths of the run, by arm, all properties at once in the ranges of training.
        costs: by arm, under the same condition.
        long_runs: by arm.
        noise_floor: None if no static arm was run twice.
        refusals: by arm that adapts, over all deployments.
        verdicts: one per target.
        deployments: how many there are.
        goals: of a deployment of training length.
        failures: deployments that could not be run, and why.
    """

    arms: tuple[ArmFacts, ...]
    groups: tuple[Comparison, ...]
    conditions: tuple[Comparison, ...]
    over_time: Mapping[str, tuple[Estimate, ...]]
    costs: Mapping[str, Cost]
    long_runs: Mapping[str, LongRun]
    noise_floor: NoiseFloor | None
    refusals: Mapping[str, Refusals]
    verdicts: tuple[Verdict, ...]
    deployments: Count
    goals: Count
    failures: tuple[str, ...]
