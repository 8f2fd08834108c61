"""What the robot was told after each observation, step by step, as a chunk for the same instants would say it."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttt_ros.control.schedule import Positions
from ttt_ros.safeguard.clock import NANOSECONDS


@dataclass(frozen=True, kw_only=True, eq=False)
class Commanded:
    """The commands after an observation.

    Attributes:
        stamp: of the observation, ns.
        positions: float64, (horizon, joints); None where the bag does not hold all of them.
        standing: the command in force at the observation, (joints,); None like ``positions``.
    """

    stamp: int
    positions: NDArray[np.float64] | None = None
    standing: Positions | None = None


class CommandTrack:
    """Keeps commands until the horizon of every observation asked for is over; each holds until the next (zero-order hold).

    Step i is meant for the observation's stamp plus i periods. In open loop the robot was at rest and may have waited for its chunk, so
    there step 0 is the first command that differs from the one in force at the observation.
    """

    def __init__(self, *, horizon: int, period: float, open_loop: bool) -> None:
        """Nothing is kept before the first ``add``; ``period`` in seconds."""
        self._offsets = np.arange(horizon) * round(period * NANOSECONDS)
        self._open_loop = open_loop
        self._times: deque[int] = deque()
        self._positions: deque[Positions] = deque()
        self._asked: deque[int] = deque()
        self._void: list[int] = []

    def add(self, now: int, positions: Positions) -> None:
        """Takes a command, (joints,), that came at ``now``, ns; after a clock that was set back all before it is void."""
        if self._times and now < self._times[-1]:
            self._times.clear()
            self._positions.clear()
            self._void += self._asked
            self._asked.clear()
        self._times.append(now)
        self._positions.append(positions)

    def ask(self, stamp: int) -> None:
        """Wants to know what was commanded after the observation at ``stamp``, ns."""
        self._asked.append(stamp)

    def answered(self, now: int) -> list[Commanded]:
        """Those whose horizon is over at ``now``, in the order in which they were asked for, and those that are void.

        An open-loop movement that never began is given up when the next one is asked for.
        """
        answers = [Commanded(stamp=stamp) for stamp in self._void]
        self._void.clear()
        while self._asked:
            start = self._start(self._asked[0])
            if start is None and len(self._asked) == 1:
                break
            if start is not None and now <= start + self._offsets[-1]:
                break
            answers.append(self._answer(self._asked.popleft(), start))
        self._forget(now)
        return answers

    def rest(self) -> list[Commanded]:
        """Those still open at the end of the bag, whose commands it does not hold."""
        return [Commanded(stamp=stamp) for stamp in (*self._void, *self._asked)]

    def _start(self, stamp: int) -> int | None:
        if not self._open_loop:
            return stamp
        first = int(np.searchsorted(np.array(self._times), stamp, side="right"))
        for index in range(max(first, 1), len(self._times)):
            if not np.array_equal(self._positions[index], self._positions[index - 1]):
                return self._times[index]
        return None

    def _answer(self, stamp: int, start: int | None) -> Commanded:
        if start is None or not self._times or self._times[0] > stamp:
            return Commanded(stamp=stamp)
        standing, *newest = np.searchsorted(np.array(self._times), [stamp, *(start + self._offsets)], side="right") - 1
        return Commanded(stamp=stamp, positions=np.stack([self._positions[index] for index in newest]), standing=self._positions[standing])

    def _forget(self, now: int) -> None:
        """Keeps what an observation that is asked for, or one that may still be, can need: a horizon, and the command before it."""
        oldest = min(self._asked[0] if self._asked else now, now - int(self._offsets[-1]))
        while len(self._times) > 1 and self._times[1] <= oldest:
            self._times.popleft()
            self._positions.popleft()
