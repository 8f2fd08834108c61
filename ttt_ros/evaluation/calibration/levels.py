"""The level of a run: where a rule's limit would have to lie for the rule not to trip in it."""

import bisect
import math
import sys
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.safeguard.rules import Rule

NOT_FINITE = sys.float_info.max
"""Stands for a reading that is not finite, which violates every limit."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a rule decides about its level; fields as in ``Rule``."""

    signal: str
    direction: Literal["above", "below"]
    trips: Annotated[int, Field(ge=1)]
    of_last: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, rule: Rule) -> "Shape":
        """That of ``rule``."""
        return cls(signal=rule.signal, direction=rule.direction, trips=rule.trips, of_last=rule.of_last)

    @property
    def sign(self) -> float:
        """1 or -1: times a value, greater is worse."""
        return 1.0 if self.direction == "above" else -1.0

    def is_beyond(self, level: float, limit: float) -> bool:
        """Whether ``level`` violates ``limit``."""
        return self.sign * level > self.sign * limit


class AlarmLevel:
    """Largest over time of the ``trips``-th largest of the last ``of_last`` readings; smallest for a rule on readings below its limit.

    A rule that watches a run from its start trips in it if and only if the level lies beyond its limit.
    """

    def __init__(self, shape: Shape) -> None:
        """Begins with no readings."""
        self._shape = shape
        self._last: deque[float] = deque()
        self._sorted: list[float] = []
        self._worst = -math.inf
        self.readings = 0

    def observe(self, value: float) -> None:
        """Takes the next reading."""
        severity = self._shape.sign * value if math.isfinite(value) else NOT_FINITE
        self.readings += 1
        if len(self._last) == self._shape.of_last:
            del self._sorted[bisect.bisect_left(self._sorted, self._last.popleft())]
        self._last.append(severity)
        bisect.insort(self._sorted, severity)
        if len(self._sorted) >= self._shape.trips:
            self._worst = max(self._worst, self._sorted[-self._shape.trips])

    @property
    def level(self) -> float | None:
        """In the signal's unit; None before there were enough readings to trip."""
        return None if math.isinf(self._worst) else self._shape.sign * self._worst
