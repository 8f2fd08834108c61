"""Refusing single samples that are less likely than the learner's own uncertainty allows."""

import math
from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig


class Judged(NamedTuple):
    """What the gate makes of a window.

    Attributes:
        sizes: of each sample's innovation, in units of the noise, (batch,).
        limit: above which a sample is refused; infinite while there is none.
    """

    sizes: Tensor
    limit: float

    @property
    def plausible(self) -> Tensor:
        """Which samples are not refused, bool (batch,); NaN is."""
        return self.sizes <= self.limit


class InnovationGate:
    """A limit on a sample's innovations (see ``steps.innovations``), from a low running quantile of those of all fresh samples.

    Gating by the normalised innovation squared is what Kalman filters do against clutter (Bar-Shalom, Li and Kirubarajan, 2001). The noise
    is not known here, and how large it is differs between the numbers that are predicted. So each is measured in units of a quantile of its
    own past, and the limit on their mean is a multiple of a quantile as well. The quantile's share decides who can move them (least
    quantile of squares: Rousseeuw, J. Am. Stat. Assoc. 79, 1984): whoever controls less than 1 - ``innovation_quantile`` of the stream
    cannot raise a quantile, however patient, because refused samples count beside accepted ones and the low ones decide. For the same
    reason nothing is locked out: a world that changed for good is all of the stream, and raises the limit once it fills that share
    of the history.

    An innovation up to ``innovation_prior`` is never suspicious: no noise is taken to be below it, however well a few samples were
    predicted by chance. It is chosen so that robots with hidden properties may begin with it. And a quantile of a few samples is
    anybody's: of one, it is that sample. So the noise is taken to be above the prior only once there are ``innovation_warmup`` of them,
    and poison is not let in because it came first.

    It begins anew in every epoch, because the innovations are those of the weights in force.
    """

    def __init__(self, *, history: int) -> None:
        """Remembers the innovations of the last ``history`` fresh samples."""
        self._seen: deque[Tensor] = deque(maxlen=history)
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Begins anew if ``epoch`` is not the one before."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._seen.clear()

    def judge(self, innovations: Tensor, config: AdaptationConfig) -> Judged:
        """Compares samples, (batch, size), with the prior and the past; with factor 0 they may be of any size."""
        if config.innovation_factor == 0.0:
            return Judged(sizes=innovations.mean(dim=-1), limit=math.inf)
        if len(self._seen) < config.innovation_warmup:
            return Judged(sizes=innovations.mean(dim=-1) / config.innovation_prior, limit=config.innovation_factor)
        seen = torch.stack(tuple(self._seen))
        noise = _nearest_rank(seen, config.innovation_quantile).clamp(min=config.innovation_prior)
        usual = _nearest_rank((seen / noise).mean(dim=-1), config.innovation_quantile).clamp(min=1.0)
        return Judged(sizes=(innovations / noise).mean(dim=-1), limit=config.innovation_factor * float(usual))

    def saw(self, innovations: Tensor) -> None:
        """Adds those of fresh samples, (fresh, size); what is not finite tells nothing about the noise and is left out."""
        self._seen.extend(innovations[innovations.isfinite().all(dim=-1)])


def _nearest_rank(values: Tensor, quantile: float) -> Tensor:
    """The smallest of ``values`` along the first axis that the share ``quantile`` of them does not exceed."""
    return values.sort(dim=0).values[max(1, math.ceil(quantile * len(values))) - 1]
