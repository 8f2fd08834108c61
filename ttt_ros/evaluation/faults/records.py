"""Trials of faults on disk: one JSON file for each fault, so that a broken-off suite goes on."""

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 1


class Net(Enum):
    """What protects the robot: the policy node's own checks, and another process that watches it."""

    POLICY = "policy"
    SAFEGUARD = "safeguard"

    @property
    def records(self) -> str:
        """Folder of the trials in which this net stood alone."""
        return f"alone_{self.value}"


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial.

    Attributes:
        reaction: seconds from the fault to the reaction that was asked for; None if it was not seen.
        mode: safest mode in which the policy node acted.
        ordered: safest mode that the safeguard ordered.
        detected_by: nets that noticed it: ``policy node``, ``safeguard``.
        words: reason that the safeguard or a refused window gave.
        behaviour: what the robot was told while the fault lasted.
        violations: what must not happen, in words.
        recovery: seconds until adapting went on once the fault was removed; None if it did not, or without protection, where nobody waits.
    """

    reaction: float | None
    mode: str
    ordered: str
    detected_by: tuple[str, ...]
    words: str
    behaviour: str
    violations: tuple[str, ...]
    recovery: float | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class FaultRecord:
    """All trials of one fault.

    Attributes:
        name: of the fault.
        injected: how, in words.
        demand: what reaction is asked for.
        deadline: seconds within which.
        without_protection: whether its protection was switched off, so that it must fail.
        load: processes that waited for a processor when it ended, mean over a minute.
        trials: in order.
    """

    name: str
    injected: str
    demand: str
    deadline: float
    without_protection: bool
    load: float
    trials: tuple[Trial, ...]

    @property
    def reactions(self) -> tuple[float, ...]:
        """Of the trials in which it was seen."""
        return tuple(trial.reaction for trial in self.trials if trial.reaction is not None)

    @property
    def median(self) -> float | None:
        """Seconds."""
        return float(np.median(self.reactions)) if self.reactions else None

    @property
    def slowest(self) -> float | None:
        """Seconds."""
        return max(self.reactions, default=None)

    @property
    def violations(self) -> tuple[str, ...]:
        """Of all trials."""
        return tuple(violation for trial in self.trials for violation in trial.violations)

    @property
    def in_time(self) -> int:
        """Trials with the reaction within the deadline."""
        return sum(reaction <= self.deadline for reaction in self.reactions)

    @property
    def went_on(self) -> int:
        """Trials after which the run went on."""
        return sum(trial.recovery is not None for trial in self.trials)

    @property
    def withstood(self) -> bool:
        """Whether every trial reacted in time and kept the limits."""
        return self.in_time == len(self.trials) > 0 and not self.violations

    @property
    def held(self) -> bool:
        """Whether every trial was withstood and went on."""
        return self.withstood and self.went_on == len(self.trials)


def write_record(folder: Path, record: FaultRecord) -> None:
    """Writes ``folder/<name>.json``.

    Raises:
        RecordingError: it cannot be written.
    """
    write_whole(folder / f"{record.name}.json", json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1, allow_nan=False) + "\n")


def records_in(folder: Path) -> list[FaultRecord]:
    """All that a folder holds, by name; none if there is no such folder.

    Raises:
        RecordingError: as ``read_record``.
    """
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def read_record(path: Path) -> FaultRecord:
    """Reads what ``write_record`` wrote.

    Raises:
        RecordingError: the file is missing, damaged or of another schema.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"cannot read {path}: {error}; delete it and run the fault again") from None
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise RecordingError(f"{path} has schema {schema!r}, this version reads {SCHEMA}; delete it and run the fault again")
    try:
        return configuration.validated(FaultRecord, values, source=str(path))
    except ConfigurationError as error:
        raise RecordingError(f"{error}; delete it and run the fault again") from None
