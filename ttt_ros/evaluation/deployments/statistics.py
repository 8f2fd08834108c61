"""Means over deployments with 95 % intervals, from robots drawn again and again (cluster bootstrap, paired between arms).

A robot is drawn by a seed, the same for every arm and condition, so the seed is what is drawn anew: goals of one deployment and
deployments of one robot go together (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). Every arm is computed on the same
draws, so that differences and ratios between arms are paired.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ttt_ros import configuration
from ttt_ros.evaluation.run_record import Count

DRAWS = 4000
"""Percentiles of 2.5 and 97.5 % then rest on a hundred draws each side."""

FEWEST_SEEDS = 5
"""With fewer robots there are too few ways to draw them anew, and an interval would look narrower than it is."""

_TAILS = (2.5, 97.5)

Floats = NDArray[np.float64]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its 95 % interval; no interval (None) where there are fewer than FEWEST_SEEDS robots or a ratio has no bounded one.

    ``deployments`` is how many of each arm the figure rests on.
    """

    value: float
    lower: float | None
    upper: float | None
    deployments: Count


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What a set of arms did on the same deployments.

    Attributes:
        seeds: of the robots, ascending.
        values: float64 (seeds, conditions, goals) by arm; NaN where that robot was not run in that condition.
    """

    seeds: tuple[int, ...]
    values: Mapping[str, Floats]

    def arms(self) -> tuple[str, ...]:
        """Names of the arms."""
        return tuple(self.values)

    def part(self, start: float, end: float) -> "Sample":
        """The goals from the share ``start`` to the share ``end`` of the run, both 0 to 1."""
        goals = next(iter(self.values.values())).shape[-1]
        span = slice(round(start * goals), round(end * goals))
        return Sample(seeds=self.seeds, values={arm: values[..., span] for arm, values in self.values.items()})


class Bootstrap:
    """Means of a sample's arms over robots drawn anew, all arms on the same draws."""

    def __init__(self, sample: Sample, *, draws: int = DRAWS) -> None:
        """Draws the robots ``draws`` times, the same for the same number of robots."""
        seeds = len(sample.seeds)
        self._sample = sample
        self._counts = _counts(seeds, draws)

    def mean(self, arm: str) -> Estimate:
        """The mean of one arm over its deployments."""
        return self._estimate(self._means(arm))

    def difference(self, arm: str, other: str) -> Estimate:
        """The mean of ``arm`` minus that of ``other``, paired."""
        return self._estimate(self._means(arm) - self._means(other))

    def gap_closed(self, arm: str, *, floor: str, ceiling: str) -> Estimate | None:
        """(arm - floor) / (ceiling - floor), paired; None where ceiling is not above floor.

        The interval is left out if in more than 2.5 % of the draws there is no gap to close.
        """
        low, high = self._means(floor), self._means(ceiling)
        gap = high - low
        if gap[0] <= 0:
            return None
        closed = np.divide(self._means(arm) - low, gap, out=np.full_like(gap, np.nan), where=gap > 0)
        bounded = np.isnan(closed).mean() <= _TAILS[0] / 100
        return self._estimate(closed, bounded=bool(bounded))

    def by_goal(self, arm: str, *, bins: int) -> tuple[Estimate, ...]:
        """The mean of one arm in each of ``bins`` equal parts of the run, in order."""
        goals = self._sample.values[arm].shape[-1]
        edges = np.linspace(0, goals, min(bins, goals) + 1).round().astype(int)
        parts = [self._sample.values[arm][..., start:end] for start, end in itertools.pairwise(edges)]
        return tuple(self._estimate(self._means_of(part)) for part in parts)

    def _means(self, arm: str) -> Floats:
        return self._means_of(self._sample.values[arm])

    def _means_of(self, values: Floats) -> Floats:
        """The mean over deployments, first as they were and then in every draw: float64 (1 + draws,)."""
        goals = (~np.isnan(values)).sum(axis=-1)
        there = goals > 0
        deployments = np.divide(np.nansum(values, axis=-1), goals, out=np.zeros(goals.shape), where=there)
        sums, counts = deployments.sum(axis=1), there.sum(axis=1)
        drawn = self._counts @ counts
        means: Floats = np.divide(self._counts @ sums, drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
        return means

    def _estimate(self, means: Floats, *, bounded: bool = True) -> Estimate:
        any_arm = next(iter(self._sample.values.values()))
        enough = bounded and len(self._sample.seeds) >= FEWEST_SEEDS and len(means) > 1
        lower, upper = (float(tail) for tail in np.nanpercentile(means[1:], _TAILS)) if enough else (None, None)
        deployments = int((~np.isnan(any_arm).all(axis=-1)).sum())
        return Estimate(value=float(means[0]), lower=lower, upper=upper, deployments=deployments)


@lru_cache(maxsize=16)
def _counts(seeds: int, draws: int) -> Floats:
    """How often each of the robots is in each draw, float64 (1 + draws, seeds); the first row is the sample itself."""
    drawn = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    return np.concatenate([np.ones((1, seeds)), drawn])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Estimate | None:
    """Spearman's rank correlation over pairs with a 95 % interval from pairs drawn anew; None if either does not vary."""
    pairs = np.array([first, second])
    if pairs.shape[1] < FEWEST_SEEDS or np.ptp(pairs, axis=1).min() == 0:
        return None
    random = np.random.default_rng(0)
    drawn = [pairs[:, random.integers(pairs.shape[1], size=pairs.shape[1])] for _ in range(DRAWS // 4)]
    found = [_correlation_of_ranks(each) for each in drawn if np.ptp(each, axis=1).min() > 0]
    lower, upper = (float(tail) for tail in np.percentile(found, _TAILS))
    return Estimate(value=_correlation_of_ranks(pairs), lower=lower, upper=upper, deployments=pairs.shape[1])


def _correlation_of_ranks(pairs: Floats) -> float:
    return float(np.corrcoef([_ranks(values) for values in pairs])[0, 1])


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places], dtype=np.float64)
