"""One inference: what it is asked for and what it answers."""

import time
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_ros.adaptation.versions import Version
from ttt_ros.control.executed import Executed
from ttt_ros.errors import ActionError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Features, Memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """The answer.

    Attributes:
        features: of the trunk.
        actions: float32, (1, horizon, joints), on the CPU.
        duration: seconds that both took.
        base_deviation: largest difference of any action from the base policy's for the same observation, rad; 0 for the base itself.
        feature_deviation: of the features from those of training, see ``Policy.novelty``; None where that is not known.
    """

    features: Features
    actions: Tensor
    duration: float
    base_deviation: float
    feature_deviation: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """An inference under way.

    Attributes:
        sequence: that the chunk will carry.
        observation: that it answers.
        version: of the fast weights that act.
        executed: what was commanded since the observation before; None if that is no transition.
        asked: when, in nanoseconds.
        answer: holds the inference once it is there.
        void: a reset has made the answer meaningless.
    """

    sequence: int
    observation: Observation
    version: Version
    executed: Executed | None
    asked: int
    answer: "Future[Inference]"
    void: bool = False


@torch.no_grad()
def infer(policy: Policy, observation: Observation, version: Version, memory: Memory, *, base: Version) -> Inference:
    """Runs the trunk once, acts with the fast weights of ``version``, and compares with what ``base`` would do.

    Raises:
        ActionError: the policy's answer is not of the shape that its specification promises.
    """
    started = time.perf_counter()
    features = policy.encode(observation)
    actions = policy.act(features, version.weights, memory)
    duration = time.perf_counter() - started
    promised = (1, policy.specification.horizon, len(policy.specification.joint_names))
    if actions.shape != promised:
        raise ActionError(f"the policy answered with actions of shape {tuple(actions.shape)} instead of {promised}; mend the policy")
    deviation = 0.0 if version is base else float((actions - policy.act(features, base.weights, memory)).abs().max())
    novelty = policy.novelty(features)
    return Inference(
        features=features,
        actions=actions.float().cpu(),
        duration=duration,
        base_deviation=deviation,
        feature_deviation=None if novelty is None else float(novelty),
    )
