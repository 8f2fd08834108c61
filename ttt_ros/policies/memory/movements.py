"""Chunks as points in a basis of movements."""

import torch
from torch import Tensor, nn

from ttt_ros.errors import RecordingError


class MovementBasis(nn.Module):
    """A linear code for chunks: principal components of the chunks in training, each coordinate of unit scale there.

    Movements of a robot fill few of the dimensions that horizon times joints would give (movement primitives; Paraschos et al., 2013).
    And few of those show in the picture after the movement: its effects, coordinates along orthonormal directions of the code.
    The basis belongs to the checkpoint as buffers; it is not trained.
    """

    mean: Tensor
    components: Tensor
    scales: Tensor
    directions: Tensor

    def __init__(self, *, horizon: int, joints: int, code: int, effects: int) -> None:
        super().__init__()
        self.horizon, self.joints = horizon, joints
        self.register_buffer("mean", torch.zeros(horizon * joints))
        self.register_buffer("components", torch.eye(code, horizon * joints))
        self.register_buffer("scales", torch.ones(code))
        self.register_buffer("directions", torch.eye(effects, code))

    @torch.no_grad()
    def fit(self, chunks: Tensor) -> float:
        """Fits the basis to chunks (n, horizon, joints), rad; returns the largest error of any position in a chunk that it leaves, rad.

        Raises:
            RecordingError: fewer chunks than numbers in a code.
        """
        if len(chunks) < len(self.scales):
            raise RecordingError(f"{len(chunks)} chunks cannot give a basis of {len(self.scales)} movements; record more")
        flat = chunks.flatten(1).double()
        mean = flat.mean(dim=0)
        _, _, axes = torch.linalg.svd(flat - mean, full_matrices=False)
        components = _with_fixed_signs(axes[: len(self.scales)])
        self.mean.copy_(mean)
        self.components.copy_(components)
        self.scales.copy_(((flat - mean) @ components.T).std(dim=0).clamp(min=1e-3))
        return float((self.chunks(self.codes(chunks.float())) - chunks).abs().max())

    @torch.no_grad()
    def fit_directions(self, jacobians: Tensor) -> None:
        """Finds the directions of the code in which the end of a movement moves most what is seen of it; the basis must be fitted before.

        Args:
            jacobians: of what is seen by the last positions of movements, (n, seen, joints), per rad.

        Raises:
            RecordingError: fewer rows in all than effects.
        """
        ends = (self.scales[:, None] * self.components).reshape(-1, self.horizon, self.joints)[:, -1]
        sensitivities = (jacobians @ ends.T).flatten(0, 1).double()
        if len(sensitivities) < len(self.directions):
            raise RecordingError(f"{len(jacobians)} movements cannot tell {len(self.directions)} effects apart; record more")
        _, _, axes = torch.linalg.svd(sensitivities, full_matrices=False)
        self.directions.copy_(_with_fixed_signs(axes[: len(self.directions)]))

    def effects(self, codes: Tensor) -> Tensor:
        """Effects (..., effects) of movements with codes (..., code)."""
        return codes @ self.directions.T

    def with_effects(self, codes: Tensor, effects: Tensor) -> Tensor:
        """Codes (..., code) with ``effects``, (..., effects), added to theirs and nothing else changed."""
        return codes + effects @ self.directions

    def codes(self, chunks: Tensor) -> Tensor:
        """Codes (..., code) of chunks (..., horizon, joints), rad."""
        return (chunks.flatten(-2) - self.mean) @ self.components.T / self.scales

    def chunks(self, codes: Tensor) -> Tensor:
        """Chunks (..., horizon, joints), rad, of codes (..., code)."""
        flat = self.mean + (codes * self.scales) @ self.components
        return flat.reshape(*codes.shape[:-1], self.horizon, self.joints)


def _with_fixed_signs(axes: Tensor) -> Tensor:
    """Rows of arbitrary sign, (n, size), with the largest number of each positive: the same data give the same bits everywhere."""
    return axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
