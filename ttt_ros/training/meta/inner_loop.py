"""The update of the adaptation thread, for many deployments at once and with gradients through it."""

from typing import NamedTuple

import torch
from torch import Tensor

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.objective import scored
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Transitions
from ttt_ros.training.meta.configuration import Order


class InnerState(NamedTuple):
    """Fast weights and preconditioner of each deployment, with the deployments as first axis."""

    weights: FastWeights
    precision: FastWeights

    def detached(self) -> "InnerState":
        """The same values without their history."""
        return InnerState(
            weights={name: weight.detach() for name, weight in self.weights.items()},
            precision={name: each.detach() for name, each in self.precision.items()},
        )


class InnerLoop:
    """Takes one step per window, as ``Learner`` does: score, trim, gradient, clip, precondition, step, pull back, project.

    It calls the same functions of ``ttt_ros.adaptation.steps`` in the same order. What refuses a sample or a window at run time (gates,
    limits on gradient norm and probes, permit) is left out: it has no gradient and in training no reason to act.
    """

    def __init__(self, policy: Policy, base: FastWeights, config: AdaptationConfig, *, order: Order, ramp: float = 1.0) -> None:
        """Prepares for a policy whose base weights are ``base``, part of the outer graph; ``ramp`` scales the learning rate."""
        self._policy = policy
        self._base = base
        self._config = config
        self._order = order
        self._learning_rate = ramp * config.learning_rate
        self._modules = steps.parameters_by_module(base, policy.fast_modules())
        self._norms = {module: steps.norm([base[name] for name in names]) for module, names in self._modules.items()}
        self._rates = policy.rates()

    def begin(self, deployments: int) -> InnerState:
        """The base for each deployment."""
        weights = {name: weight.expand(deployments, *weight.shape) for name, weight in self._base.items()}
        if not self._config.ridge:
            return InnerState(weights=weights, precision={})
        prior = steps.prior_precision(self._base, ridge=self._config.ridge)
        return InnerState(weights=weights, precision={name: each.expand(deployments, -1, -1) for name, each in prior.items()})

    def step(self, state: InnerState, window: Transitions) -> InnerState:
        """One update on ``window``, whose tensors have the deployments as first and the window's transitions as second axis."""
        second = self._order is Order.SECOND and torch.is_grad_enabled()
        start = {name: weight if second and weight.requires_grad else _leaf(weight) for name, weight in state.weights.items()}
        with torch.enable_grad():
            score = scored(self._policy, window, start, objectives=self._config.objectives)
            kept = steps.kept(score.errors.detach(), factor=self._config.trim_factor)
            losses = score.errors.where(kept, 0.0).sum(dim=-1) / kept.sum(dim=-1)
            # The deployments share nothing, so the gradient of the sum holds that of each.
            gradients = steps.gradients(losses.sum(), start, differentiable=second)
        inputs = score.inputs if self._config.ridge else {}
        if not second:
            gradients, inputs = ({name: each.detach() for name, each in part.items()} for part in (gradients, inputs))
        begun = start if second else state.weights
        weights, precision = torch.func.vmap(self._moved)(begun, state.precision, gradients, inputs, kept)
        return InnerState(weights=weights, precision=precision)

    def _moved(
        self, weights: FastWeights, precision: FastWeights, gradients: FastWeights, inputs: FastWeights, kept: Tensor
    ) -> tuple[FastWeights, FastWeights]:
        """The rest of the step for one deployment."""
        config = self._config
        gradients = steps.clipped(gradients, norm=steps.norm(gradients.values()), limit=config.clip_norm)
        if inputs:
            prior = steps.prior_precision(self._base, ridge=config.ridge)
            precision = steps.informed(steps.pulled_back(precision, prior, share=config.pull_back), inputs, kept)
            gradients = steps.preconditioned(gradients, precision, kept)
        weights = steps.stepped(weights, gradients, learning_rate=self._learning_rate, rates=self._rates)
        weights = steps.reminded(weights, self._base, precision if inputs else {}, share=config.pull_back, ridge=config.ridge)
        drifts = {module: steps.distance(weights, self._base, names) / self._norms[module] for module, names in self._modules.items()}
        return steps.projected(weights, self._base, drifts, self._modules, limit=config.drift_limit), precision


def _leaf(weight: Tensor) -> Tensor:
    return weight.detach().requires_grad_()
