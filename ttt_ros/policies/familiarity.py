"""How far what a policy sees now is from what it saw in training."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.transition import Features

_FLOOR = 1e-6
"""Added to each variance, relative to the largest: a feature that never varied in training is not infinitely telling."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureStatistics:
    """Mean and covariance of the features of training, as TTT++ keeps them (NeurIPS 2021), scaled so that training is at distance 1.

    Attributes:
        mean: float32 (size,).
        whitening: float32 (size, size); the inverse of the lower Cholesky factor of the scaled covariance.

    Raises:
        CheckpointError: shapes that do not fit, or values that are not finite.
    """

    mean: Tensor
    whitening: Tensor

    def __post_init__(self) -> None:
        size = len(self.mean) if self.mean.dim() == 1 else -1
        if tuple(self.whitening.shape) != (size, size) or not (self.mean.isfinite().all() and self.whitening.isfinite().all()):
            raise CheckpointError(
                f"feature statistics of shapes {tuple(self.mean.shape)} and {tuple(self.whitening.shape)} must be finite, of (n) and (n, n)"
            )

    @classmethod
    def of(cls, samples: Tensor) -> "FeatureStatistics":
        """Those of ``samples``, (n, size), with n at least 2; the mean of their own distances is 1.

        Raises:
            CheckpointError: fewer samples.
        """
        if len(samples) < 2:
            raise CheckpointError(f"feature statistics of {len(samples)} samples say nothing; give at least 2")
        covariance = samples.double().T.cov()
        variances = covariance.diagonal()
        floor = _FLOOR * variances.max().clamp(min=1e-12)
        share = _shrinkage(covariance, count=len(samples))
        shrunk = (1.0 - share) * covariance + torch.diag(share * variances + floor)
        factor = torch.linalg.cholesky(shrunk)
        whitening = torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=torch.float64), upper=False)
        # What was added to the diagonal would leave the samples closer than 1.
        own = (covariance @ whitening.T * whitening.T).sum() / len(covariance)
        return cls(mean=samples.double().mean(dim=0).float(), whitening=(whitening / own.clamp(min=1e-12).sqrt()).float())

    def distances(self, vectors: Tensor) -> Tensor:
        """Squared Mahalanobis distance of each of ``vectors``, (batch, size), over the size: (batch,)."""
        return ((vectors - self.mean) @ self.whitening.T).square().mean(dim=-1)

    def to(self, device: torch.device | str) -> "FeatureStatistics":
        """The same on ``device``."""
        return FeatureStatistics(mean=self.mean.to(device), whitening=self.whitening.to(device))


class Familiarity(ABC):
    """The part of the policy protocol about what was seen in training, for a policy that may carry its statistics.

    Attributes:
        statistics: None if they are not known. No part of the policy's checksum, since they change nothing that it does.
    """

    statistics: FeatureStatistics | None = None

    @abstractmethod
    def summary(self, features: Features) -> Tensor:
        """What of the features is compared with training, float32 (batch, size)."""

    @torch.no_grad()
    def novelty(self, features: Features) -> Tensor | None:
        """See ``ttt_ros.policies.protocol.Policy.novelty``."""
        return None if self.statistics is None else self.statistics.distances(self.summary(features))


def _shrinkage(covariance: Tensor, *, count: int) -> float:
    """Share of the diagonal that ``count`` samples need: oracle approximating shrinkage (Chen et al., 2010) of the correlations towards 0.

    A share that is too large hides what is unusual: the directions in which training varied least tell most.
    """
    size = len(covariance)
    scale = covariance.diagonal().clamp(min=torch.finfo(covariance.dtype).tiny).rsqrt()
    squares = float((covariance * scale[:, None] * scale).square().sum())
    own = (1.0 - 2.0 / size) * squares + size**2
    spread = (count + 1.0 - 2.0 / size) * (squares - size)
    return min(1.0, own / spread) if spread > 0.0 else 1.0
