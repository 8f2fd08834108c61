"""The vision trunk: a small network that reads off an image where a few known things are, and how sure it is of each."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.configuration import strict
from ttt_ros.errors import ObservationError

_STRIDE = 8

PositiveInt = Annotated[int, Field(gt=0, le=1 << 20)]
Depth = Annotated[int, Field(gt=0, le=1000)]
Side = Annotated[int, Field(gt=0, le=8192, multiple_of=_STRIDE)]

_CELL = 4
_DARKEST = 8.0
"""Mean of a channel, of 255, below which darker images are no longer brightened."""

_FLATTEST = 0.16
"""Contrast (standard deviation over mean) below which images are stretched to it: the least that occurs in training."""

_MOST_STRETCH = 8.0
"""Flatter images hold little more than the rounding of their pixels."""


@strict
@dataclass(frozen=True, kw_only=True)
class SightConfig:
    """All sizes of the network.

    Attributes:
        points: number of things that it finds.
        height: of the images, pixels; a multiple of 8.
        width: of the images, pixels; a multiple of 8.
        stem_channels: of the maps at half of the resolution.
        channels: of the maps at a quarter of it, where the points are located.
        context_channels: of the maps at an eighth, which see more of the image around.
        depth: residual convolutions at a quarter of the resolution.
        context_depth: residual convolutions at an eighth.
    """

    points: PositiveInt = 4
    height: Side = 96
    width: Side = 96
    stem_channels: PositiveInt = 16
    channels: PositiveInt = 32
    context_channels: PositiveInt = 64
    depth: Depth = 3
    context_depth: Depth = 2


class Residual(nn.Module):
    """Adds to its input a 3x3 convolution of its rectified self; the output starts small, so that deep stacks train without norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv.weight, std=0.5 * math.sqrt(2 / (9 * channels)))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (n, channels, height, width) to the same shape."""
        computed: Tensor = self.conv(functional.relu(maps))
        return maps + computed


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the network makes of images.

    Attributes:
        scores: of the cells of each point's map, row by row, float32 (n, points, cells).
        positions: column and row, float32 (n, points, 2).
        logits: of the confidences, float32 (n, points).
        look: mean of each map that the points are read off, float32 (n, channels): what kind of image it is.
    """

    scores: Tensor
    positions: Tensor
    logits: Tensor
    look: Tensor

    @property
    def points(self) -> Tensor:
        """Positions and confidences, 0 to 1: float32 (n, points, 3)."""
        return torch.cat([self.positions, self.logits.sigmoid()[..., None]], dim=-1)


class Sight(nn.Module):
    """Finds points in images: where each is and whether it is there at all.

    Each point has a map of scores at a quarter of the resolution. Its position is the mean of the places under the softmax of the
    scores (soft-argmax: Levine et al., arXiv 1504.00702), which is finer than a cell of the map; its confidence is read from a second map
    at the same places. There are no norms: an image is divided by its own mean colour instead, so that brightness and tint hardly
    matter, and one that is flatter than those of the training is stretched.
    """

    places: Tensor
    """Column and row, -1 to 1, of the cells of the maps, row by row; (cells, 2)."""

    def __init__(self, config: SightConfig) -> None:
        """Builds the network with random weights."""
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(3, config.stem_channels, 4, stride=2, padding=1)
        self.down = nn.Conv2d(config.stem_channels, config.channels, 4, stride=2, padding=1)
        self.context_down = nn.Conv2d(config.channels, config.context_channels, 4, stride=2, padding=1)
        self.context = nn.Sequential(*(Residual(config.context_channels) for _ in range(config.context_depth)))
        self.context_up = nn.Conv2d(config.context_channels, config.channels, 1)
        self.body = nn.Sequential(*(Residual(config.channels) for _ in range(config.depth)))
        self.head = nn.Conv2d(config.channels, 2 * config.points, 1)
        self.register_buffer("places", _centres(config.height // _CELL, config.width // _CELL), persistent=False)
        # On a CPU the convolutions run a third faster so, and only a module moves all its weights at once.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Points in ``images``, with gradients where they are enabled.

        Args:
            images: RGB, uint8 (n, height, width, 3).

        Returns:
            float32 (n, points, 3): column and row, -1 at the left and upper edge of the image and 1 at the others, and confidence, 0 to 1.

        Raises:
            ObservationError: images of another size or dtype.
        """
        return self.read(images).points

    def read(self, images: Tensor) -> Reading:
        """The same with what it is made of.

        Raises:
            ObservationError: images of another size or dtype.
        """
        expected = (self.config.height, self.config.width, 3)
        if images.dtype != torch.uint8 or images.dim() != 4 or tuple(images.shape[1:]) != expected:
            shape = ", ".join(map(str, expected))
            raise ObservationError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; Sight reads torch.uint8 of shape (n, {shape})"
            )
        return self._reading(_balanced(images))

    def located(self, pixels: Tensor) -> Tensor:
        """The points of ``forward`` in float32 ``pixels`` of 0 to 255, differentiable with respect to these."""
        centred = pixels / pixels.mean(dim=(1, 2), keepdim=True).clamp_min(_DARKEST) - 1.0
        contrast = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        stretched = centred * (_FLATTEST / contrast.clamp_min(_FLATTEST / _MOST_STRETCH)).clamp_min(1.0)
        return self._reading(stretched.permute(0, 3, 1, 2)).points

    def _reading(self, balanced: Tensor) -> Reading:
        maps = self._maps(balanced)
        scores, evidence = self.head(maps).float().flatten(2).chunk(2, dim=1)
        attention = scores.softmax(dim=-1)
        look = maps.detach().float().mean(dim=(2, 3))
        return Reading(scores=scores, positions=attention @ self.places, logits=(attention * evidence).sum(dim=-1), look=look)

    def _maps(self, images: Tensor) -> Tensor:
        maps = self.down(functional.relu(self.stem(images)))
        context = self.context(self.context_down(functional.relu(maps)))
        around = functional.interpolate(self.context_up(functional.relu(context)), scale_factor=2.0, mode="nearest")
        return functional.relu(self.body(maps + around))


def _balanced(images: Tensor) -> Tensor:
    """Images (n, 3, height, width), channels last, each channel in units of its own mean and centred, and not too flat."""
    count, height, width, _ = images.shape
    pixels = images.float()
    per_channel = pixels.mean(dim=(1, 2)).clamp_min(_DARKEST).reciprocal()
    # Whole rows at once: a product along an axis of three is several times slower on a CPU.
    rows = pixels.reshape(count, height, width * 3).mul_(per_channel.repeat(1, width)[:, None]).sub_(1.0)
    contrast = rows.square().mean(dim=(1, 2), keepdim=True).sqrt()
    rows.mul_((_FLATTEST / contrast.clamp_min(_FLATTEST / _MOST_STRETCH)).clamp_min(1.0))
    return rows.view(count, height, width, 3).permute(0, 3, 1, 2)


def _centres(height: int, width: int) -> Tensor:
    rows, columns = (torch.arange(cells).add(0.5).mul(2.0 / cells).sub(1.0) for cells in (height, width))
    return torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)], dim=-1).flatten(0, 1)
