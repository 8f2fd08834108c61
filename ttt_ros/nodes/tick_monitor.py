"""Counting the control ticks that came in time."""

from ttt_ros.safeguard.clock import NANOSECONDS


class TickMonitor:
    """A tick is met if it runs before the next one is due; a timer that is late by whole periods has missed as many."""

    def __init__(self, period: float) -> None:
        """Expects a tick every ``period`` seconds."""
        self._period = round(period * NANOSECONDS)
        self._last: int | None = None
        self.met = 0
        self.missed = 0

    def tick(self, now: int) -> None:
        """Notes a tick at ``now`` (nanoseconds)."""
        if self._last is not None and now > self._last:
            # Timers keep their phase: between two ticks in time lie less than two periods, whatever the jitter of each.
            self.missed += max(0, round((now - self._last) / self._period) - 1)
        self.met += 1
        self._last = now
