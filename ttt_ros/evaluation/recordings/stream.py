"""A policy on a stream of recorded observations, with the code that adapts on a robot: the same window, learner and gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.evaluation.deployments.controls import FlippedPolicy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Features, Transitions


class Arm(str, Enum):
    """What happens to the fast weights."""

    FROZEN = "frozen"
    ADAPTING = "adapting"
    FLIPPED = "flipped"
    """Control: every step goes the wrong way."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One episode as the policy's trunk sees it.

    Attributes:
        stamps: nanoseconds, by frame.
        features: of each observation, batch of 1.
        commands: recorded from each frame on, float32, shape (frames, horizon, joints).
    """

    stamps: tuple[int, ...]
    features: Sequence[Features]
    commands: Tensor


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What one arm did, frame by frame, over all episodes.

    Attributes:
        prediction_loss: error of the prediction of this observation from the one before, made before anything was learned from it; NaN for
            the first of an episode. float64, shape (frames,).
        action_error: mean absolute error over the chunk's steps, in the units of the joints, float64, shape (frames, joints).
        windows: handed to the learner.
        committed: of them, those that became a version.
        drift: relative distance of the fast weights from the base at the end.
    """

    prediction_loss: NDArray[np.float64]
    action_error: NDArray[np.float64]
    windows: float
    committed: float
    drift: float


@torch.no_grad()
def streamed(policy: Policy, episodes: Sequence[Recorded], arm: Arm, config: AdaptationConfig, *, interval: int) -> Stream:
    """Plays ``episodes`` to ``policy`` in order, ``interval`` control steps from one observation to the next.

    What was executed between two observations is what was recorded there. The order is that of the control loop: act, then learn from
    the transition that the observation completes. No window reaches over the end of an episode; the fast weights stay.
    """
    store = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=config.versions)
    learner = Learner(FlippedPolicy(policy) if arm is Arm.FLIPPED else policy, config, store)
    window = TransitionWindow(size=config.window, minimum=config.minimum_samples)
    losses: list[float] = []
    errors: list[NDArray[np.float64]] = []
    reports: list[bool] = []
    for episode in episodes:
        window.reset()
        memory = policy.begin()
        for index, features in enumerate(episode.features):
            fast = store.current.weights
            chunk = policy.act(features, fast, memory)[0].cpu()
            errors.append((chunk - episode.commands[index]).abs().mean(dim=0).double().numpy())
            if not index:
                losses.append(np.nan)
                continue
            transition = _transition(episode, index, interval)
            losses.append(float(scored(policy, transition, fast, objectives=config.objectives).errors))
            if not bool(policy.informative(transition)):
                continue
            memory = policy.remember(memory, transition)
            ready = window.push(transition, stamp=episode.stamps[index - 1]) if arm is not Arm.FROZEN else None
            if ready is not None:
                reports.append(learner.adapt(ready, epoch=store.epoch).committed)
    return Stream(
        prediction_loss=np.array(losses),
        action_error=np.stack(errors),
        windows=len(reports),
        committed=sum(reports),
        drift=store.current.drift_total,
    )


@torch.no_grad()
def no_change(policy: Policy, episodes: Sequence[Recorded], config: AdaptationConfig, *, interval: int) -> NDArray[np.float64]:
    """The prediction loss of always predicting the mean of training, which for the built-in objectives is that nothing changes.

    Returns:
        As ``Stream.prediction_loss``, which should be below it.
    """
    base = policy.base_fast_weights()
    sizes: list[float] = []
    for episode in episodes:
        sizes.append(np.nan)
        for index in range(1, len(episode.features)):
            outcomes = policy.reconstruct(_transition(episode, index, interval), base)
            sizes.append(sum(weight * float(outcomes[name].target.square().mean()) for name, weight in config.objectives.items() if weight))
    return np.array(sizes)


def _transition(episode: Recorded, index: int, interval: int) -> Transitions:
    """From the observation before ``index`` to the one at it."""
    commands = episode.commands[index - 1]
    executed = torch.cat([commands[:interval], commands[interval - 1 : interval].expand(len(commands) - interval, -1)])
    before, after = episode.features[index - 1], episode.features[index]
    device = next(iter(before.values())).device
    return Transitions(
        features=before, executed=executed[None].to(device), steps=torch.tensor([interval], device=device), next_features=after
    )
