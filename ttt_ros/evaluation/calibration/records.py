"""What a clean run says about every rule, as a JSON file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.calibration.levels import AlarmLevel, Shape
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.signals import Reading

SCHEMA = 1
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""

Source = Literal["simulation", "bag"]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Header:
    """What was run: two runs with the same header are the same run.

    Attributes:
        source: a closed loop on a virtual clock, or a recording.
        name: of the run, in words.
        policy: checksum of the policy.
        configuration: SHA-256 over all else that decides what is read.
    """

    source: Source
    name: str
    policy: str
    configuration: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class RuleLevel:
    """The level of one rule in a run; None where there were fewer than ``trips`` of its ``readings``."""

    shape: Shape
    level: float | None
    readings: Annotated[int, Field(ge=0)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        hours: of the run's own clock.
        goals: that were given; 0 for a recording.
        met: of them.
        levels: one for each rule, in the order of the rules.
    """

    header: Header
    hours: Annotated[float, Field(gt=0)]
    goals: Annotated[int, Field(ge=0)]
    met: Annotated[int, Field(ge=0)]
    levels: tuple[RuleLevel, ...]


class LevelMeter:
    """Takes every reading of a run and keeps the level of every rule."""

    def __init__(self, rules: SafeguardConfig) -> None:
        """For the rules of a file."""
        self._levels = [(Shape.of(rule), AlarmLevel(Shape.of(rule))) for rule in rules.rules]

    def take(self, _now: int, reading: Reading) -> None:
        """Takes one reading."""
        for shape, level in self._levels:
            if shape.signal == reading.signal:
                level.observe(reading.value)

    @property
    def levels(self) -> tuple[RuleLevel, ...]:
        """Of all rules so far."""
        return tuple(RuleLevel(shape=shape, level=level.level, readings=level.readings) for shape, level in self._levels)


def write_record(path: Path, record: RunRecord) -> None:
    """Writes ``record``; the file appears whole or not at all.

    Raises:
        RecordingError: it cannot be written.
    """
    write_whole(path, json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1, allow_nan=False) + "\n")


def read_matching(path: Path, header: Header, shapes: Sequence[Shape]) -> RunRecord | None:
    """The record at ``path`` if it is there, whole, of just this run and of rules of these shapes; otherwise it has to be run again."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            return None
        record = configuration.validated(RunRecord, values, source=str(path))
    except (OSError, ValueError, ConfigurationError):
        return None
    return record if record.header == header and [each.shape for each in record.levels] == list(shapes) else None
