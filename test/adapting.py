"""A learner on the small policy, and windows for it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from small_policy import SmallPolicy, stream
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.adaptation.window import TransitionWindow, Window
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Transitions, concatenated

OBJECTIVES = {"features": 1.0, "proprioception": 1.0}


def store_of(policy: Policy, *, size: int = 16) -> VersionStore:
    return VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=size)


def learner_on(policy: Policy, config: AdaptationConfig | None = None) -> Learner:
    config = config or AdaptationConfig()
    return Learner(policy, config, store_of(policy, size=config.versions))


def adapted(learner: Learner, count: int = 30, *, seed: int = 0, shift: float = 1.0) -> Learner:
    """The learner after the windows of a shifted stream, each of which it must have accepted."""
    for window in windows(stream(SmallPolicy(), count, seed=seed, shift=shift)):
        assert learner.adapt(window, epoch=learner.store.epoch).committed
    return learner


def windows(transitions: Iterable[Transitions], *, size: int = 8, minimum: int = 8) -> Iterator[Window]:
    """Slides a window over the stream; a transition's stamp is its place in it."""
    sliding = TransitionWindow(size=size, minimum=minimum)
    for stamp, transition in enumerate(transitions):
        window = sliding.push(transition, stamp=stamp)
        if window is not None:
            yield window


def shifted_window(*, seed: int = 0, shift: float = 1.0) -> Window:
    """One full window of a stream that the base policy predicts badly."""
    return next(windows(stream(SmallPolicy(), 8, seed=seed, shift=shift)))


def with_outcome(window: Window, sample: int, value: float) -> Window:
    """The window with the outcome of one sample, seen by the objective, replaced by ``value``."""
    following = {name: feature.clone() for name, feature in window.transitions.next_features.items()}
    for feature in following.values():
        feature[sample] = value
    return replace(window, transitions=replace(window.transitions, next_features=following))


def error_on_shifted_stream(policy: SmallPolicy, fast: FastWeights, *, shift: float) -> float:
    """Mean error on transitions that no learner has seen."""
    held_out = concatenated(list(stream(policy, 200, seed=99, shift=shift)))
    with torch.no_grad():
        return float(scored(policy, held_out, fast, objectives=OBJECTIVES).errors.mean())


def equal_bits(left: FastWeights, right: FastWeights) -> bool:
    return left.keys() == right.keys() and all(_bits(left[name]).equal(_bits(right[name])) for name in left)


def _bits(tensor: Tensor) -> Tensor:
    return tensor.view(torch.int32)
