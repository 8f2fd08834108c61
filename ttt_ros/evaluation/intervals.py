"""Means over correlated frames with 95 % intervals, from blocks of neighbouring frames drawn again and again (Künsch, 1989)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttt_ros.configuration import strict

DRAWS = 4000
"""Percentiles of 2.5 and 97.5 % then rest on a hundred draws each side."""

_TAILS = (2.5, 97.5)
_AT_ONCE = 1_000_000  # numbers of blocks in memory; a hundred hours of blocks of 5 s would take 2 GB

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
        """Cuts each episode, given by its frames' ``stamps`` in ns, into blocks of ``seconds``; a block without a frame is none."""
        numbers: list[int] = []
        for episode in stamps:
            first = numbers[-1] + 1 if numbers else 0
            numbers += [first + int((stamp - episode[0]) / (seconds * 1e9)) for stamp in episode]
        kept, self._numbers = np.unique(np.array(numbers, dtype=np.int64), return_inverse=True)
        self.count = len(kept)
        self._seed = seed

    def known(self, values: Floats) -> NDArray[np.int64]:
        """How many blocks hold a value that is not NaN, for each column of ``values``, shape (frames, columns)."""
        held: NDArray[np.int64] = np.count_nonzero(self._per_block(np.isfinite(values).astype(np.float64)), axis=0)
        return held

    def mean(self, values: Floats) -> Estimate:
        """The mean of ``values``, shape (frames,), without those that are NaN."""
        return self.means(values[:, None])[0]

    def means(self, values: Floats) -> tuple[Estimate, ...]:
        """The mean of each column of ``values``, shape (frames, columns), without those that are NaN; none may be NaN throughout."""
        return self._ratios(values, np.where(np.isfinite(values), 1.0, np.nan))

    def change(self, values: Floats, reference: Floats) -> Estimate:
        """The relative difference between the means of ``values`` and of ``reference``, on the frames where neither is NaN."""
        (ratio,) = self._ratios(values[:, None], reference[:, None])
        return Estimate(value=ratio.value - 1, lower=ratio.lower - 1, upper=ratio.upper - 1)

    def _ratios(self, values: Floats, reference: Floats) -> tuple[Estimate, ...]:
        """The sum of each column of ``values`` over that of ``reference``, on the frames where neither is NaN."""
        known = np.isfinite(values) & np.isfinite(reference)
        above, below = (self._per_block(np.where(known, each, 0.0)) for each in (values, reference))
        drawn = [(counts @ above, counts @ below) for counts in self._draws()]
        over, under = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        whole = above.sum(axis=0) / below.sum(axis=0)
        return tuple(_estimate(*column) for column in zip(whole, over.T, under.T, strict=True))

    def _draws(self) -> Iterator[Floats]:
        """The same DRAWS draws whenever asked, some at a time: how often each block was drawn, shape (draws, blocks)."""
        random = np.random.default_rng(self._seed)
        rows = max(1, _AT_ONCE // self.count)
        for start in range(0, DRAWS, rows):
            drawn = random.integers(self.count, size=(min(rows, DRAWS - start), self.count))
            cells = drawn + self.count * np.arange(len(drawn))[:, None]
            yield np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)

    def _per_block(self, values: Floats) -> Floats:
        sums = np.zeros((self.count, *values.shape[1:]))
        np.add.at(sums, self._numbers, values)
        return sums


def _estimate(value: float, over: Floats, under: Floats) -> Estimate:
    held = under != 0  # where most blocks hold nothing, some draws hold nothing at all, and say nothing about the ratio
    lower, upper = np.percentile(over[held] / under[held], _TAILS)
    return Estimate(value=float(value), lower=float(lower), upper=float(upper))
