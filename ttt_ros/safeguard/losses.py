"""A window's prediction loss against what the stream has shown so far."""

import math
from collections import deque

QUANTILE = 0.9
HISTORY = 64
WARMUP = 8


class LossHistory:
    """Running quantile of the losses of committed windows alone: refused ones must not raise what the next is compared with."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=HISTORY)

    def ratio(self, loss: float) -> float | None:
        """``loss`` over the quantile (nearest rank); None before ``WARMUP`` windows or while all losses were 0."""
        if len(self._losses) < WARMUP:
            return None
        quantile = sorted(self._losses)[math.ceil(QUANTILE * len(self._losses)) - 1]
        return loss / quantile if quantile > 0.0 else None

    def committed(self, loss: float) -> None:
        """Takes the loss of a committed window, if it is finite."""
        if math.isfinite(loss):
            self._losses.append(loss)
