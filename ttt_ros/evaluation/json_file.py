"""Run records and reports as JSON files: versioned, free of NaN, refused unless every field is there and known."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.demo_report import DemoReport
from ttt_ros.evaluation.run_record import RunRecord
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 2
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""

Record = TypeVar("Record", RunRecord, DemoReport)


def write_json(path: Path, record: Record) -> None:
    """Writes ``record`` with the schema's version beside its fields; the file appears whole or not at all.

    Raises:
        RecordingError: a value is NaN, infinite or of the wrong type, or the file cannot be written.
    """
    values = asdict(record)
    _fitting(type(record), values, source=path)
    write_whole(path, json.dumps({"schema": SCHEMA, **values}, indent=1))


def read_json(path: Path, kind: type[Record]) -> Record:
    """Reads what ``write_json`` wrote.

    Raises:
        RecordingError: the file is missing, is not JSON, has another schema, or does not fit ``kind``.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise RecordingError(f"{path} is not JSON: {error}; record the run again") from None
    if not isinstance(values, dict):
        raise RecordingError(f"{path} holds a {type(values).__name__}, not the fields of a {kind.__name__}; record the run again")
    schema = values.pop("schema", None)
    if schema != SCHEMA:
        raise RecordingError(f"{path} has schema {schema!r}, this version reads schema {SCHEMA}; use the version that wrote it")
    return _fitting(kind, values, source=path)


def _fitting(kind: type[Record], values: dict[str, Any], *, source: Path) -> Record:
    try:
        return configuration.validated(kind, values, source=f"{source} as {kind.__name__}")
    except ConfigurationError as error:
        raise RecordingError(f"{error}; correct what wrote it, or record the run again") from None
