"""The steps of one update, each a pure function.

None modifies its arguments. From ``kept`` to ``projected`` none reads a tensor's value into Python or branches on one, so the
same functions can be differentiated through and vectorised where a policy is meta-trained with this very update.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

from ttt_ros.errors import AdaptationError
from ttt_ros.policies.transition import FastWeights, Transitions

_NO_RATES: Mapping[str, Tensor] = MappingProxyType({})

Modules: TypeAlias = Mapping[str, Sequence[str]]
"""Names of the fast parameters by module."""


def parameters_by_module(names: Iterable[str], modules: Iterable[str]) -> Modules:
    """Sorts parameter names by the module that they belong to.

    Raises:
        AdaptationError: a parameter belongs to none or several of the modules, or a module has no parameter.
    """
    names = tuple(names)
    grouped = {module: tuple(name for name in names if name.startswith(f"{module}.")) for module in modules}
    for module, members in grouped.items():
        if not members:
            raise AdaptationError(f"module '{module}' has no fast parameter; check the pattern that selects them")
    for name in names:
        owners = [module for module, members in grouped.items() if name in members]
        if len(owners) != 1:
            raise AdaptationError(f"fast parameter '{name}' belongs to {len(owners)} fast modules {owners}; it must belong to one")
    return grouped


def kept(errors: Tensor, *, factor: float) -> Tensor:
    """Which samples the trim keeps: finite, and at most ``factor`` times the median of the finite errors.

    Args:
        errors: shape (..., batch), not negative.

    Returns:
        bool of the same shape.
    """
    finite = errors.isfinite()
    # Of an even number nanmedian takes the lower one, so outliers in half of the window do not raise the limit.
    median = torch.nanmedian(errors.where(finite, torch.nan), dim=-1, keepdim=True).values
    return finite & (errors <= factor * median)


def followed(transitions: Transitions, *, limit: float) -> Tensor:
    """Which transitions ended where they were commanded to: every joint within ``limit``, rad; without a limit, 0, all.

    Whatever led a joint elsewhere, contact, a hand or a forged reading, the command does not explain what was seen. What nobody
    measured did not end there.

    Returns:
        bool of shape (batch,).
    """
    errors = transitions.following_error
    if limit == 0.0 or errors is None:
        return torch.full((len(transitions),), limit == 0.0, device=transitions.executed.device)
    return (errors.abs() <= limit).all(dim=-1)


def shadow(weights: FastWeights) -> dict[str, Tensor]:
    """Leaves of a new graph that share the weights' memory: nothing is copied, because no step writes in place."""
    return {name: weight.detach().requires_grad_() for name, weight in weights.items()}


def gradients(loss: Tensor, weights: FastWeights, *, differentiable: bool = False) -> dict[str, Tensor]:
    """Gradient of ``loss`` with respect to each of ``weights``; zeros where the loss does not depend on one.

    ``differentiable`` ones can be differentiated through in turn (second order; arXiv 1703.03400).
    """
    found = torch.autograd.grad(loss, tuple(weights.values()), materialize_grads=True, create_graph=differentiable)
    return dict(zip(weights, found, strict=True))


def norm(tensors: Iterable[Tensor]) -> Tensor:
    """Euclidean norm over all elements of all tensors, shape ()."""
    length: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]))
    return length


def clipped(gradients: FastWeights, *, norm: Tensor, limit: float) -> dict[str, Tensor]:
    """Shortens gradients of length ``norm`` to at most ``limit``, keeping their direction."""
    scale = 1.0 / (norm / limit).clamp(min=1.0)
    return {name: gradient * scale for name, gradient in gradients.items()}


def accumulated(momentum: FastWeights, gradients: FastWeights, *, factor: float) -> FastWeights:
    """The direction of a step: ``factor`` times the last direction plus the gradients (Polyak; as in torch.optim.SGD)."""
    if factor == 0.0:
        return gradients
    return {name: gradient + factor * momentum[name] if name in momentum else gradient for name, gradient in gradients.items()}


def prior_precision(inputs: FastWeights, *, ridge: float) -> dict[str, Tensor]:
    """The precision before any sample: ``ridge`` times the identity of each matrix's columns, (columns, columns)."""
    return {name: ridge * torch.eye(each.shape[-1], dtype=each.dtype, device=each.device) for name, each in inputs.items()}


def faded(precision: FastWeights, inputs: FastWeights, *, ridge: float, share: float) -> FastWeights:
    """How sure the weights are before an update: the precision so far, empty before the first, gone back to its prior by ``share``.

    Empty without a ridge, or where the policy does not tell what enters its matrices.
    """
    if not ridge or not inputs:
        return {}
    prior = prior_precision(inputs, ridge=ridge)
    return pulled_back(precision or prior, prior, share=share)


def informed(precision: FastWeights, inputs: FastWeights, kept: Tensor) -> dict[str, Tensor]:
    """Adds the second moment of the ``inputs``, each (batch, columns), of the samples that the trim has ``kept``, (batch,)."""
    counted = {name: torch.where(kept[..., None], inputs[name], 0.0) for name in precision}
    return {name: each + counted[name].mT @ counted[name] for name, each in precision.items()}


def innovations(residuals: Tensor, precision: FastWeights, inputs: FastWeights) -> Tensor:
    """The squares of the residuals before an update over the variance that the weights' own uncertainty leads to expect.

    Beside the noise, 1 in units of itself, a layer with inputs x and precision P is unsure of its prediction by x' P^-1 x: much for an
    input unlike those before, little for a familiar one (Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and
    Navigation, 2001). The noise itself is not known here; see ``InnovationGate``.

    Args:
        residuals: (batch, size).
        precision: of each matrix, (columns, columns); without one, nothing but the noise is expected.
        inputs: of the same matrices, each (batch, columns).

    Returns:
        of shape (batch, size).
    """
    variance = torch.ones_like(residuals[..., :1])
    for name, each in precision.items():
        variance = variance + (inputs[name] * torch.linalg.solve(each, inputs[name].mT).mT).sum(dim=-1, keepdim=True)
    return residuals.square() / variance


def preconditioned(gradients: FastWeights, precision: FastWeights, kept: Tensor) -> dict[str, Tensor]:
    """Divides the gradient of each matrix that has a ``precision`` by it, per sample of the window; the others stay.

    With the gradient of a mean over the window, such a step is one of recursive least squares for a layer that is linear in its
    fast weights (Plackett, 1950; as a fast weight layer: arXiv 2309.05858). The step then fits all samples seen so far, not only
    the window's.
    """
    count = kept.sum(dim=-1)[..., None, None]
    return {
        name: torch.linalg.solve(precision[name], gradient.mT).mT * count if name in precision else gradient
        for name, gradient in gradients.items()
    }


def stepped(
    weights: FastWeights, direction: FastWeights, *, learning_rate: float, rates: Mapping[str, Tensor] = _NO_RATES
) -> dict[str, Tensor]:
    """One step of gradient descent, on new tensors; ``rates`` are factors on the learning rate, by parameter name."""
    return {
        name: torch.sub(weight, direction[name] * rates[name] if name in rates else direction[name], alpha=learning_rate)
        for name, weight in weights.items()
    }


def pulled_back(weights: FastWeights, base: FastWeights, *, share: float) -> dict[str, Tensor]:
    """Moves the weights towards the base by ``share`` of the distance."""
    return {name: torch.lerp(weight, base[name], share) for name, weight in weights.items()}


def reminded(weights: FastWeights, base: FastWeights, precision: FastWeights, *, share: float, ridge: float) -> dict[str, Tensor]:
    """Moves the weights towards the base, and those of a matrix with a ``precision`` the more the less the samples said about them.

    Such a precision is pulled back to its prior by the same ``share``: together the two let the past fade into the prior and not into
    nothing (stabilised forgetting: Kulhavy and Zarrop, Int. J. Control 58, 1993). A direction that the stream excites keeps what was
    learned; one that it hardly excites goes back to the base by the whole ``share``, where an equal pull on all would let it grow until
    the policy acts on something outside the stream.
    """
    plain = {name: weight for name, weight in weights.items() if name not in precision}
    return pulled_back(plain, base, share=share) | {
        name: weights[name] - share * ridge * torch.linalg.solve(each, (weights[name] - base[name]).mT).mT
        for name, each in precision.items()
    }


def distance(weights: FastWeights, origin: FastWeights, names: Iterable[str]) -> Tensor:
    """Euclidean distance over the named parameters, shape ()."""
    # One difference at a time: holding them all would take as much memory, and time for it, as the step itself.
    return norm(weights[name] - origin[name] for name in names)


def drifts(weights: FastWeights, base: FastWeights, base_norms: Mapping[str, float], modules: Modules) -> dict[str, Tensor]:
    """Relative distance from the base of each module, ||w - w0|| / ||w0||, each of shape ()."""
    return {module: distance(weights, base, names) / base_norms[module] for module, names in modules.items()}


def projected(weights: FastWeights, base: FastWeights, drifts: Mapping[str, Tensor], modules: Modules, *, limit: float) -> FastWeights:
    """The nearest weights whose drift is at most ``limit`` in every module; a module inside keeps its bits."""
    scales = {module: 1.0 / (drifts[module] / limit).clamp(min=1.0) for module in modules}
    return {name: torch.lerp(base[name], weights[name], scales[module]) for module, names in modules.items() for name in names}


def base_norms(base: FastWeights, modules: Modules) -> dict[str, float]:
    """Euclidean norm ||w0|| of each module.

    Raises:
        AdaptationError: a norm is zero or not finite, so that no drift relative to it exists.
    """
    norms = {module: float(norm([base[name] for name in names])) for module, names in modules.items()}
    for module, length in norms.items():
        if not 0.0 < length < math.inf:
            raise AdaptationError(f"the base weights of module '{module}' have norm {length}; drift relative to it cannot be bounded")
    return norms


def total_drift(drifts: Mapping[str, float], base_norms: Mapping[str, float]) -> float:
    """||w - w0|| / ||w0|| over all modules, from the figures of each."""
    return math.hypot(*(drift * base_norms[module] for module, drift in drifts.items())) / math.hypot(*base_norms.values())
