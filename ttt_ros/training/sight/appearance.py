"""Changing the look of pictures, so that one rendering teaches many lights and lenses."""

import math

import torch
from torch import Tensor

from ttt_ros.training.sight.configuration import AppearanceConfig

_LARGEST_PATCH = 0.3
_SHARERS = 4


def vary_appearance(images: Tensor, config: AppearanceConfig, generator: torch.Generator) -> Tensor:
    """Draws a look for each of ``images``, uint8 (n, height, width, 3), and returns them so, uint8 of the same shape.

    In the order in which light reaches a pixel: patch, blur, veil, light and colour, noise, rounding.
    """
    varied = images.float()
    _hide_patches(varied, config.patch, generator)
    _blur(varied, config.blur, generator)
    count, height, width, _ = images.shape
    veil = config.veil * _uniform((count, 1), generator) ** 2
    light = config.light ** (2 * _uniform((count, 1), generator) - 1)
    gain = light * (1 + config.colour_cast * (2 * _uniform((count, 3), generator) - 1))
    grey = 255 * veil * _uniform((count, 1), generator)
    rows = varied.view(count, height, width * 3)
    # Whole rows at once: a product along an axis of three is several times slower on a CPU.
    rows.mul_(((1 - veil) * gain).repeat(1, width)[:, None]).add_((grey * gain).repeat(1, width)[:, None])
    _add_grain(varied, config.noise, generator)
    return varied.round_().clamp_(0, 255).to(torch.uint8)


def _add_grain(images: Tensor, noise: float, generator: torch.Generator) -> None:
    """Normal noise, of another strength in each picture; they share it in groups, because drawing it takes long."""
    groups = math.ceil(len(images) / _SHARERS)
    drawn = torch.randn((groups, *images.shape[1:]), generator=generator)
    strengths = noise * _uniform((len(images), 1, 1, 1), generator)
    for first in range(0, len(images), groups):
        shared = images[first : first + groups]
        shared.addcmul_(drawn[: len(shared)], strengths[first : first + groups])


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator)


def _chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    return (_uniform((count,), generator) < share).nonzero().flatten()


def _hide_patches(images: Tensor, share: float, generator: torch.Generator) -> None:
    _, height, width, _ = images.shape
    for picture in _chosen(len(images), share, generator).tolist():
        top, left, tall, wide = _uniform((4,), generator).tolist()
        tall, wide = round(_LARGEST_PATCH * tall * height) + 1, round(_LARGEST_PATCH * wide * width) + 1
        row, column = round(top * (height - tall)), round(left * (width - wide))
        images[picture, row : row + tall, column : column + wide] = 255 * _uniform((3,), generator)


def _blur(images: Tensor, share: float, generator: torch.Generator) -> None:
    chosen = _chosen(len(images), share, generator)
    if len(chosen) == 0:
        return
    # Three taps, from no blur to a box, along one axis after the other.
    side = _uniform((len(chosen), 1, 1, 1), generator) / 3
    blurred = images[chosen]
    for axis in (1, 2):
        size = blurred.shape[axis]
        padded = torch.cat([blurred.narrow(axis, 0, 1), blurred, blurred.narrow(axis, size - 1, 1)], dim=axis)
        blurred = (1 - 2 * side) * blurred + side * (padded.narrow(axis, 0, size) + padded.narrow(axis, 2, size))
    images[chosen] = blurred
