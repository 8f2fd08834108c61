"""Stored observations on which an update may change the actions only so much."""

import torch

from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Features


class Probes:
    """Features of a few observations beside the base policy's actions on them, given or taken from the stream."""

    def __init__(self, policy: Policy, base: FastWeights, *, size: int, given: Features | None = None) -> None:
        """Keeps ``given`` and nothing else, or else the first ``size`` observations offered."""
        self._policy = policy
        self._base = base
        self._features: Features = given or {}
        self._actions = policy.act(given, base) if given else torch.empty(0)
        self._missing = 0 if given else size

    def offer(self, features: Features) -> None:
        """Adds one observation (batch of 1) while there is room and if the base policy's actions on it are finite."""
        if self._missing == 0:
            return
        actions = self._policy.act(features, self._base)
        if not actions.isfinite().all():
            return
        self._features = {name: torch.cat([self._features[name], new]) if self._features else new for name, new in features.items()}
        self._actions = torch.cat([self._actions, actions]) if self._actions.numel() else actions
        self._missing -= 1

    def deviation(self, weights: FastWeights) -> float:
        """Largest absolute difference to the base policy's actions over all probes, steps and joints, in rad; NaN if any is NaN."""
        if not self._features:
            return 0.0
        return float((self._policy.act(self._features, weights) - self._actions).abs().max())
