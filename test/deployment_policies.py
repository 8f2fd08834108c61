"""Small untrained policies for the simulated deployment, quick enough for tests."""

import torch
from torch import Tensor

from ttt_ros.policies.memory.configuration import MemoryConfig, MemoryKind
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions
from ttt_ros.policies.vocabulary import Vocabulary
from ttt_ros.simulation.arm import JOINT_NAMES, PARKED
from ttt_ros.simulation.deployment import Deployment
from ttt_ros.simulation.pointing import HORIZON
from ttt_ros.simulation.tasks import INSTRUCTIONS

_SPECIFICATION = PolicySpecification(
    cameras=(CameraSpecification(name="overhead", height=96, width=96),),
    joint_names=JOINT_NAMES,
    horizon=HORIZON,
    period=1 / 30,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=8,
)


def memory_policy(*, fast: bool = False, memory: MemoryKind = MemoryKind.NONE, privileged: int = 0, seed: int = 0) -> MemoryPolicy:
    """Random weights; its chunks stay near the parked pose."""
    torch.manual_seed(seed)
    config = MemoryConfig(fast_width=8 if fast else 0, memory=memory, privileged=privileged, width=32, hidden=32)
    policy = MemoryPolicy(config=config, specification=_SPECIFICATION, vocabulary=Vocabulary.of(INSTRUCTIONS))
    policy.movements.mean.copy_(torch.tensor(PARKED).repeat(HORIZON))
    policy.movements.components.copy_(torch.linalg.qr(torch.randn(HORIZON * len(JOINT_NAMES), config.code))[0].T)
    policy.movements.scales.fill_(0.3)
    return policy.requires_grad_(False).eval()


class AlwaysLearning(MemoryPolicy):
    """Takes every transition for informative: untrained eyes see no hand."""

    @classmethod
    def of(cls, policy: MemoryPolicy) -> "AlwaysLearning":
        learning = cls(config=policy.config, specification=policy.specification, vocabulary=policy.vocabulary)
        learning.load_state_dict(policy.state_dict())
        return learning.requires_grad_(False).eval()

    def informative(self, transitions: Transitions) -> Tensor:
        return torch.ones(len(transitions), dtype=torch.bool)


class Expert(MemoryPolicy):
    """Plays what the privileged expert of a deployment would; learns nothing."""

    deployment: Deployment

    @classmethod
    def of(cls, deployment: Deployment) -> "Expert":
        policy = memory_policy()
        expert = cls(config=policy.config, specification=policy.specification, vocabulary=policy.vocabulary)
        expert.deployment = deployment
        return expert.eval()

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return torch.from_numpy(self.deployment.demonstration().chunk).float()[None]
