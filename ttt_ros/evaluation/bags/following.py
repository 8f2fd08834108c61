"""How the joints of a recording followed their commands, by linear regression of what was measured on what was commanded."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.evaluation.bags.examination import Following

_LONGEST_DELAY = 0.5
"""Seconds: a command that shows later than this is another failure than delay."""

_LEAST_MOTION = 0.02
"""Standard deviation, rad or m, below which a joint did not move enough to say anything."""

_CLEARLY = 0.2
"""Share of the variance by which another joint's commands must explain a motion better to say that two are exchanged."""

_LEAST_SAMPLES = 30

Table = NDArray[np.float64]


def following(commanded: Table, measured: Table, *, names: tuple[str, ...], period: float) -> tuple[Following, ...]:
    """Compares two tables (ticks, joints) of positions, one row for each ``period`` seconds; rows with NaN do not count."""
    return tuple(_joint(index, commanded, measured, names=names, period=period) for index in range(len(names)))


def _joint(index: int, commanded: Table, measured: Table, *, names: tuple[str, ...], period: float) -> Following:
    nothing = Following(joint=names[index], gain=None, delay=None, explained=None, follows=names[index])
    seen = measured[np.isfinite(measured[:, index]), index]
    if not len(seen) or seen.std() < _LEAST_MOTION or np.isnan(commanded).all():
        return nothing
    steps = round(_LONGEST_DELAY / period)
    found = {
        other: max((_regressed(commanded[:, other], measured[:, index], delay) for delay in range(steps + 1)), key=lambda each: each[1])
        for other in range(len(names))
    }
    gain, explained, delay = found[index]
    best = max(found, key=lambda other: found[other][1])
    exchanged = found[best][1] > explained + _CLEARLY
    if not exchanged and explained == 0.0:
        return nothing
    return Following(
        joint=names[index],
        gain=float(gain),
        delay=float(delay * period),
        explained=float(explained),
        follows=names[best] if exchanged else names[index],
    )


def _regressed(commanded: Table, measured: Table, delay: int) -> tuple[float, float, int]:
    """Slope of the measured on the commanded positions ``delay`` ticks before, share of variance that it explains, and the delay."""
    told, seen = commanded[: max(0, len(commanded) - delay)], measured[delay:]
    known = np.isfinite(told) & np.isfinite(seen)
    if known.sum() < _LEAST_SAMPLES:
        return 0.0, 0.0, delay
    told, seen = told[known] - told[known].mean(), seen[known] - seen[known].mean()
    power = float(told @ told)
    if power < len(told) * _LEAST_MOTION**2 or not float(seen @ seen):
        return 0.0, 0.0, delay
    slope = float(told @ seen) / power
    return slope, min(1.0, max(0.0, slope * float(told @ seen) / float(seen @ seen))), delay
