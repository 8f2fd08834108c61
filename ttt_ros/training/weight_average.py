"""The moving average of weights along a training run, which acts more evenly than any of them."""

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, *, step: int, decay: float) -> None:
    """Moves the weights of ``average`` towards those of ``module`` and copies its buffers.

    Early on a long memory would keep the random weights of the beginning, so it grows up to ``decay``.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for averaged, weight in zip(average.parameters(), module.parameters(), strict=True):
        averaged.lerp_(weight, 1 - decay)
    for kept, buffer in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(buffer)
