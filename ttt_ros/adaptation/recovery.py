"""Coming back after a crash: the newest trusted version is kept on disk, and offered to the next run if that can use it."""

import json
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.run_folder import RunFolder, UnendedRun
from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.errors import CheckpointError, RecoveryError
from ttt_ros.policies.tensor_file import parsed_json

PERIOD = 2.0
"""Seconds between two writes at least: a disk has its own pace, and a version lives no longer than that where learning is fast."""

END_TIMEOUT = 0.3
"""Seconds that a write under way gets when a run ends; a node must end within one second."""

_TRUSTED = "trusted.safetensors"
_SAVED, _CONFIGURATION = "saved", "configuration"


@dataclass(frozen=True, kw_only=True, eq=False)
class Crash:
    """What is left of a run that did not end.

    Attributes:
        run: which one.
        version: that it trusted last; None if there is none that can be used.
        saved: when it was kept: UTC, ISO 8601.
        refusal: why none is offered; empty if one is.
    """

    run: UnendedRun
    version: Version | None = None
    saved: str = ""
    refusal: str = ""


class Recovery:
    """One run after the other in one folder. One thread calls it; nothing but the constructor raises, and nothing waits for the disk."""

    def __init__(self, folder: Path, *, base: Version, base_checksum: str, config: AdaptationConfig) -> None:
        """Takes hold of the folder and looks for what a crash left; a version to be offered is read and checked at once.

        Args:
            folder: of this node alone.
            base: version 0 of the policy that is about to run.
            base_checksum: ``Policy.checksum`` of it.
            config: with which it will adapt.

        Raises:
            RecoveryError: the folder cannot be written, or another process holds it.
        """
        self._folder = RunFolder(folder)
        self._path = folder / _TRUSTED
        self._base_checksum = base_checksum
        self._kept = 0
        self._failure = ""
        self._active = False
        self._writing: threading.Thread | None = None
        self._written = -PERIOD
        unended = self._folder.unended
        self.crash = None if unended is None else self._left_by(unended, base, config)
        self._stale = unended is None

    @property
    def kept(self) -> int:
        """Number of the version on disk that this run trusts; 0 if there is none yet."""
        return self._kept

    @property
    def failure(self) -> str:
        """What went wrong with the folder last; empty while all is well."""
        return self._failure

    def begin(self) -> None:
        """A run begins. What a run left that has ended properly is of no use any more."""
        try:
            if self._stale:
                self._path.unlink(missing_ok=True)
            self._folder.begin(base_checksum=self._base_checksum)
            self._failure = ""
        except (OSError, RecoveryError) as error:
            self._failure = str(error)
        self._kept = 0
        self._active, self._stale = True, True

    def keep(self, trusted: int, store: VersionStore, config: AdaptationConfig) -> None:
        """Keeps the version of the number that the safeguard trusts, or forgets one that it no longer trusts: soon, and not in this thread.

        Call it often; a write under way or too short ago is reason to do nothing.
        """
        if not self._active or trusted == self._kept or self._is_busy():
            return
        version = store.kept(trusted)
        if version is None and trusted > self._kept:  # it has left the ring; the next one will do
            return
        self._written = time.monotonic()
        self._writing = threading.Thread(target=self._write, args=(version, config), name="recovery", daemon=True)
        self._writing.start()

    def end(self) -> None:
        """The run ends properly."""
        if self._active:
            self._active = False
            if self._writing is not None:
                self._writing.join(END_TIMEOUT)
            try:
                self._folder.end()
            except RecoveryError as error:
                self._failure = str(error)

    def close(self) -> None:
        """Lets another process have the folder; a run that was not ended counts as crashed."""
        self._active = False
        self._folder.release()

    def _is_busy(self) -> bool:
        return (self._writing is not None and self._writing.is_alive()) or time.monotonic() - self._written < PERIOD

    def _write(self, version: Version | None, config: AdaptationConfig) -> None:
        try:
            if version is None:
                self._path.unlink(missing_ok=True)
            else:
                notes = {_SAVED: datetime.now(timezone.utc).isoformat(timespec="seconds"), _CONFIGURATION: json.dumps(asdict(config))}
                snapshot.save(version, self._path, base_checksum=self._base_checksum, notes=notes)
        except (OSError, CheckpointError) as error:
            self._failure = f"the trusted version cannot be kept: {error}; make room or give another recovery folder"
            return
        self._kept, self._failure = 0 if version is None else version.number, ""

    def _left_by(self, run: UnendedRun, base: Version, config: AdaptationConfig) -> Crash:
        if not self._path.exists():
            return Crash(run=run, refusal="it had not got to a version that the safeguard trusted")
        try:
            notes = snapshot.read_notes(self._path)
            version = snapshot.load(self._path, base=base, base_checksum=self._base_checksum, drift_limit=config.drift_limit)
            adapted_with = parsed_json(notes.get(_CONFIGURATION, ""), source=self._path)
        except CheckpointError as error:
            return Crash(run=run, refusal=str(error))
        changed = _differences(adapted_with, json.loads(json.dumps(asdict(config))))
        if changed:
            return Crash(run=run, refusal=f"its last version was adapted with another configuration: {changed}")
        return Crash(run=run, version=version, saved=notes.get(_SAVED, ""))


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} was {before.get(name)} and is {now.get(name)}" for name in {**before, **now} if before.get(name) != now.get(name)
    )
