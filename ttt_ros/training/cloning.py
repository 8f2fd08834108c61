"""The losses of behaviour cloning, joint with the reconstruction that adaptation will learn from."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.policies.transition import NO_MEMORY, Features, Memory, Transitions
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.training.configuration import CloningConfig
from ttt_ros.training.demonstration_set import DemonstrationSet, FrameBatch, History, PairBatch

_SMALLEST_SCALE = 1e-3
"""A joint or a feature that varies less than this counts as constant; dividing by less would blow noise up."""

_SCALE_MOMENTUM = 0.02
"""Share of the newest batch in the scale of the reconstruction targets while the trunk that they describe still changes."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The parts of the loss of one batch, each a scalar."""

    action: Tensor
    features: Tensor
    proprioception: Tensor
    landmarks: Tensor

    def total(self, config: CloningConfig) -> Tensor:
        """The weighted sum."""
        reconstruction = self.features + self.proprioception
        return self.action + config.reconstruction_weight * reconstruction + config.landmark_weight * self.landmarks


class Cloner(nn.Module):
    """The policy and what is trained with it but not shipped: a head that reads landmarks off the trunk, if there are any."""

    landmark_mean: Tensor
    landmark_scale: Tensor

    def __init__(self, policy: VisionLanguageActionPolicy, *, landmarks: int) -> None:
        super().__init__()
        self.policy = policy
        self.landmark_head = nn.Linear(policy.config.width, landmarks) if landmarks else None
        self.register_buffer("landmark_mean", torch.zeros(landmarks))
        self.register_buffer("landmark_scale", torch.ones(landmarks))

    @torch.no_grad()
    def fit_scales(self, demonstrations: DemonstrationSet) -> None:
        """Sets the scales of joints, actions and landmarks, if there are any, from all demonstrations."""
        policy = self.policy
        positions, landmarks = demonstrations.column("positions"), demonstrations.column("landmarks")
        offsets = demonstrations.column("commands") - positions[:, None]
        policy.position_mean.copy_(positions.mean(dim=0))
        policy.position_scale.copy_(positions.std(dim=0).clamp(min=_SMALLEST_SCALE))
        policy.action_scale.copy_(_root_mean_square(offsets))
        if self.landmark_head is not None:
            self.landmark_mean.copy_(landmarks.mean(dim=0))
            self.landmark_scale.copy_(landmarks.std(dim=0).clamp(min=_SMALLEST_SCALE))

    def losses(self, pairs: PairBatch) -> Losses:
        """Computes the losses of a batch: both frames of each pair teach actions, the pair teaches reconstruction.

        Reconstruction does not reach the trunk: it would otherwise make the features easy to predict rather than useful.
        It also moves the scales of the reconstruction targets towards those of this batch.
        """
        policy, fast = self.policy, self.policy.fast_parameters()
        frames = pairs.frames()
        features = policy.encode_batch(images=frames.images, positions=frames.positions, words=frames.words)
        offsets = (frames.commands - frames.positions[:, None]) / policy.action_scale
        transitions = _transitions(pairs, features)
        _move_change_scales(policy, transitions, momentum=_SCALE_MOMENTUM)
        outcome = policy.reconstruct(transitions, fast)
        memory = NO_MEMORY if pairs.history is None else _remembered(policy, pairs.history)
        return Losses(
            action=functional.l1_loss(policy.normalised_offsets(features, fast, memory), offsets),
            features=functional.mse_loss(outcome["features"].prediction, outcome["features"].target),
            proprioception=functional.mse_loss(outcome["proprioception"].prediction, outcome["proprioception"].target),
            landmarks=self._landmark_loss(features, frames),
        )

    def _landmark_loss(self, features: Features, frames: FrameBatch) -> Tensor:
        if self.landmark_head is None:
            return frames.landmarks.new_zeros(())
        # The words' tokens come before the last one, which is the joints'.
        words = features["tokens"][:, -1 - frames.words.shape[1] : -1]
        landmarks = (frames.landmarks - self.landmark_mean) / self.landmark_scale
        return functional.l1_loss(self.landmark_head(words.mean(dim=1)).float(), landmarks)


@torch.no_grad()
def calibrate(policy: VisionLanguageActionPolicy, demonstrations: DemonstrationSet, *, pairs: int, seed: int) -> None:
    """Sets the scales of the reconstruction targets exactly, for the trunk as it is, from ``pairs`` pairs of frames."""
    drawn = demonstrations.pairs(pairs, np.random.default_rng(seed))
    frames = drawn.frames()
    features = policy.encode_batch(images=frames.images, positions=frames.positions, words=frames.words)
    _move_change_scales(policy, _transitions(drawn, features), momentum=1.0)


@torch.no_grad()
def _move_change_scales(policy: VisionLanguageActionPolicy, transitions: Transitions, *, momentum: float) -> None:
    for scale, name in ((policy.summary_change_scale, "summary"), (policy.position_change_scale, "proprioception")):
        scale.lerp_(_root_mean_square(transitions.next_features[name] - transitions.features[name]), momentum)


def _transitions(pairs: PairBatch, features: Features) -> Transitions:
    """The pairs as adaptation sees them; ``features`` are those of all frames before, then all after."""
    count = len(pairs.steps)
    detached = {name: tensor.detach() for name, tensor in features.items()}
    return Transitions(
        features={name: tensor[:count] for name, tensor in detached.items()},
        executed=pairs.before.executed,
        steps=pairs.steps,
        next_features={name: tensor[count:] for name, tensor in detached.items()},
    )


def _remembered(policy: VisionLanguageActionPolicy, history: History) -> Memory:
    """The memory of each frame of a batch, built as a running policy builds it."""
    memory = {name: start.expand(len(history.steps), -1) for name, start in policy.begin().items()}
    for step in range(history.steps.shape[1]):
        transitions = Transitions(
            features={"proprioception": history.positions[:, step]},
            executed=history.executed[:, step],
            steps=history.steps[:, step],
            next_features={"proprioception": history.next_positions[:, step]},
        )
        happened = (history.steps[:, step] > 0)[:, None]
        later = policy.remember(memory, transitions)
        memory = {name: torch.where(happened, later[name], kept) for name, kept in memory.items()}
    return memory


def _root_mean_square(samples: Tensor) -> Tensor:
    return samples.square().mean(dim=0).sqrt().clamp(min=_SMALLEST_SCALE)
