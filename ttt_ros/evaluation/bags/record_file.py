"""Reading and writing what an arm did on a bag."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.records import SCHEMA, ArmRecord, ChunkRow, End, Header, ModeRow, WindowRow

_KINDS: dict[str, type[Any]] = {"header": Header, "chunk": ChunkRow, "window": WindowRow, "mode": ModeRow, "end": End}
_NAMES = {kind: name for name, kind in _KINDS.items()}

Row = TypeVar("Row")


def lines(record: ArmRecord) -> Iterator[str]:
    """The lines of the file, each with its line feed."""
    rows: tuple[Any, ...] = (record.header, *record.chunks, *record.windows, *record.modes, record.end)
    for row in rows:
        values = {"kind": _NAMES[type(row)], **asdict(row)}
        if isinstance(row, Header):
            values = {"schema": SCHEMA, **values}
        yield json.dumps(values, allow_nan=False) + "\n"


def read_record(path: Path) -> ArmRecord:
    """Reads what ``lines`` gave.

    Raises:
        RecordingError: the file cannot be read, is incomplete, or has another schema.
    """
    try:
        rows = [_row(json.loads(line), path) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (ValueError, ConfigurationError) as error:
        raise RecordingError(f"{path} is no record of schema {SCHEMA}: {error}; delete it and evaluate again") from None
    if not rows or not isinstance(rows[0], Header) or not isinstance(rows[-1], End):
        raise RecordingError(f"{path} is incomplete; delete it and evaluate again")
    return ArmRecord(header=rows[0], chunks=_of(rows, ChunkRow), windows=_of(rows, WindowRow), modes=_of(rows, ModeRow), end=rows[-1])


def kept(path: Path, header: Header) -> ArmRecord | None:
    """The record at ``path`` if it is that of ``header``; None if there is none, or another's."""
    if not path.exists():
        return None
    try:
        record = read_record(path)
    except RecordingError:
        return None
    return record if record.header == header else None


def _row(values: dict[str, Any], path: Path) -> Any:
    kind = values.pop("kind", None)
    if kind == "header" and values.pop("schema", None) != SCHEMA:
        raise ValueError("it has another schema")
    if kind not in _KINDS:
        raise ValueError(f"a line is a {kind!r}")
    return configuration.validated(_KINDS[kind], values, source=str(path))


def _of(rows: list[Any], kind: type[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if isinstance(row, kind))
