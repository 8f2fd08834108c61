"""A window's prediction loss against what the stream has shown so far."""

import math
from collections import deque

QUANTILE = 0.9
HISTORY = 64
WARMUP = 8


class LossHistory:
    """Running quantile of the losses of windows that passed every check of the policy node; refused ones must not raise it.

    Whether a window was permitted to be committed makes no difference: while the safeguard permits nothing, a world that has changed for
    good must still become what the next windows are compared with, or adapting would never be permitted again.
    """

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=HISTORY)

    def ratio(self, loss: float) -> float | None:
        """``loss`` over the quantile (nearest rank); None before ``WARMUP`` windows or while all losses were 0."""
        if len(self._losses) < WARMUP:
            return None
        quantile = sorted(self._losses)[math.ceil(QUANTILE * len(self._losses)) - 1]
        return loss / quantile if quantile > 0.0 else None

    def passed(self, loss: float) -> None:
        """Takes the loss of a window that passed, if it is finite."""
        if math.isfinite(loss):
            self._losses.append(loss)
