"""How much memory the process has, and how fast that grows."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttt_ros.configuration import strict
from ttt_ros.errors import RecordingError

_ROLLUP = Path("/proc/self/smaps_rollup")
_PRIVATE = ("Private_Clean:", "Private_Dirty:")
_KIBIBYTE = 1024
MEBIBYTE = 1024 * 1024

WARM_UP = 0.2
"""Share of the run that the memory gets to settle before its slope counts."""

FEWEST = 20_000
"""Chunks of a run whose slope tells anything: caches and the allocator settle within the first thousands."""

LIMIT = 1.0
"""MiB per 100,000 chunks: a robot that asks for a chunk each second would take 300 MiB a year."""

_STANDARD_DEVIATIONS = 1.96
"""Half-width of a 95 % interval of a normal distribution."""


def private_memory() -> int:
    """Bytes that belong to this process alone (USS): pages that it shares with others come and go with those.

    Raises:
        RecordingError: the kernel does not tell.
    """
    try:
        lines = [line.split() for line in _ROLLUP.read_text(encoding="ascii").splitlines()]
    except OSError as error:
        raise RecordingError(f"{_ROLLUP} cannot be read ({error.strerror}); a soak measures memory on Linux from 4.14 on") from None
    return sum(int(line[1]) for line in lines if line[0] in _PRIVATE) * _KIBIBYTE


@strict
@dataclass(frozen=True, kw_only=True)
class Slope:
    """MiB per 100,000 chunks, with a 95 % interval."""

    value: float
    lower: float
    upper: float

    @property
    def is_leak(self) -> bool:
        """Whether the memory grows faster than LIMIT for certain."""
        return self.lower > LIMIT

    def __str__(self) -> str:
        return f"{self.value:+.2f} MiB per 100,000 chunks ({self.lower:+.2f} to {self.upper:+.2f})"


def slope(chunks: NDArray[np.float64], memory: NDArray[np.float64]) -> Slope:
    """The median of the slopes between all pairs of samples, with Sen's interval from Kendall's statistic (Theil, 1950; Sen, 1968).

    Steps, as an allocator takes memory, do not disturb it as they would a fit of squares. The interval counts samples as
    independent; neighbouring ones are not, so it is rather too narrow.

    Args:
        chunks: at each sample.
        memory: bytes.
    """
    first, second = np.triu_indices(len(chunks), k=1)
    slopes = np.sort((memory[second] - memory[first]) / (chunks[second] - chunks[first])) * 100_000 / MEBIBYTE
    count = len(chunks)
    half = _STANDARD_DEVIATIONS * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lower, upper = (round((len(slopes) + sign * half) / 2) for sign in (-1, 1))
    return Slope(value=float(np.median(slopes)), lower=float(slopes[max(lower - 1, 0)]), upper=float(slopes[min(upper, len(slopes) - 1)]))
