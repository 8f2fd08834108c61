"""What one deployment of one arm recorded, as a file of JSON lines: what was run, then one line per goal.

A figure that could not be computed is None, never NaN.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.deployments.arms import Arm, Control
from ttt_ros.evaluation.run_record import Count, Seconds
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 2
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Header:
    """What was run: two deployments with the same header are the same deployment.

    Attributes:
        arm: its name.
        policy: checksum of the policy.
        adaptation: how the fast weights adapted; None: not at all.
        control: what was done to the adaptation on purpose.
        reset_every: goals after which the fast weights went back to the base; None: never.
        repetition: of the same robot, layouts and goals, with other sensor noise.
        condition: name of the condition that the robot was drawn under.
        seed: of the robot, the layouts and the goals.
        goals: how many were asked for.
        long: whether this is one of the long runs.
    """

    arm: str
    policy: str
    adaptation: AdaptationConfig | None
    control: Control
    reset_every: int | None
    repetition: Count
    condition: str
    seed: Count
    goals: Count
    long: bool


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class GoalOutcome:
    """One goal: the pointing chunk and the chunk that takes the arm back.

    Attributes:
        success: whether the fingertip ended within the tolerance, by the physics state.
        distance: horizontal distance of the fingertip from the cube's centre at the end of the pointing chunk, m.
        loss: prediction loss of this goal's transition, before the fast weights learned from it; None without adaptation or a window.
        loss_after: of the same transition under the weights in force afterwards.
        drift: of the fast weights from the base, relative; 0 without adaptation.
        committed: whether a new version of the fast weights came out of this goal.
        reason: why an update was refused; empty if none was.
        steps: control steps that were played.
        encode_seconds: processor time spent on encoding observations, over both chunks.
        act_seconds: on computing both chunks from features.
        remember_seconds: on the policy's memory.
        adapt_seconds: on adapting.
        memory_bytes: size of the policy's memory.
        adaptation_bytes: size of what adapting keeps: fast weights, optimiser and the window's transitions.
        beginner_seconds_per_step: ``seconds_per_step`` of a goal of the same deployment begun anew, which was run right after this goal to
            compare their costs; None where there was none.
    """

    success: bool
    distance: Annotated[float, Field(ge=0)] | None
    loss: float | None
    loss_after: float | None
    drift: Annotated[float, Field(ge=0)]
    committed: bool
    reason: str
    steps: Count
    encode_seconds: Seconds
    act_seconds: Seconds
    remember_seconds: Seconds
    adapt_seconds: Seconds
    memory_bytes: Count
    adaptation_bytes: Count
    beginner_seconds_per_step: Seconds | None = None

    @property
    def seconds_per_step(self) -> float | None:
        """Processor seconds computed per control step played; None where none was played."""
        seconds = self.encode_seconds + self.act_seconds + self.remember_seconds + self.adapt_seconds
        return seconds / self.steps if self.steps else None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class DeploymentRecord:
    """One deployment: what was run, and each goal in order."""

    header: Header
    outcomes: tuple[GoalOutcome, ...]

    def series(self, figure: str) -> NDArray[np.float64]:
        """One figure of every goal, float64 (goals,); NaN where it could not be computed."""
        return np.array([getattr(outcome, figure) for outcome in self.outcomes], dtype=np.float64)


def header_of(arm: Arm, *, policy: str, condition: str, seed: int, goals: int, long: bool) -> Header:
    """The header of a deployment of ``arm``, whose policy has the checksum ``policy``."""
    return Header(
        arm=arm.name,
        policy=policy,
        adaptation=arm.adaptation,
        control=arm.control,
        reset_every=arm.reset_every,
        repetition=arm.repetition,
        condition=condition,
        seed=seed,
        goals=goals,
        long=long,
    )


def path_of(header: Header, directory: Path) -> Path:
    """Where the record of a deployment lies below ``directory``."""
    return directory / header.condition / header.arm / f"{'long_' if header.long else ''}{header.seed}.jsonl"


def write_record(path: Path, record: DeploymentRecord) -> None:
    """Writes ``record``; the file appears whole or not at all.

    Raises:
        RecordingError: a value is NaN or infinite, or the file cannot be written.
    """
    lines = [{"schema": SCHEMA, **asdict(record.header)}, *(asdict(outcome) for outcome in record.outcomes)]
    try:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    except ValueError:
        raise RecordingError(f"a figure for {path} is NaN or infinite; a figure that could not be computed must be None") from None
    write_whole(path, text)


def read_record(path: Path) -> DeploymentRecord:
    """Reads what ``write_record`` wrote.

    Raises:
        RecordingError: the file is missing, cut short, has another schema, or does not fit.
    """
    lines = _lines(path)
    schema = lines[0].pop("schema", None)
    if schema != SCHEMA:
        raise RecordingError(f"{path} has schema {schema!r}, this version reads schema {SCHEMA}; remove it to run the deployment again")
    try:
        record = configuration.validated(DeploymentRecord, {"header": lines[0], "outcomes": lines[1:]}, source=str(path))
    except ConfigurationError as error:
        raise RecordingError(f"{error}; remove the file to run the deployment again") from None
    if len(record.outcomes) != record.header.goals:
        raise RecordingError(f"{path} holds {len(record.outcomes)} of {record.header.goals} goals; remove it to run the deployment again")
    return record


def read_matching(path: Path, header: Header) -> DeploymentRecord | None:
    """The record at ``path`` if it is there, whole, and of just this deployment; otherwise it has to be run again."""
    try:
        record = read_record(path)
    except RecordingError:
        return None
    return record if record.header == header else None


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = list(_parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise RecordingError(f"{path} is not a file of JSON lines: {error}; remove it to run the deployment again") from None
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise RecordingError(f"{path} holds no deployment; remove it to run the deployment again")
    return lines


def _parsed(text: str) -> Iterator[Any]:
    return (json.loads(line) for line in text.splitlines())
