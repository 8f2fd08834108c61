"""What one arm did on one bag, as a file of JSON lines: a header, then chunks, windows and changes of mode as they came, then the end.

A figure that could not be computed is None, never NaN. Instants are nanoseconds of the bag's clock. Angles are in the joint's unit, rad
for revolute and m for prismatic joints.
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.evaluation.bags.configuration import BagArm
from ttt_ros.evaluation.run_record import Count, ModeLabel, Seconds

SCHEMA = 1
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""

Size: TypeAlias = Annotated[float, Field(ge=0)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Header:
    """What was run: two runs with the same header give the same record, apart from the times that they took.

    Attributes:
        bag: its name, the last part of the path.
        inputs: SHA-256 over topic, stamp and content of every message that was read, in order.
        policy: checksum of the policy.
        arm: what was run.
        configuration: SHA-256 over the node's parameters, the meaning of the topics, clock and seed.
    """

    bag: str
    inputs: str
    policy: str
    arm: BagArm
    configuration: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ChunkRow:
    """One chunk of the policy, against what the robot was told then.

    Attributes:
        stamp: of the observation.
        version: of the fast weights.
        error: mean over the chunk's steps of |commanded - predicted|, by joint; None where nothing was commanded.
        squared: mean over the steps of its square, by joint.
        by_step: mean over the joints of |commanded - predicted|, by step of the chunk.
        held: ``error`` of keeping the command in force at the observation instead, by joint: what any policy must beat.
        seam: greatest difference, over the joints, between this chunk and the one before for the same instant, at the first step that both
            have; None if they share none.
        roughness: root mean square of the second difference between steps, per period squared, over steps and joints.
        seconds: that the inference took.
    """

    stamp: Count
    version: Count
    error: tuple[Size, ...] | None
    squared: tuple[Size, ...] | None
    by_step: tuple[Size, ...] | None
    held: tuple[Size, ...] | None
    seam: Size | None
    roughness: Size
    seconds: Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class WindowRow:
    """One window of adaptation; in an arm that does not adapt nothing is committed, and the losses are those of the base.

    Attributes:
        stamp: of the newest transition's first observation.
        sequence: number of the window, from 1.
        loss: mean prediction loss of the fresh transitions before the update.
        loss_after: of the same transitions under the weights in force afterwards.
        gradient_norm: before clipping.
        update_norm: length of the step that was committed.
        drift: of the weights in force afterwards from the base, relative.
        action_deviation: greatest change of an action on the probes, base to updated weights.
        samples: transitions in the window.
        trimmed: of them, outliers that were left out.
        committed: whether the update came into force.
        reason: why not; empty if it did.
        version: in force afterwards.
        checksum: of its weights.
        seconds: that the window took.
    """

    stamp: Count
    sequence: Count
    loss: float | None
    loss_after: float | None
    gradient_norm: float | None
    update_norm: Size
    drift: Size
    action_deviation: float | None
    samples: Count
    trimmed: Count | None
    committed: bool
    reason: str
    version: Count
    checksum: str
    seconds: Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ModeRow:
    """From ``stamp`` on the loop was in ``mode``; ``reason`` says why it was no better."""

    stamp: Count
    mode: ModeLabel
    reason: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class End:
    """The run as a whole.

    Attributes:
        start: of the bag.
        end: of it.
        messages: that were read.
        ticks: control ticks.
        held: of them, those in hold because an input was missing, stale or apart, or a chunk was refused.
        refused: chunks that were refused, by kind.
        rejected: messages that could not be used, by stream and reason.
        outputs: SHA-256 over every chunk and every decision, without the times that they took.
        weights: checksum of the fast weights at the end.
        seconds: that the whole run took.
    """

    start: Count
    end: Count
    messages: Count
    ticks: Count
    held: Count
    refused: dict[str, Count]
    rejected: dict[str, Count]
    outputs: str
    weights: str
    seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class ArmRecord:
    """The whole file."""

    header: Header
    chunks: tuple[ChunkRow, ...]
    windows: tuple[WindowRow, ...]
    modes: tuple[ModeRow, ...]
    end: End
