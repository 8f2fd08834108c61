"""An append-only record of a run, readable after the process was killed at any point.

One JSON object per line. The last key of each, ``crc32``, covers the bytes of the line before that key and, through its
start value, all lines before, so that a changed, missing or inserted line is noticed. JSON has no NaN and no infinity:
such figures are written as the strings "NaN", "Infinity" and "-Infinity", which ``float`` reads back.

A line is handed to the kernel in one write: it survives the death of the process, while a loss of power may take the
last seconds. Waiting for the disk after each window would hold up the updates.

Beside its report, a window's record says which transitions it held (``first`` and ``samples``, their numbers being consecutive), how
many of them were ``fresh``, whether it was ``permitted`` to commit, and a ``sketch`` of the weights that it committed. A transition is
written down once, in the first record of a window that holds it (``new``; see ``RecordedSample``). With that, the base and the
recording of the sensors, all weights can be computed again: the records of windows alone decide, each with the version that it was
begun from, so the order in which threads came to write a reset or a configuration does not matter.
"""

import json
import math
import os
import threading
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal_records import check_record
from ttt_ros.adaptation.machine import this_machine
from ttt_ros.adaptation.recorded_sample import samples_from
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.sketch import sketch
from ttt_ros.adaptation.versions import Version
from ttt_ros.adaptation.window import Window
from ttt_ros.errors import JournalError

FORMAT = 3
"""Raised when a record changes, and when the update rule does: the weights of an older run cannot be computed again."""
_SEAL = b',"crc32":"'

MAX_LINE = 1 << 26
"""Bytes of a line; that of a window with new samples of a large chunk takes a hundredth of it."""


class Journal:
    """Writes a journal; safe to use from several threads.

    After a failed write it stays failed, because a line after a torn one would make the file unreadable.
    """

    def __init__(
        self,
        path: Path,
        *,
        configuration: AdaptationConfig,
        base_checksum: str,
        version: Version,
        inference_threads: int,
        seed: int,
        package_version: str,
    ) -> None:
        """Creates the file and writes what a replay must start from.

        Args:
            configuration: of the first window.
            base_checksum: ``Policy.checksum``.
            version: in force at the start.
            inference_threads: torch threads with which observations are encoded; windows are worked on with one.
            seed: of the run.
            package_version: of ttt_ros.

        Raises:
            JournalError: the file exists or cannot be written.
        """
        self._path = path
        self._lock = threading.Lock()
        self._crc = 0
        self._failure = ""
        self._closed = False
        self._next_sample = 0
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise JournalError(f"cannot create journal {path}: {error.strerror}; give a new file in a writable directory") from None
        self._append(
            {
                "kind": "start",
                "format": FORMAT,
                "configuration": asdict(configuration),
                "base_checksum": base_checksum,
                "version": version.number,
                "checksum": version.checksum,
                "seed": seed,
                "package_version": package_version,
                "inference_threads": inference_threads,
                "machine": asdict(this_machine(next(iter(version.weights.values())).device)),
            }
        )

    def window(self, report: WindowReport, *, window: Window, permitted: bool, current: Version) -> None:
        """Records what became of a window; one thread calls it.

        Args:
            report: what became of it.
            window: it.
            permitted: whether it was permitted to commit.
            current: the version now in force; if it is the one that the window committed, the record has its sketch.

        Raises:
            JournalError: it cannot be written.
        """
        new = samples_from(window, first=self._next_sample)
        self._next_sample = max(self._next_sample, window.first + len(window.transitions))
        self._append(
            {
                "kind": "window",
                **asdict(report),
                "permitted": permitted,
                "first": window.first,
                "fresh": window.fresh,
                "new": [sample.to_json() for sample in new],
                "sketch": sketch(current.weights) if report.committed and current.number == report.version else (),
            }
        )

    def configuration(self, config: AdaptationConfig) -> None:
        """Records a configuration; they are numbered from 1, after that of the start, 0. Raises JournalError if it cannot be written."""
        self._append({"kind": "configuration", "configuration": asdict(config)})

    def reset(self, version: Version, *, epoch: int) -> None:
        """Records a reset that began ``epoch``. Raises JournalError if it cannot be written."""
        self._append({"kind": "reset", "epoch": epoch, "version": version.number, "checksum": version.checksum})

    def rollback(self, version: Version, *, epoch: int) -> None:
        """Records a rollback or restore to ``version`` that began ``epoch``. Raises JournalError if it cannot be written."""
        self._append({"kind": "rollback", "epoch": epoch, "version": version.number, "checksum": version.checksum})

    def close(self) -> None:
        """Ends the journal; whatever is recorded afterwards raises JournalError."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._failure = self._failure or "it was closed"
                os.close(self._file)

    def _append(self, record: Mapping[str, Any]) -> None:
        body = json.dumps(spelled_out(record), separators=(",", ":"), allow_nan=False).encode()[:-1]
        with self._lock:
            if not self._failure:
                crc = zlib.crc32(body, self._crc)
                self._failure = _written(self._file, body + _SEAL + f'{crc:08x}"}}\n'.encode())
                self._crc = crc
            if self._failure:
                raise JournalError(f"journal {self._path} cannot be written: {self._failure}; start a new run with a new journal")


@dataclass(frozen=True, kw_only=True)
class JournalContents:
    """A journal as read back.

    Attributes:
        start: the first record: configuration, checksum of the base, version in force, seed, and where it was computed.
        records: all others, in order; ``kind`` says what each is.
        torn: what is wrong with the last line, which was then left out; empty if nothing is.
    """

    start: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...]
    torn: str


def read_journal(path: Path) -> JournalContents:
    """Reads the journal at ``path``, leaving out a last line that was torn when its writer died.

    Raises:
        JournalError: the file cannot be read, has no sound first record or another format, is damaged before its last line, or holds a
            record that no journal has.
    """
    lines = _lines(path)
    records: list[Mapping[str, Any]] = []
    torn = ""
    crc = 0
    for number, line in enumerate(lines, start=1):
        body, _, seal = line.rpartition(_SEAL)
        crc = zlib.crc32(body, crc)
        if seal == f'{crc:08x}"}}'.encode():
            record = _record(body + b"}", number=number, path=path)
            if not records:
                _check_format(record, path)
            check_record(record, body + b"}", where=f"line {number} of journal {path}")
            records.append(record)
        elif number == len(lines) and records:
            torn = f"line {number} of {path} is incomplete and was left out: {len(line)} bytes"
        else:
            raise JournalError(f"line {number} of journal {path} is damaged; what follows it cannot be trusted")
    start, *rest = records
    return JournalContents(start=start, records=tuple(rest), torn=torn)


def _lines(path: Path) -> list[bytes]:
    lines: list[bytes] = []
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE:
                    raise JournalError(f"line {len(lines) + 1} of {path} has more than {MAX_LINE} bytes; it is no journal, check the path")
                lines.append(line.removesuffix(b"\n"))
    except OSError as error:
        raise JournalError(f"cannot read journal {path}: {error.strerror}") from None
    return lines or [b""]


def _record(text: bytes, *, number: int, path: Path) -> Mapping[str, Any]:
    """A line whose checksum is right; anybody can write one, so that it is JSON is not yet known."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"line {number} of journal {path} is not JSON ({error}); no journal was written that way") from None
    if not isinstance(record, dict):
        raise JournalError(f"line {number} of journal {path} is no JSON object; no journal was written that way")
    return record


def _check_format(start: Mapping[str, Any], path: Path) -> None:
    kind, number = start.get("kind"), start.get("format")
    if kind != "start" or number != FORMAT:
        raise JournalError(f"{path} is not a journal of format {FORMAT}; its first record is {kind!s:.60}, format {number!s:.60}")


def _written(file: int, line: bytes) -> str:
    """Writes ``line`` at once; returns what went wrong, or nothing."""
    try:
        count = os.write(file, line)
    except OSError as error:
        return str(error.strerror)
    return "" if count == len(line) else f"only {count} of {len(line)} bytes found room"


def spelled_out(value: Any) -> Any:
    """``value`` as the journal gives it back: numbers that JSON lacks by their names, and sequences as lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: spelled_out(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled_out(item) for item in value]
    return value
