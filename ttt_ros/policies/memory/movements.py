"""Chunks as points in a basis of movements."""

import torch
from torch import Tensor, nn

from ttt_ros.errors import RecordingError


class MovementBasis(nn.Module):
    """A linear code for chunks: principal components of the chunks in training, each coordinate of unit scale there.

    Movements of a robot fill few of the dimensions that horizon times joints would give (movement primitives; Paraschos et al., 2013).
    And few of those show in the picture after the movement: its effects, which are read off the code along some orthonormal directions. An
    effect is brought about along others, in which what does not show, such as the height of a hand seen from above, stays as it is.
    The basis belongs to the checkpoint as buffers; it is not trained.
    """

    mean: Tensor
    components: Tensor
    scales: Tensor
    readout: Tensor
    drive: Tensor

    def __init__(self, *, horizon: int, joints: int, code: int, effects: int) -> None:
        super().__init__()
        self.horizon, self.joints = horizon, joints
        self.register_buffer("mean", torch.zeros(horizon * joints))
        self.register_buffer("components", torch.eye(code, horizon * joints))
        self.register_buffer("scales", torch.ones(code))
        self.register_buffer("readout", torch.eye(effects, code))
        self.register_buffer("drive", torch.eye(effects, code))

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
    def fit_effects(self, jacobians: Tensor, *, seen: int) -> None:
        """Finds what the end of a movement changes in what is seen of it, and how to change that alone; the basis must be fitted before.

        Args:
            jacobians: of what the end of a movement leads to by its last positions, (n, outcomes, joints), per rad.
            seen: how many outcomes, the first ones, are seen; the others are not to change with the effects.

        Raises:
            RecordingError: too few movements.
        """
        if len(jacobians) * seen < len(self.readout):
            raise RecordingError(f"{len(jacobians)} movements cannot tell {len(self.readout)} effects apart; record more")
        ends = (self.scales[:, None] * self.components).reshape(-1, self.horizon, self.joints)[:, -1]
        sensitivities = (jacobians @ ends.T).double()
        _, _, axes = torch.linalg.svd(sensitivities[:, :seen].flatten(0, 1), full_matrices=False)
        readout = _with_fixed_signs(axes[: len(self.readout)])
        self.readout.copy_(readout)
        self.drive.copy_(_beside(readout, sensitivities[:, seen:].flatten(0, 1), count=jacobians.shape[1] - seen))

    def effects(self, codes: Tensor) -> Tensor:
        """Effects (..., effects) of movements with codes (..., code)."""
        return codes @ self.readout.T

    def with_effects(self, codes: Tensor, effects: Tensor) -> Tensor:
        """Codes (..., code) with ``effects``, (..., effects), added to theirs."""
        return codes + effects @ self.drive

    def codes(self, chunks: Tensor) -> Tensor:
        """Codes (..., code) of chunks (..., horizon, joints), rad."""
        return (chunks.flatten(-2) - self.mean) @ self.components.T / self.scales

    def chunks(self, codes: Tensor) -> Tensor:
        """Chunks (..., horizon, joints), rad, of codes (..., code)."""
        flat = self.mean + (codes * self.scales) @ self.components
        return flat.reshape(*codes.shape[:-1], self.horizon, self.joints)


def _beside(readout: Tensor, unseen: Tensor, *, count: int) -> Tensor:
    """Directions with the same effects as those of ``readout`` in which the ``count`` outcomes that are not seen change least on average.

    Each is corrected along as many directions without any effect, those that change these outcomes most: least squares.

    Args:
        readout: (effects, code), orthonormal.
        unseen: sensitivities (n, code) of the outcomes that are not seen.
    """
    aside = torch.eye(readout.shape[1], dtype=readout.dtype) - readout.T @ readout
    moments = unseen.T @ unseen
    _, directions = torch.linalg.eigh(aside @ moments @ aside)
    free = directions[:, directions.shape[1] - count :].T
    correction: Tensor = readout @ moments @ free.T @ torch.linalg.pinv(free @ moments @ free.T) @ free
    return readout - correction


def _with_fixed_signs(axes: Tensor) -> Tensor:
    """Rows of arbitrary sign, (n, size), with the largest number of each positive: the same data give the same bits everywhere."""
    return axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
