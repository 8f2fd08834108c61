"""How the control loop and the adaptation thread of a session do."""

import math
import time

from ttt_ros.control.session import Session
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.control_health import ControlHealth

CONTROL_STATUS_PERIOD = 0.1
"""Seconds between two takings of a policy node."""


class ControlHealthMeter:
    """Measures between one taking and the next."""

    def __init__(self, session: Session, period: float) -> None:
        """Watches ``session``, whose control ticks are ``period`` seconds apart."""
        self._session = session
        self._period = period
        self._last: int | None = None
        self._jitter = 0.0
        self._ticks = 0
        self._underruns_before = self._underruns

    def ticked(self, now: int) -> None:
        """Notes a control tick at ``now`` (nanoseconds)."""
        if self._last is not None and now > self._last:
            self._jitter = max(self._jitter, (now - self._last) / NANOSECONDS - self._period)
        self._last = now
        self._ticks += 1

    def taken(self) -> ControlHealth:
        """What was measured since the last taking."""
        adaptation = self._session.adaptation
        busy_since = adaptation.busy_since
        busy = 0.0 if busy_since is None else time.monotonic() - busy_since
        underruns = self._underruns - self._underruns_before
        health = ControlHealth(
            jitter=self._jitter,
            underruns=underruns / self._ticks if self._ticks else 0.0,
            busy=busy if adaptation.alive and not adaptation.halted else math.inf,
            queue_depth=adaptation.waiting,
        )
        self._begin()
        return health

    def _begin(self) -> None:
        self._jitter = 0.0
        self._ticks = 0
        self._underruns_before = self._underruns

    @property
    def _underruns(self) -> int:
        return self._session.schedule.counts.get("underrun", 0)
