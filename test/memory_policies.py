"""Small policies with memory and transitions for them, for tests."""

import torch
from torch import Tensor

from ttt_ros.policies.memory.configuration import MemoryConfig, MemoryKind
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.sight import SightConfig
from ttt_ros.policies.transition import Features, Transitions
from ttt_ros.training.meta.desk_arm import SPECIFICATION, VOCABULARY

WORDS = 8
HAND = 3


def small_config(memory: MemoryKind = MemoryKind.WINDOW, *, fast_width: int = 8, privileged: int = 0) -> MemoryConfig:
    sight = SightConfig(stem_channels=4, channels=8, context_channels=8, depth=1, context_depth=1)
    return MemoryConfig(
        sight=sight, width=16, hidden=24, words=4, memory=memory, window=3, heads=2, fast_width=fast_width, code=5, privileged=privileged
    )


def small_memory_policy(memory: MemoryKind = MemoryKind.WINDOW, *, fast_width: int = 8, privileged: int = 0, seed: int = 0) -> MemoryPolicy:
    torch.manual_seed(seed)
    config = small_config(memory, fast_width=fast_width, privileged=privileged)
    policy = MemoryPolicy(config=config, specification=SPECIFICATION, vocabulary=VOCABULARY)
    chunks = torch.randn(40, 5) @ torch.randn(5, SPECIFICATION.horizon * len(SPECIFICATION.joint_names))
    policy.movements.fit(0.1 * chunks.unflatten(1, (SPECIFICATION.horizon, -1)))
    return policy


def random_features(*batch: int, hand_seen: bool, generator: torch.Generator) -> Features:
    points = torch.rand(*batch, 4, 3, generator=generator) * 2 - 1
    points[..., 2] = 0.9
    points[..., HAND, 2] = 0.9 if hand_seen else 0.1
    return {
        "points": points,
        "proprioception": _normal(*batch, len(SPECIFICATION.joint_names), generator=generator),
        "words": torch.randint(1, len(VOCABULARY), (*batch, WORDS), generator=generator),
    }


def random_transitions(*batch: int, seed: int = 0) -> Transitions:
    generator = torch.Generator().manual_seed(seed)
    return Transitions(
        features=random_features(*batch, hand_seen=False, generator=generator),
        executed=0.3 * _normal(*batch, SPECIFICATION.horizon, len(SPECIFICATION.joint_names), generator=generator),
        steps=torch.full(batch, SPECIFICATION.horizon),
        next_features=random_features(*batch, hand_seen=True, generator=generator),
    )


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator)
