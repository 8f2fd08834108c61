"""Versions of the fast weights, kept like rows of a database: written once, swapped by one reference, taken back in one step."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ttt_ros.errors import AdaptationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.transition import FastWeights


@dataclass(frozen=True, kw_only=True, eq=False)
class Version:
    """One state of the fast weights and of the optimiser; its tensors are never modified in place.

    Attributes:
        number: never used twice by a store; 0 is the base.
        weights: the fast parameters by name, float32.
        momentum: the optimiser's buffers by parameter name; empty before the first step with momentum.
        precision: the preconditioner's second moments by parameter name, (columns, columns); empty before the first step with a ridge.
        checksum: ``tensor_checksum`` of ``weights``.
        drift_total: ||w - w0|| / ||w0|| over all fast parameters.
        drift_per_module: the same for each module.
    """

    number: int
    weights: FastWeights
    momentum: FastWeights
    precision: FastWeights
    checksum: str
    drift_total: float
    drift_per_module: Mapping[str, float]


class VersionStore:
    """The base, the current version and a ring of the last committed ones.

    ``current`` and ``epoch`` are single references, read without a lock. The lock orders the writers (commits of the
    adaptation thread, resets of a service call) and is held for a few pointer moves only.

    Every reset, rollback, restore, adoption and voiding begins a new epoch. A step is begun in an epoch and can be committed in no other,
    so nothing that was computed from withdrawn weights can land after the withdrawal.
    """

    def __init__(self, base: FastWeights, *, modules: Sequence[str], size: int) -> None:
        """Keeps ``base`` as version 0 and up to ``size`` committed versions; ``modules`` as in ``Policy.fast_modules``.

        Raises:
            AdaptationError: there is nothing to adapt.
        """
        if not base or not modules:
            raise AdaptationError(
                f"the policy names {len(base)} fast parameters in {len(modules)} modules; adapting needs at least one of each"
            )
        self._base = Version(
            number=0,
            weights=base,
            momentum={},
            precision={},
            checksum=tensor_checksum(base),
            drift_total=0.0,
            drift_per_module=dict.fromkeys(modules, 0.0),
        )
        self._lock = threading.Lock()
        self._ring: deque[Version] = deque(maxlen=size)
        self._current = self._base
        self._last_number = 0
        self._epoch = 0

    @property
    def base(self) -> Version:
        """Version 0: the policy as it was trained."""
        return self._base

    @property
    def current(self) -> Version:
        """The version in force."""
        return self._current

    @property
    def epoch(self) -> int:
        """How many resets, rollbacks, restores, adoptions and voidings there were."""
        return self._epoch

    @property
    def next_number(self) -> int:
        """The smallest number that a version to be committed may have."""
        return self._last_number + 1

    def kept(self, number: int) -> Version | None:
        """The committed version of that number, None if it was taken back, has left the ring or never was."""
        with self._lock:
            return next((version for version in self._ring if version.number == number), None)

    def commit(self, version: Version, epoch: int) -> bool:
        """Puts ``version`` in force, unless ``epoch``, in which its step was begun, has ended; says whether it did.

        Raises:
            AdaptationError: the version's number was given before.
        """
        with self._lock:
            if epoch != self._epoch:
                return False
            if version.number <= self._last_number:
                raise AdaptationError(f"version {version.number} was given before; the next free number is {self._last_number + 1}")
            self._last_number = version.number
            self._ring.append(version)
            self._current = version
            return True

    def rollback(self) -> Version:
        """Takes the current version back and returns the one before it, or the base when the ring is empty."""
        with self._lock:
            if self._ring:
                self._ring.pop()
            return self._begin_epoch()

    def restore(self, number: int) -> Version:
        """Goes back to the newest kept version whose number is at most ``number``, or to the base."""
        with self._lock:
            while self._ring and self._ring[-1].number > number:
                self._ring.pop()
            return self._begin_epoch()

    def adopt(self, version: Version) -> Version:
        """Begins an epoch with a version from elsewhere, under a new number; those kept so far stay behind it."""
        with self._lock:
            self._last_number += 1
            self._ring.append(replace(version, number=self._last_number))
            return self._begin_epoch()

    def void(self) -> Version:
        """Keeps the version in force, but no step that was begun before can be committed any more."""
        with self._lock:
            return self._begin_epoch()

    def reset(self) -> Version:
        """Goes back to the base and forgets all other versions."""
        with self._lock:
            self._ring.clear()
            return self._begin_epoch()

    def _begin_epoch(self) -> Version:
        self._epoch += 1
        self._current = self._ring[-1] if self._ring else self._base
        return self._current
