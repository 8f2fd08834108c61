"""Chunks as points in a basis of movements."""

import torch
from torch import Tensor, nn

from ttt_ros.errors import RecordingError


class MovementBasis(nn.Module):
    """A linear code for chunks: principal components of the chunks in training, each coordinate of unit scale there.

    Movements of a robot fill few of the dimensions that horizon times joints would give (movement primitives; Paraschos et al., 2013).
    The basis belongs to the checkpoint as buffers; it is not trained.
    """

    mean: Tensor
    components: Tensor
    scales: Tensor

    def __init__(self, *, horizon: int, joints: int, code: int) -> None:
        super().__init__()
        self.horizon, self.joints = horizon, joints
        self.register_buffer("mean", torch.zeros(horizon * joints))
        self.register_buffer("components", torch.eye(code, horizon * joints))
        self.register_buffer("scales", torch.ones(code))

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
        # The sign of a component is arbitrary; fixed, so that the same chunks give the same bits everywhere.
        components = axes[: len(self.scales)]
        components = components * components.gather(1, components.abs().argmax(dim=1, keepdim=True)).sign()
        self.mean.copy_(mean)
        self.components.copy_(components)
        self.scales.copy_(((flat - mean) @ components.T).std(dim=0).clamp(min=1e-3))
        return float((self.chunks(self.codes(chunks.float())) - chunks).abs().max())

    def codes(self, chunks: Tensor) -> Tensor:
        """Codes (..., code) of chunks (..., horizon, joints), rad."""
        return (chunks.flatten(-2) - self.mean) @ self.components.T / self.scales

    def chunks(self, codes: Tensor) -> Tensor:
        """Chunks (..., horizon, joints), rad, of codes (..., code)."""
        flat = self.mean + (codes * self.scales) @ self.components
        return flat.reshape(*codes.shape[:-1], self.horizon, self.joints)
