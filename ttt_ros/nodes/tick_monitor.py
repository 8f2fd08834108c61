"""Counting the control ticks that were lost."""

from ttt_ros.safeguard.clock import NANOSECONDS


class TickMonitor:
    """Compares the ticks that came with those that were due since the first one.

    A timer keeps its phase: a tick that is late by less than a period is met, one that is not run before the next is due is lost.
    """

    def __init__(self, period: float) -> None:
        """Expects a tick every ``period`` seconds."""
        self._period = round(period * NANOSECONDS)
        self._first = self._last = 0
        self._since_first = 0
        self._missed_earlier = 0
        self.met = 0

    @property
    def missed(self) -> int:
        """Ticks that were due and never came."""
        return self._missed_earlier + self._missed_since_first

    def tick(self, now: int) -> None:
        """Notes a tick at ``now`` (nanoseconds); after a step back of the clock the phase is found anew."""
        if not self.met or now < self._last:
            self._missed_earlier += self._missed_since_first
            self._first, self._since_first = now, 0
        self._last = now
        self._since_first += 1
        self.met += 1

    @property
    def _missed_since_first(self) -> int:
        if not self._since_first:
            return 0
        return max(0, round((self._last - self._first) / self._period) + 1 - self._since_first)
