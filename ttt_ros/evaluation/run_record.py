"""What one run of the closed loop recorded: the frozen or the adapting policy, one seed, one shift.

All times are seconds since the run began. A figure that could not be computed is None, never NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from ttt_ros import configuration

Arm: TypeAlias = Literal["frozen", "adapting"]
ModeLabel: TypeAlias = Literal["adapting", "frozen", "base", "hold", "stop"]
"""Labels of the modes of the safeguard's ladder, from best to safest."""

Count: TypeAlias = Annotated[int, Field(ge=0)]
Seconds: TypeAlias = Annotated[float, Field(ge=0)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Shift:
    """What changed in mid-run: ``name`` of the parameter, ``description`` in words, ``start`` in seconds."""

    name: str
    description: str
    start: Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Goal:
    """One task given in words, and how it ended by the physics state.

    Attributes:
        index: number of the goal in the run, from 0.
        instruction: the task in words.
        start: when the goal was given.
        end: when the arm had come to rest or its time ran out.
        succeeded: whether the physics state met the goal.
        distance: from the fingertip to the middle of the named cube once the arm had come to rest, horizontally, m; None if it did not.
    """

    index: Count
    instruction: str
    start: Seconds
    end: Seconds
    succeeded: bool
    distance: Annotated[float, Field(ge=0)] | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Control:
    """How well the control loop kept its rate.

    Attributes:
        period: nominal time between two control ticks in seconds.
        ticks_due: ticks that should have happened while the policy node was active.
        ticks_met: ticks that happened within one period of their due time.
        deadline_misses: ticks that the policy node itself counted as late.
        lateness: seconds from the due time of a tick to its command, one value per tick that happened.
    """

    period: Annotated[float, Field(gt=0)]
    ticks_due: Count
    ticks_met: Count
    deadline_misses: Count
    lateness: tuple[Seconds, ...]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One action chunk.

    Attributes:
        time: when it arrived.
        sequence: its number.
        version: the version of the fast weights that computed it; 0 is the base policy.
        inference_time: seconds spent on encoding and acting.
        latency_steps: control steps from the observation to the first step played.
    """

    time: Seconds
    sequence: Count
    version: Count
    inference_time: Seconds
    latency_steps: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of transitions and what it did to the fast weights; norms, losses and drifts are without unit.

    Attributes:
        time: when its status arrived.
        sequence: its number.
        prediction_loss: mean loss before the update, on data never trained on.
        loss_after: mean loss of the same data after the update; None if there was no update.
        gradient_norm: Euclidean norm before clipping; None if it was not finite.
        update_norm: Euclidean norm of the change of the weights; None if there was no update.
        drift_total: distance from the base weights, relative to their norm.
        drift: the same by fast module.
        trimmed: transitions left out as outliers.
        committed: whether the update became a version.
        reason: why it was rejected; empty if committed.
        version: the version in use after the window.
        action_deviation: largest change of an action on the probe observations in radians.
        duration: seconds spent on the window.
    """

    time: Seconds
    sequence: Count
    prediction_loss: float | None
    loss_after: float | None
    gradient_norm: float | None
    update_norm: float | None
    drift_total: float
    drift: Mapping[str, float]
    trimmed: Count
    committed: bool
    reason: str
    version: Count
    action_deviation: float | None
    duration: Seconds


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class ModeChange:
    """The mode that the safeguard ordered from ``time`` on, and its ``reasons`` in words."""

    time: Seconds
    mode: ModeLabel
    reasons: tuple[str, ...]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Node:
    """How one node process fared.

    Attributes:
        name: name of the node.
        came_up: whether it reached its active state.
        exit_code: of the process, negative for a signal; None if it had to be killed or never ended.
        shut_down_cleanly: whether it ran its shutdown transition and ended by itself with exit code 0.
    """

    name: str
    came_up: bool
    exit_code: int | None
    shut_down_cleanly: bool


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Picture:
    """A camera picture: the ``camera`` that took it, when in words (``moment``), and the ``path`` of the PNG file."""

    camera: str
    moment: str
    path: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of one arm.

    Attributes:
        arm: whether the policy was frozen or adapting.
        seed: of the simulation; arms with the same seed get the same goals and the same shift.
        duration: seconds that the run took; 0 if it never started.
        shift: what changed in mid-run; None if nothing did.
        underruns: control ticks at which no step of a chunk was left to play.
        instructions: given to the policy, the way back to rest after each goal included; each asks for one chunk.
        updates_due: goals that ended at rest while adaptation was permitted, so that an update was due.
        windows_attempted: updates attempted, whether committed or rejected; dropped windows are no attempts.
    """

    arm: Arm
    seed: int
    duration: Seconds
    shift: Shift | None
    goals: tuple[Goal, ...]
    control: Control
    chunks: tuple[Chunk, ...]
    underruns: Count
    instructions: Count
    updates_due: Count
    windows_attempted: Count
    windows: tuple[Window, ...]
    modes: tuple[ModeChange, ...]
    nodes: tuple[Node, ...]
    pictures: tuple[Picture, ...]
