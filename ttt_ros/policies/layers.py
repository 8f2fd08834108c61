"""The building blocks of the built-in vision-language-action policy."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.policies.transition import FastWeights


class ConditionedConv(nn.Module):
    """A convolution that lowers the resolution, modulated by the instruction (FiLM, arXiv 1709.07871).

    The modulation starts as the identity, so an untrained instruction changes nothing.
    """

    def __init__(self, *, inputs: int, outputs: int, kernel: int, stride: int, condition: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel_size=kernel, stride=stride, padding=1)
        self.modulation = nn.Linear(condition, 2 * outputs)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) under conditions (n, condition) to (n, outputs, h / stride, w / stride)."""
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        modulated = torch.addcmul(shift, self.convolution(maps), 1 + scale)
        return functional.relu(modulated)


class SpatialSoftmax(nn.Module):
    """Reads the mean position of each of ``points`` learned features off a map (arXiv 1504.00702)."""

    def __init__(self, *, channels: int, points: int, height: int, width: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, points, kernel_size=1)
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("grid", torch.stack([columns, rows], dim=-1).reshape(height * width, 2), persistent=False)
        self.grid: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (n, channels, height, width) to positions (n, 2 * points), each in -1..1 from one edge to the other."""
        scores: Tensor = self.score(maps).flatten(2).float()
        return (scores.softmax(dim=-1) @ self.grid).flatten(1)


def patch_size(channels: tuple[int, ...]) -> int:
    """Side in pixels of the image patch behind one token, for a stem with these output channels."""
    return int(2 ** (len(channels) + 1))


class ImageTokens(nn.Module):
    """Turns images into patch tokens and one token of key points, under an instruction."""

    def __init__(self, *, channels: tuple[int, ...], points: int, condition: int, width: int, image: tuple[int, int]) -> None:
        super().__init__()
        # The first stage cuts small overlapping patches: full-resolution maps would take most of the time of the whole policy.
        first = ConditionedConv(inputs=3, outputs=channels[0], kernel=6, stride=4, condition=condition)
        others = (
            ConditionedConv(inputs=inputs, outputs=outputs, kernel=3, stride=2, condition=condition)
            for inputs, outputs in pairwise(channels)
        )
        self.stages = nn.ModuleList([first, *others])
        # An eighth of the resolution is fine enough for sub-pixel means and coarse enough for a feature to span an object.
        self.key_points = SpatialSoftmax(channels=channels[1], points=points, height=image[0] // 8, width=image[1] // 8)
        self.patch_projection = nn.Linear(channels[-1], width)
        self.point_projection = nn.Linear(2 * points, width)

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 3, height, width) in -1..1 under conditions (n, condition) to tokens and their look.

        Returns:
            tokens (n, patches + 1, width), and without gradients what kind of image it is, (n, channels[0] + 2 * points): the mean of each
            map of the first stage, which noise, fog and darkness change most, and the key points.
        """
        first = self.stages[0](images.contiguous(memory_format=torch.channels_last), condition)
        maps = self.stages[1](first, condition)
        positions = self.key_points(maps)
        look = torch.cat([first.detach().float().mean(dim=(2, 3)), positions.detach()], dim=1)
        points = self.point_projection(positions)
        for stage in self.stages[2:]:
            maps = stage(maps, condition)
        patches = self.patch_projection(maps.flatten(2).transpose(1, 2))
        return torch.cat([patches, points[:, None]], dim=1), look


class Attention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, tokens, width) to the same shape."""
        query, key, value = self.inputs(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, *, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width=width, heads=heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, tokens, width) to the same shape."""
        tokens = self.attend(tokens)
        computed: Tensor = self.mlp(self.mlp_norm(tokens))
        return tokens + computed

    def attend(self, tokens: Tensor) -> Tensor:
        """The first half of the block: the tokens plus what they attend to."""
        attended: Tensor = self.attention(self.attention_norm(tokens))
        return tokens + attended


class FastMlp(nn.Module):
    """The MLP that adapts: it holds the base weights, but computes with those that the caller hands in.

    Its output layer starts at zero, so that adding one to a trained block changes nothing (arXiv 2512.23675).
    """

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, tokens: Tensor, fast: FastWeights, prefix: str) -> Tensor:
        """Tokens (n, tokens, width) to the same shape, with the weights of ``fast`` whose names begin with ``prefix``."""
        hidden = functional.gelu(functional.linear(tokens, fast[f"{prefix}.up.weight"], fast[f"{prefix}.up.bias"]))
        return functional.linear(hidden, fast[f"{prefix}.down.weight"], fast[f"{prefix}.down.bias"])


class LateBlock(nn.Module):
    """A transformer block with a fast MLP in parallel to its own."""

    def __init__(self, *, width: int, heads: int, mlp_width: int, fast_width: int) -> None:
        super().__init__()
        self.slow = Block(width=width, heads=heads, mlp_width=mlp_width)
        self.fast = FastMlp(width=width, hidden=fast_width)

    def forward(self, tokens: Tensor, fast: FastWeights, prefix: str) -> Tensor:
        """Tokens (n, tokens, width) to the same shape; ``prefix`` names this block's fast MLP in ``fast``."""
        tokens = self.slow.attend(tokens)
        normed = self.slow.mlp_norm(tokens)
        computed: Tensor = self.slow.mlp(normed) + self.fast(normed, fast, prefix)
        return tokens + computed
