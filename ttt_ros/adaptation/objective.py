"""How wrong the policy's reconstruction of each transition is."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ttt_ros.errors import AdaptationError
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Transitions


def sample_errors(policy: Policy, transitions: Transitions, fast: FastWeights, *, objectives: Mapping[str, float]) -> Tensor:
    """Weighted sum over the objectives of the mean squared reconstruction error, one number per transition.

    Returns:
        float32 of shape (batch,), in squared units of the normalised targets; differentiable with respect to ``fast``.

    Raises:
        AdaptationError: an objective is not one of the policy's.
    """
    reconstructions = policy.reconstruct(transitions, fast)
    # An objective of weight 0 is left out rather than multiplied: 0 times NaN is NaN.
    weights = {name: weight for name, weight in objectives.items() if weight > 0.0}
    unknown = sorted(weights.keys() - reconstructions.keys())
    if unknown:
        raise AdaptationError(f"the policy has no objective {', '.join(unknown)}; it offers {', '.join(sorted(reconstructions))}")
    errors = [
        weight * (reconstructions[name].prediction - reconstructions[name].target).square().mean(dim=1) for name, weight in weights.items()
    ]
    return torch.stack(errors).sum(dim=0)
