"""What the robot saw, did, and then saw: the sample that adaptation learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

Features: TypeAlias = Mapping[str, Tensor]
"""What a policy's frozen trunk computed from one or more observations: tensors with the batch as first axis."""

FastWeights: TypeAlias = Mapping[str, Tensor]
"""The adapted parameters by name, float32."""

Memory: TypeAlias = Mapping[str, Tensor]
"""What a policy keeps of earlier transitions beside its fast weights: tensors with the batch as first axis; empty for most policies."""

NO_MEMORY: Memory = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """A batch of transitions, all tensors on the policy's device.

    Attributes:
        features: of the observation before, batch first.
        executed: the positions commanded between the two observations, shape (batch, horizon, joints), radians,
            in the policy's action meaning; the last one repeated where fewer than ``horizon`` steps were executed.
        steps: how many of them were executed, int64, shape (batch,).
        next_features: of the observation after, batch first.
        following_error: measured joint positions after minus those commanded last, shape (batch, joints), radians; None where nobody
            measured them.
    """

    features: Features
    executed: Tensor
    steps: Tensor
    next_features: Features
    following_error: Tensor | None = None

    def __len__(self) -> int:
        return self.executed.shape[0]


def concatenated(batches: Sequence[Transitions]) -> Transitions:
    """Joins batches along the batch axis, in order."""
    return Transitions(
        features=_concatenated_features([batch.features for batch in batches]),
        executed=torch.cat([batch.executed for batch in batches]),
        steps=torch.cat([batch.steps for batch in batches]),
        next_features=_concatenated_features([batch.next_features for batch in batches]),
        following_error=_concatenated_errors([batch.following_error for batch in batches]),
    )


def _concatenated_features(features: Sequence[Features]) -> Features:
    return {name: torch.cat([each[name] for each in features]) for name in features[0]}


def _concatenated_errors(errors: Sequence[Tensor | None]) -> Tensor | None:
    measured = [each for each in errors if each is not None]
    return torch.cat(measured) if len(measured) == len(errors) else None
