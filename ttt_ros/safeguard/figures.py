"""What the policy says of each action chunk and of each window, as readings; None stands for what was not computed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ttt_ros.safeguard.signals import (
    ACTION_DEVIATION,
    BASE_DEVIATION,
    DRIFT_MODULE,
    DRIFT_TOTAL,
    FEATURE_DEVIATION,
    GRADIENT_NORM,
    PREDICTION_LOSS,
    REJECTED,
    TRIMMED,
    UPDATE_NORM,
    Reading,
    Signal,
    worst,
)


@dataclass(frozen=True, kw_only=True)
class ChunkFigures:
    """One chunk: its deviation from the base policy's, rad, and that of its observation's features from training."""

    base_deviation: float | None
    feature_deviation: float | None

    def readings(self) -> tuple[Reading, ...]:
        """All that were computed."""
        return tuple(_computed(((BASE_DEVIATION, self.base_deviation), (FEATURE_DEVIATION, self.feature_deviation))))


@dataclass(frozen=True, kw_only=True)
class WindowFigures:
    """One window of the adaptation; NaN and infinity are what was really computed.

    Attributes:
        version: of the weights in force after it.
        committed: whether it made that version.
        withheld: whether it would have, had that been permitted.
        samples: transitions in it.
        trimmed: how many of them were left out.
        drift_per_module: relative drift by fast module.
    """

    version: int
    committed: bool
    withheld: bool
    samples: int
    trimmed: int
    prediction_loss: float | None
    gradient_norm: float | None
    update_norm: float
    action_deviation: float | None
    drift_total: float
    drift_per_module: Mapping[str, float]

    def readings(self) -> tuple[Reading, ...]:
        """All that were computed, but for the loss ratio, which needs the windows before."""
        figures = (
            (GRADIENT_NORM, self.gradient_norm),
            (UPDATE_NORM, self.update_norm),
            (DRIFT_TOTAL, self.drift_total),
            (ACTION_DEVIATION, self.action_deviation),
            (PREDICTION_LOSS, self.prediction_loss),
            (REJECTED, float(not (self.committed or self.withheld))),
            (TRIMMED, self.trimmed / self.samples if self.samples else None),
        )
        return (*_computed(figures), *worst(DRIFT_MODULE, self.drift_per_module))


def _computed(figures: Iterable[tuple[Signal, float | None]]) -> Iterator[Reading]:
    return (Reading(signal=signal.name, value=value) for signal, value in figures if value is not None)
