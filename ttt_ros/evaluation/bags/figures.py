"""The figures of an evaluation on bags, as they stand in results.json. A figure that could not be computed is None, never NaN."""

from collections.abc import Mapping
from dataclasses import dataclass

from ttt_ros import configuration
from ttt_ros.evaluation.bags.configuration import BagArm
from ttt_ros.evaluation.bags.examination import Share
from ttt_ros.evaluation.run_record import Count, ModeLabel, Seconds

TENTHS = 10
"""Parts into which a run is cut to show how a figure went."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its 95 % interval; no interval (None) where fewer than ``statistics.FEWEST_BLOCKS`` blocks hold it."""

    value: float
    lower: float | None
    upper: float | None

    @property
    def least(self) -> float:
        """The lower end of the interval; the figure itself where there is none."""
        return self.value if self.lower is None else self.lower

    @property
    def most(self) -> float:
        """The upper end of the interval; the figure itself where there is none."""
        return self.value if self.upper is None else self.upper


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median, 95th percentile and greatest value of a figure."""

    median: float
    p95: float
    greatest: float


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class JointError:
    """One joint's action error, in its unit: mean absolute (``error``), root mean square, and that of holding still (``held``)."""

    error: Estimate
    root_mean_square: Estimate
    held: Estimate


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ActionError:
    """How far an arm's chunks are from what the robot was told.

    Attributes:
        chunks: that were compared.
        error: mean absolute error over joints and steps.
        root_mean_square: over joints and steps.
        held: the mean absolute error of keeping the command in force at the observation instead.
        against_held: the error against that of holding still, relative; below 0 is better.
        joints: by name.
        by_step: mean absolute error over the joints, by step of the chunk.
    """

    chunks: Count
    error: Estimate
    root_mean_square: Estimate
    held: Estimate
    against_held: Estimate | None
    joints: Mapping[str, JointError]
    by_step: tuple[Estimate, ...]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Adapting:
    """What an arm's windows did.

    Attributes:
        windows: how many there were.
        committed: share of them whose update came into force; None without windows.
        refusals: how many were refused, by kind of reason, the most frequent first.
        samples: transitions in all windows.
        trimmed: of them, outliers that were left out.
        gradient_norm: before clipping.
        update_norm: of the committed updates.
        drift_last: at the end of the run; the mean over bags where there are several.
        drift_greatest: of any window.
        at_greatest: share of the windows whose drift is within 0.1 % of the greatest of their run: drift that is held at its limit.
        action_deviation: greatest change of an action on the probes.
    """

    windows: Count
    committed: Share | None
    refusals: Mapping[str, Count]
    samples: Count
    trimmed: Count
    gradient_norm: Spread | None
    update_norm: Spread | None
    drift_last: float | None
    drift_greatest: float | None
    at_greatest: Share | None
    action_deviation: float | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Modes:
    """How the loop went.

    Attributes:
        ticks: of control.
        held: share of them in hold because an input was missing, stale or apart, or a chunk was refused.
        reasons: how often hold was entered, by kind of reason, the most frequent first.
        shares: share of the time in each mode.
        changes: of the mode.
        refused: chunks that were refused, by kind.
        rejected: messages that could not be used, by stream and reason.
    """

    ticks: Count
    held: Share | None
    reasons: Mapping[str, Count]
    shares: Mapping[ModeLabel, Share]
    changes: Count
    refused: Mapping[str, Count]
    rejected: Mapping[str, Count]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ArmFigures:
    """One arm.

    Attributes:
        chunks: how many it computed.
        loss: prediction loss of each window before its update; None if no window was scored.
        loss_by_tenth: its mean by tenths of the run.
        action: None where nothing was commanded.
        seam: greatest difference between a chunk and the one before at the first step that both have, in the joint's unit.
        roughness: root mean square of the second difference between steps, per period squared.
        adapting: what the windows did.
        modes: how the loop went.
        inference_seconds: that each chunk took.
        update_seconds: that each window took.
    """

    chunks: Count
    loss: Estimate | None
    loss_by_tenth: tuple[float | None, ...]
    action: ActionError | None
    seam: Spread | None
    roughness: Spread | None
    adapting: Adapting
    modes: Modes
    inference_seconds: Spread | None
    update_seconds: Spread | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Change:
    """An arm against the frozen one, relative, paired on windows and chunks of the same stamp; below 0 is better.

    Attributes:
        loss: of the prediction loss; None if no window of both was scored.
        windows: pairs that it rests on.
        action: of the action error; None if no chunk of both has commands.
        chunks: pairs that it rests on.
        blocks: that windows of both lie in.
    """

    loss: Estimate | None
    windows: Count
    action: Estimate | None
    chunks: Count
    blocks: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a comparison shows where there is nothing to be found: the frozen arm against itself with noise of one grey level.

    ``loss`` and ``action`` are the ends of the intervals that are farther from 0; None if that arm gave no such figure.
    """

    loss: float | None
    action: float | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The arms on one bag, or on all bags together.

    Attributes:
        name: of the bag; ``all bags`` for the whole.
        seconds: of the bags' clocks.
        blocks: of neighbouring chunks of any arm.
        arms: by name.
        changes: against the frozen arm, by name of the others; empty if the frozen arm was not run.
        noise: the noise floor.
    """

    name: str
    seconds: Seconds
    blocks: Count
    arms: Mapping[str, ArmFigures]
    changes: Mapping[str, Change]
    noise: Noise


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Run:
    """One arm on one bag, by its hashes: a second evaluation must give the same.

    Attributes:
        bag: its name.
        arm: its name.
        policy: checksum of the policy.
        configuration: SHA-256 over everything else that was asked for.
        inputs: SHA-256 over every message that was read.
        outputs: SHA-256 over every chunk and every decision.
        weights: checksum of the fast weights at the end.
        speed: seconds of the bag for each second that the run took; None if it took no time that could be measured.
    """

    bag: str
    arm: str
    policy: str
    configuration: str
    inputs: str
    outputs: str
    weights: str
    speed: float | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Findings:
    """The whole evaluation.

    Attributes:
        arms: what was run.
        joints: of the policy, in its order.
        period: between two steps of a chunk, s.
        block_seconds: length of the blocks that the intervals rest on.
        seed: of the intervals.
        whole: all bags together; blocks never reach from one bag into another.
        bags: each alone.
        runs: each arm on each bag.
    """

    arms: tuple[BagArm, ...]
    joints: tuple[str, ...]
    period: Seconds
    block_seconds: Seconds
    seed: Count
    whole: Outcome
    bags: tuple[Outcome, ...]
    runs: tuple[Run, ...]

    @property
    def labels(self) -> dict[str, str]:
        """The arms in words, by name."""
        return {arm.name: arm.label for arm in self.arms}
