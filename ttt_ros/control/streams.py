"""Stamps of one sensor stream: order, age and rate."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS

RATE_STAMPS = 30
"""Stamps over which the rate is averaged: one second of a common camera."""


@dataclass(frozen=True, kw_only=True)
class StreamHealth:
    """How a stream does, for diagnostics.

    Attributes:
        name: of the camera, or ``joint_states``.
        age: seconds from the newest stamp to now, None if nothing came yet.
        rate: messages per second by their stamps, None until two came.
        received: messages accepted.
        dropped: messages refused, by reason.
    """

    name: str
    age: float | None
    rate: float | None
    received: int
    dropped: Mapping[str, int]


class StampOrder:
    """Accepts stamps (nanoseconds) of one stream in rising order only and keeps the figures for its health."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stamps: deque[int] = deque(maxlen=RATE_STAMPS)
        self._received = 0
        self._dropped: Counter[str] = Counter()

    def jumps_back(self, stamp: int) -> bool:
        """Whether ``stamp`` is so far before the newest one that the clock must have been restarted."""
        return bool(self._stamps) and stamp < self._stamps[-1] - CLOCK_JUMP

    def accept(self, stamp: int) -> bool:
        """Takes ``stamp`` if it is newer than all before; otherwise counts why not."""
        if self._stamps and stamp <= self._stamps[-1]:
            self._dropped["repeated stamp" if stamp == self._stamps[-1] else "stamp going backwards"] += 1
            return False
        self._stamps.append(stamp)
        self._received += 1
        return True

    def clear(self) -> None:
        """Forgets the stamps and keeps the counts."""
        self._stamps.clear()

    def health(self, now: int) -> StreamHealth:
        """The figures at ``now`` (nanoseconds)."""
        age = (now - self._stamps[-1]) / NANOSECONDS if self._stamps else None
        rate = None
        if len(self._stamps) > 1:
            rate = (len(self._stamps) - 1) * NANOSECONDS / (self._stamps[-1] - self._stamps[0])
        return StreamHealth(name=self.name, age=age, rate=rate, received=self._received, dropped=dict(self._dropped))
