"""From the levels of clean runs to the limit that is crossed as often as stated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ttt_ros import configuration

FEWEST_LEVELS = 20
"""With fewer distinct levels nothing is fitted, and the limit is the largest level seen. Levels of five to eight runs of the shipped policy
gave limits that were crossed one to ten times an hour instead of once in ten."""

MOST_SHAPE = 0.5
"""Below -0.5 maximum likelihood is no regular estimator (Smith 1985, in Coles 3.3.1), above 0.5 a level would have no variance."""

_SIGNIFICANT = float(stats.chi2.isf(0.05, 1))

Floats = NDArray[np.float64]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A limit for a rule on readings above it; one on readings below is proposed on their negatives.

    Attributes:
        limit: where the fitted distribution is exceeded as often as stated, or the largest level seen if that is greater.
        shape: of the generalised extreme value distribution, xi in Coles 2001: above 0 without an end; None if nothing was fitted.
    """

    limit: float
    shape: float | None


def proposed(levels: Sequence[float], *, exceeded: float) -> Proposal:
    """The limit that the level of a run exceeds with the probability ``exceeded``.

    A level is the largest of many dependent readings, so levels of runs of one length follow a generalised extreme value distribution
    (Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, chapter 3). It is fitted by maximum likelihood, with a shape
    within MOST_SHAPE. With few runs the shape is hardly known: unless a likelihood ratio test at 5 % asks for one (Coles, 3.3.2), it is
    that of Gumbel, 0.
    """
    seen = np.array(levels, dtype=np.float64)
    greatest = float(seen.max())
    if len(np.unique(seen)) < max(FEWEST_LEVELS, len(seen) / 2):
        return Proposal(limit=greatest, shape=None)
    centre, scale = float(np.median(seen)), float(seen.std())
    standard = (seen - centre) / scale
    gumbel = (0.0, *stats.gumbel_r.fit(standard))
    free = _fitted(standard)
    shaped = _log_likelihood(standard, free) - _log_likelihood(standard, gumbel) > _SIGNIFICANT / 2
    chosen = free if shaped else gumbel
    limit = centre + scale * float(stats.genextreme.isf(exceeded, *chosen))
    return Proposal(limit=max(limit, greatest) if math.isfinite(limit) else greatest, shape=-float(chosen[0]))


def _fitted(values: Floats) -> tuple[float, ...]:
    """Shape (minus xi), location and scale."""
    free: tuple[float, ...] = stats.genextreme.fit(values)
    if abs(free[0]) <= MOST_SHAPE:
        return free
    fixed: tuple[float, ...] = stats.genextreme.fit(values, f0=math.copysign(MOST_SHAPE, free[0]))
    return fixed


def _log_likelihood(values: Floats, parameters: tuple[float, ...]) -> float:
    return float(stats.genextreme.logpdf(values, *parameters).sum())
