"""How wrong the policy's reconstruction of each transition is."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ttt_ros.errors import AdaptationError
from ttt_ros.policies.protocol import Policy, Reconstruction
from ttt_ros.policies.transition import FastWeights, Transitions


class Score(NamedTuple):
    """How wrong each transition was reconstructed.

    Attributes:
        errors: weighted sum over the objectives of the mean squared error, float32 of shape (batch,), in squared units of the
            normalised targets; differentiable with respect to the fast weights.
        residuals: what is wrong with each number of the prediction, float32 of shape (batch, size), over all objectives and so weighted
            that the squares of a transition add up to its error.
        inputs: of the fast matrices, see ``Reconstruction.inputs``.
    """

    errors: Tensor
    residuals: Tensor
    inputs: FastWeights


def scored(policy: Policy, transitions: Transitions, fast: FastWeights, *, objectives: Mapping[str, float]) -> Score:
    """Reconstructs the transitions and compares.

    Raises:
        AdaptationError: an objective is not one of the policy's.
    """
    reconstructions = policy.reconstruct(transitions, fast)
    # An objective of weight 0 is left out rather than multiplied: 0 times NaN is NaN.
    weights = {name: weight for name, weight in objectives.items() if weight > 0.0}
    unknown = sorted(weights.keys() - reconstructions.keys())
    if unknown:
        raise AdaptationError(f"the policy has no objective {', '.join(unknown)}; it offers {', '.join(sorted(reconstructions))}")
    used = {name: reconstructions[name] for name in weights}
    residuals = {name: each.prediction - each.target for name, each in used.items()}
    errors = [weights[name] * each.square().mean(dim=-1) for name, each in residuals.items()]
    weighted = [math.sqrt(weights[name] / each.shape[-1]) * each for name, each in residuals.items()]
    return Score(errors=torch.stack(errors).sum(dim=0), residuals=torch.cat(weighted, dim=-1), inputs=_inputs(used))


def _inputs(used: Mapping[str, Reconstruction]) -> FastWeights:
    """Those of the only objective; of several, none says what enters a matrix that all of them use."""
    return next(iter(used.values())).inputs if len(used) == 1 else {}
