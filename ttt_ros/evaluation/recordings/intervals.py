"""Means over correlated frames with 95 % intervals, from blocks of neighbouring frames drawn again and again (Künsch, 1989)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttt_ros.configuration import strict

DRAWS = 4000
"""Percentiles of 2.5 and 97.5 % then rest on a hundred draws each side."""

_TAILS = (2.5, 97.5)

Floats = NDArray[np.float64]


@strict
@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    lower: float
    upper: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.lower > 0 or self.upper < 0


class Blocks:
    """The blocks of a stream; every figure is computed on the same draws of them, so that differences between arms are paired."""

    def __init__(self, stamps: Sequence[Sequence[int]], *, seconds: float, seed: int) -> None:
        """Cuts each episode, given by its frames' ``stamps`` in ns, into blocks of ``seconds``."""
        numbers: list[int] = []
        for episode in stamps:
            first = numbers[-1] + 1 if numbers else 0
            numbers += [first + int((stamp - episode[0]) / (seconds * 1e9)) for stamp in episode]
        self._numbers = np.array(numbers)
        self.count = numbers[-1] + 1
        self._draws = np.random.default_rng(seed).integers(self.count, size=(DRAWS, self.count))

    def mean(self, values: Floats) -> Estimate:
        """The mean of ``values``, shape (frames,), without those that are NaN."""
        sums, counts = self._totals(values)
        return _estimate(sums.sum() / counts.sum(), sums[self._draws].sum(axis=1) / counts[self._draws].sum(axis=1))

    def change(self, values: Floats, reference: Floats) -> Estimate:
        """The relative difference between the means of ``values`` and of ``reference``, on the frames where neither is NaN."""
        known = np.isfinite(values) & np.isfinite(reference)
        sums, _ = self._totals(np.where(known, values, np.nan))
        others, _ = self._totals(np.where(known, reference, np.nan))
        return _estimate(sums.sum() / others.sum() - 1, sums[self._draws].sum(axis=1) / others[self._draws].sum(axis=1) - 1)

    def _totals(self, values: Floats) -> tuple[Floats, Floats]:
        known = np.isfinite(values)
        return self._per_block(np.where(known, values, 0.0)), self._per_block(known.astype(np.float64))

    def _per_block(self, values: Floats) -> Floats:
        sums = np.zeros(self.count)
        np.add.at(sums, self._numbers, values)
        return sums


def _estimate(value: float, draws: Floats) -> Estimate:
    lower, upper = np.percentile(draws, _TAILS)
    return Estimate(value=float(value), lower=float(lower), upper=float(upper))
