"""The learner of a journal, run again on the same windows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttt_ros import configuration
from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import JournalContents
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.thread import torch_threads
from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.adaptation.window import Window
from ttt_ros.errors import JournalError
from ttt_ros.policies.protocol import Policy


class _Store(VersionStore):
    """Commits nothing while ``closed``, as after a reset in the middle of a step."""

    closed = False

    def enter(self, epoch: int, number: int) -> None:
        """Goes back to version ``number`` if ``epoch`` is later than this one: once, since more often would change nothing."""
        if self._epoch < epoch:
            self._epoch = epoch - 1
            self.restore(number)

    def commit(self, version: Version, epoch: int) -> bool:
        return not self.closed and super().commit(version, epoch)


class Replay:
    """Starts each window where the journal says that it was started, and lets the learner decide the rest."""

    def __init__(self, contents: JournalContents, policy: Policy, *, initial_weights: Path | None) -> None:
        """Begins as the recorded run did.

        Raises:
            CheckpointError: see ``snapshot.load``.
            JournalError: the journal is of another policy.
            AdaptationError: the policy cannot be adapted.
        """
        start = contents.start
        if start["base_checksum"] != policy.checksum:
            raise JournalError(f"the journal is of policy {start['base_checksum']:.12}, not of {policy.checksum:.12}; give that policy")
        records = (start, *(record for record in contents.records if record["kind"] == "configuration"))
        self._configurations = [
            configuration.validated(AdaptationConfig, record["configuration"], source="the journal's configuration") for record in records
        ]
        first = self._configurations[0]
        self._store = _Store(policy.base_fast_weights(), modules=policy.fast_modules(), size=first.versions)
        self._learner = Learner(policy, first, self._store)
        self._given: Sequence[Version] = [self._store.base]
        if initial_weights is not None:
            self._given = [
                self._store.base,
                snapshot.load(initial_weights, base=self._store.base, base_checksum=policy.checksum, drift_limit=first.drift_limit),
            ]
        self._numbers = {0: 0}

    @property
    def current(self) -> Version:
        """The version in force."""
        return self._store.current

    @property
    def base(self) -> Version:
        """Version 0."""
        return self._store.base

    def adapt(self, window: Window, record: Mapping[str, Any]) -> WindowReport:
        """What becomes of a window now, of which the journal has ``record``.

        Version numbers may differ from those in the journal, since a version that no window was begun from is left out.

        Raises:
            JournalError: the window was begun from weights, or with a configuration, that are not known.
        """
        if record["version_before"] is None:  # ended or broken off before a step: it changed nothing
            return self._learner.refuse(window, epoch=record["epoch"], reason=record["reason"])
        self._begin_from(record)
        if self._learner.config is not (config := self._configuration_of(record)):
            self._learner.config = config
        self._store.closed = not record["committed"]
        with torch_threads(1):
            report = self._learner.adapt(window, epoch=self._store.epoch, permitted=record["permitted"])
        self._store.closed = False
        if report.committed:
            self._numbers[record["version"]] = report.version
        return report

    def _configuration_of(self, record: Mapping[str, Any]) -> AdaptationConfig:
        number: int = record["configuration"]
        if number >= len(self._configurations):
            raise JournalError(
                f"window {record['window_sequence']} was begun with configuration {number}, but the journal holds "
                f"{len(self._configurations)}, numbered from 0; a record of them is missing"
            )
        return self._configurations[number]

    def _begin_from(self, record: Mapping[str, Any]) -> None:
        number: int = record["version_before"]
        self._store.enter(record["epoch"], self._numbers.get(number, 0))
        if number not in self._numbers:
            self._numbers[number] = self._commit_given(record)
        if self._store.current.number != self._numbers[number]:
            raise JournalError(
                f"window {record['window_sequence']} was begun from version {number}, "
                f"which the windows before it do not lead to; a record of them is missing"
            )

    def _commit_given(self, record: Mapping[str, Any]) -> int:
        checksum: str = record["checksum_before"]
        given = next((version for version in self._given if version.checksum == checksum), None)
        if given is None:
            raise JournalError(
                f"window {record['window_sequence']} was begun from weights {checksum:.12}, which no window before it led to; "
                "give the snapshot that the run began with as --initial-weights"
            )
        version = replace(given, number=self._store.next_number)
        self._store.commit(version, self._store.epoch)
        return version.number
