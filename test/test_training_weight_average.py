"""The moving average of weights along a training run."""

import torch
from torch import nn

from ttt_ros.training.weight_average import update_average


def layers() -> tuple[nn.BatchNorm1d, nn.BatchNorm1d]:
    average, module = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.zeros_(average.weight)
    return average, module


def test_the_first_weights_are_soon_forgotten() -> None:
    average, module = layers()
    update_average(average, module, step=0, decay=0.999)
    torch.testing.assert_close(average.weight, torch.full((2,), 0.9))


def test_later_on_the_decay_is_that_which_was_asked_for() -> None:
    average, module = layers()
    update_average(average, module, step=1_000_000, decay=0.75)
    torch.testing.assert_close(average.weight, torch.full((2,), 0.25))


def test_buffers_are_those_of_the_module() -> None:
    average, module = layers()
    module(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
    update_average(average, module, step=0, decay=0.999)
    torch.testing.assert_close(average.running_mean, module.running_mean)
