"""Percentiles of a latency over a sliding window, and the deadlines that it missed."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ttt_ros.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """Latencies of the last ``count`` events; percentiles are latencies that did occur, the higher neighbour where between two.

    Attributes:
        p50: seconds.
        p99: seconds.
        max: seconds.
        p50_steps: in control periods.
        p99_steps: in control periods.
        count: events in the window.
        deadline_misses: events over the deadline since the start, not only in the window.
    """

    p50: float
    p99: float
    max: float
    p50_steps: float
    p99_steps: float
    count: int
    deadline_misses: int


class LatencyWindow:
    """Keeps the last ``size`` latencies."""

    def __init__(self, *, size: int, period: float, deadline: float) -> None:
        """Sets the window.

        Args:
            size: latencies kept.
            period: seconds of one control step.
            deadline: seconds beyond which a latency is a miss.

        Raises:
            ConfigurationError: one of them is not positive.
        """
        for name, value in (("size", size), ("period", period), ("deadline", deadline)):
            if not value > 0:
                raise ConfigurationError(f"{name} {value:g} of a latency window must be positive")
        self._latencies: deque[float] = deque(maxlen=size)
        self._period = period
        self._deadline = deadline
        self._deadline_misses = 0

    def add(self, latency: float) -> None:
        """Takes one latency in seconds; one that is not a number counts as a miss and would show in the percentiles."""
        self._latencies.append(latency)
        if not latency <= self._deadline:
            self._deadline_misses += 1

    def summary(self) -> LatencySummary | None:
        """The figures of the window, None while it is empty."""
        if not self._latencies:
            return None
        p50, p99, highest = (float(value) for value in np.percentile(self._latencies, (50, 99, 100), method="higher"))
        return LatencySummary(
            p50=p50,
            p99=p99,
            max=highest,
            p50_steps=p50 / self._period,
            p99_steps=p99 / self._period,
            count=len(self._latencies),
            deadline_misses=self._deadline_misses,
        )
