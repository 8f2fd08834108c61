"""A rate from a count."""

from dataclasses import dataclass

from scipy import stats

from ttt_ros import configuration

CONFIDENCE = 0.95


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Rate:
    """Events per hour, with the exact interval of a Poisson count (Garwood, Biometrika 1936).

    Attributes:
        count: of events.
        hours: in which they were counted.
        value: per hour.
        lower: end of the 95 % interval, per hour.
        upper: likewise.
    """

    count: int
    hours: float
    value: float
    lower: float
    upper: float


def rate(count: int, *, hours: float) -> Rate:
    """The rate of ``count`` events in ``hours``."""
    tail = (1 - CONFIDENCE) / 2
    lower = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    upper = float(stats.chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return Rate(count=count, hours=hours, value=count / hours, lower=lower / hours, upper=upper / hours)
