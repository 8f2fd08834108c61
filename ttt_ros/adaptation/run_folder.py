"""A folder that tells whether the run that used it last has ended or was broken off."""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ttt_ros.errors import RecoveryError

_LOCK = "lock"
_MARKER = "running.json"


@dataclass(frozen=True, kw_only=True)
class UnendedRun:
    """What its marker says of a run that did not end.

    Attributes:
        process: that it ran in; None if the marker cannot be read.
        begun: instant in UTC, ISO 8601; empty if the marker cannot be read.
        base_checksum: of the policy; likewise.
    """

    process: int | None
    begun: str
    base_checksum: str

    def __str__(self) -> str:
        if self.process is None:
            return "a run whose marker cannot be read did not end"
        return f"the run of process {self.process}, begun {self.begun} with base {self.base_checksum:.12}, did not end"


class RunFolder:
    """Holds the folder for one process at a time, and a marker in it for as long as a run is under way.

    The kernel ends the hold with the process, whatever ends that; the marker stays unless the run is ended. A process that takes the folder
    over and finds the marker thus knows that its owner died.
    """

    def __init__(self, path: Path) -> None:
        """Takes hold of the folder, which is made if need be.

        Raises:
            RecoveryError: it cannot be written, or another process holds it.
        """
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RecoveryError(f"the recovery folder {path} cannot be used: {error.strerror}; give one that can be written") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(self._lock, 0)
            os.write(self._lock, str(os.getpid()).encode())
        except OSError as error:
            owner = os.pread(self._lock, 32, 0).decode(errors="replace")
            os.close(self._lock)
            if isinstance(error, BlockingIOError):
                raise RecoveryError(f"process {owner} uses the recovery folder {path}; give each node a folder of its own") from None
            raise RecoveryError(f"the recovery folder {path} cannot be used: {error.strerror}; give one that can be written") from None
        self.unended = self._read()

    def begin(self, *, base_checksum: str) -> None:
        """Marks that a run of this process is under way.

        Raises:
            RecoveryError: the marker cannot be written.
        """
        begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
        marker = {"process": os.getpid(), "begun": begun, "base_checksum": base_checksum}
        aside = self._path / f"{_MARKER}.partial"
        try:
            aside.write_text(json.dumps(marker) + "\n", encoding="utf-8")
            os.replace(aside, self._path / _MARKER)
        except OSError as error:
            raise RecoveryError(
                f"cannot mark in {self._path} that a run is under way: {error.strerror}; a crash of it would go unnoticed"
            ) from None

    def end(self) -> None:
        """Takes the marker away.

        Raises:
            RecoveryError: it cannot be removed.
        """
        try:
            (self._path / _MARKER).unlink(missing_ok=True)
        except OSError as error:
            raise RecoveryError(f"cannot remove {self._path / _MARKER}: {error.strerror}; the next start will tell of a crash") from None

    def release(self) -> None:
        """Lets another process hold the folder; the marker stays as it is."""
        with suppress(OSError):
            os.close(self._lock)

    def _read(self) -> UnendedRun | None:
        try:
            marker = json.loads((self._path / _MARKER).read_text(encoding="utf-8"))
            return UnendedRun(process=int(marker["process"]), begun=str(marker["begun"]), base_checksum=str(marker["base_checksum"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return UnendedRun(process=None, begun="", base_checksum="")
