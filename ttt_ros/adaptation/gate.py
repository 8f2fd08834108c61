"""Refusing whole windows whose loss is far above what the stream has shown so far."""

import math
from collections import deque

from ttt_ros.adaptation.checks import WindowRefusedError
from ttt_ros.adaptation.configuration import AdaptationConfig


class LossGate:
    """A limit on a window's loss, from a running quantile of the losses of accepted windows alone.

    A refused window never enters the history: it would raise the limit for the next of its kind, and a glitched stream would
    talk its way in. But a glitch passes and a changed world stays: after ``gate_patience`` refusals in a row the history
    describes a world that is gone, and the gate begins anew. It does so in every epoch as well, because the losses are those
    of the weights in force: a limit learned from adapted weights could refuse the base, which predicts worse, for ever.
    """

    def __init__(self, *, history: int) -> None:
        """Remembers the last ``history`` accepted losses."""
        self._accepted: deque[float] = deque(maxlen=history)
        self._refused_in_a_row = 0
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Begins anew if ``epoch`` is not the one before."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._begin_anew()

    def limit(self, config: AdaptationConfig) -> float:
        """``gate_factor`` times the ``gate_quantile`` (nearest rank) of the history; infinite until ``gate_warmup`` windows."""
        if len(self._accepted) < config.gate_warmup:
            return math.inf
        rank = max(1, math.ceil(config.gate_quantile * len(self._accepted)))
        return config.gate_factor * sorted(self._accepted)[rank - 1]

    def check(self, loss: float, config: AdaptationConfig) -> None:
        """Raises WindowRefusedError if ``loss`` is above the limit."""
        limit = self.limit(config)
        if loss <= limit:
            self._refused_in_a_row = 0
            return
        self._refused_in_a_row += 1
        reason = f"window loss {loss:.4g} is above the gate's limit, {limit:.4g}, {self._refused_in_a_row} times in a row"
        if self._refused_in_a_row >= config.gate_patience:
            self._begin_anew()
            reason += "; taken for a changed world, the gate begins anew"
        raise WindowRefusedError(reason)

    def accept(self, loss: float) -> None:
        """Adds the loss of a window whose update was committed."""
        self._accepted.append(loss)

    def _begin_anew(self) -> None:
        self._accepted.clear()
        self._refused_in_a_row = 0
