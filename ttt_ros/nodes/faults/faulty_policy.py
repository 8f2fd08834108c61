"""A policy that misbehaves on command, for the policy node's parameter ``policy.factory``."""

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from ttt_ros.nodes.faults import unprotected
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.transition import FastWeights, Features, Transitions
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.policies.vocabulary import Vocabulary

NONE = "none"
NAN_GRADIENT = "nan_gradient"
INFINITE_GRADIENT = "infinite_gradient"
LARGE_GRADIENT = "gradient_times_100"
SLOW_DRIFT = "slow_drift"
FALLING_LOSS = "falling_loss"
HANG = "hang"
DEATH = "death"
EXCEPTION = "exception"
SLOW = "slow"
PENSIVE = "pensive"

SLOW_BY = 0.04
"""Seconds by which a slow inference takes longer: with about 0.02 s of its own it then takes three times as long."""

_PENSIVE_BY = 0.25
"""Seconds by which a pensive inference takes longer: half of max_inference_time, so that something can happen meanwhile."""

_GRADIENTS = {NAN_GRADIENT: math.nan, INFINITE_GRADIENT: math.inf, LARGE_GRADIENT: 100.0}
_PUSH = 0.95
"""Length of the gradient of a slow drift, just under the shipped clip_norm of 1."""

_ERROR = 0.3
"""Of each reconstruction under a push, so that the loss is one that a clean window has."""

_FALL = 0.97
"""Factor on the falling loss in each window."""

_AWAY = 40.0
"""Derivative of the falling loss by the mean action: with the shipped policy the gradient then is about as long as clip_norm."""


def fault_file(checkpoint: Path) -> Path:
    """Where the name of the present fault is read from."""
    return checkpoint.with_suffix(".fault")


def without_file(checkpoint: Path) -> Path:
    """Where the names of the protections that are switched off are read from, once, when the policy is loaded."""
    return checkpoint.with_suffix(".without")


def load(path: Path, device: str) -> "FaultyPolicy":
    """Loads a checkpoint of the built-in policy, and switches off the protections that are named beside it."""
    if without_file(path).exists():
        for name in without_file(path).read_text().split():
            unprotected.PATCHES[name]()
    header, plain = read_header(path), load_policy(path, device=device)
    policy = FaultyPolicy(config=plain.config, specification=header.specification, vocabulary=Vocabulary(header.vocabulary))
    policy.load_state_dict(plain.state_dict())
    policy.statistics = plain.statistics
    policy.commands = fault_file(path)
    return policy.requires_grad_(False).eval().to(device)


class FaultyPolicy(VisionLanguageActionPolicy):
    """Reads before each inference and each window what to do wrong."""

    commands: Path
    _falling = _ERROR

    def encode(self, observation: Observation) -> Features:
        """As the policy, or slowly."""
        time.sleep({SLOW: SLOW_BY, PENSIVE: _PENSIVE_BY}.get(self._fault(), 0.0))
        return super().encode(observation)

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """As the policy, unless a fault is commanded."""
        fault = self._fault()
        while fault == HANG:
            time.sleep(0.01)
            fault = self._fault()
        if fault == DEATH:
            raise SystemExit  # no Exception, so that nothing on the way catches it
        if fault == EXCEPTION:
            raise RuntimeError("a policy may raise anything")
        found = super().reconstruct(transitions, fast)
        if fault == SLOW_DRIFT:
            return _pushed(found, _along_themselves(fast), error=_ERROR, length=_PUSH)
        if fault == FALLING_LOSS:
            self._falling *= _FALL
            return _pushed(found, self.act(transitions.features, fast).mean(dim=(1, 2)), error=self._falling, length=_AWAY)
        if fault in _GRADIENTS:
            for each in found.values():
                if each.prediction.requires_grad:
                    each.prediction.register_hook(lambda gradient: gradient * _GRADIENTS[fault])
        return found

    def _fault(self) -> str:
        try:
            return self.commands.read_text()
        except OSError:
            return NONE


def _along_themselves(fast: FastWeights) -> Tensor:
    """A number that grows along a fixed direction of unit length in weight space."""
    count = sum(weight.numel() for weight in fast.values())
    return torch.stack([weight.sum() for weight in fast.values()]).sum() / math.sqrt(count)


def _pushed(found: dict[str, Reconstruction], goal: Tensor, *, error: float, length: float) -> dict[str, Reconstruction]:
    """Reconstructions whose error is ``error`` squared each, and whose gradient asks for more of ``goal``, () or (batch,)."""
    pushed = {}
    for name, each in found.items():
        shape = each.prediction.shape
        value = (goal if goal.dim() else goal.expand(shape[0]))[:, None].expand(shape)
        step = length / (2.0 * error * len(found))
        prediction = each.prediction.detach() + step * (value - value.detach())
        pushed[name] = Reconstruction(prediction=prediction, target=each.prediction.detach() + error)
    return pushed
