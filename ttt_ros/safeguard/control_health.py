"""What the policy node says of itself, as readings."""

import math
from dataclasses import dataclass

from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS
from ttt_ros.safeguard.signals import ADAPTATION_BUSY, CONTROL_JITTER, POLICY_AGE, QUEUE_DEPTH, UNDERRUNS, Reading


@dataclass(frozen=True, kw_only=True)
class ControlHealth:
    """One control status.

    Attributes:
        jitter: seconds.
        underruns: share of ticks.
        busy: seconds on the present window; infinite if the adaptation thread does not work any more.
        queue_depth: windows that wait.
    """

    jitter: float
    underruns: float
    busy: float
    queue_depth: int


class ControlMonitor:
    """Keeps the last control status; before the first there are no readings. Instants are nanoseconds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Waits for the first status anew."""
        self._health: ControlHealth | None = None
        self._heard = 0

    def heard(self, health: ControlHealth, now: int) -> None:
        """Takes a status that arrived at ``now``."""
        self._health, self._heard = health, now

    def readings(self, now: int) -> tuple[Reading, ...]:
        """The age of the last status and what it said; after a step back of the clock it is waited for anew."""
        if now < self._heard - CLOCK_JUMP:
            self.forget()
        if self._health is None:
            return ()
        health = self._health
        return (
            Reading(signal=POLICY_AGE.name, value=max(0, now - self._heard) / NANOSECONDS),
            Reading(signal=CONTROL_JITTER.name, value=health.jitter),
            Reading(signal=UNDERRUNS.name, value=health.underruns),
            Reading(signal=ADAPTATION_BUSY.name, value=health.busy if math.isfinite(health.busy) else math.inf),
            Reading(signal=QUEUE_DEPTH.name, value=float(health.queue_depth)),
        )
