"""Two small policies behind the protocol: the built-in one, and a foreign torch module behind the adapter."""

import dataclasses

import torch
from torch import Tensor, nn

from ttt_ros.errors import InstructionError
from ttt_ros.policies.adapter import ModuleAdapter
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy, Reconstruction
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.transition import Features, Transitions
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.policies.vocabulary import Vocabulary

SPECIFICATION = PolicySpecification(
    cameras=(CameraSpecification(name="scene", height=32, width=32), CameraSpecification(name="wrist", height=32, width=32)),
    joint_names=("shoulder", "elbow", "wrist"),
    horizon=4,
    period=0.05,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=5,
)
INSTRUCTIONS = ("touch the red cube", "touch the blue cube")
CONFIG = VlaConfig(width=16, heads=2, depth=3, mlp_width=24, fast_width=8, stem_channels=(8, 8, 8), key_points=4)


def built_in_policy(*, seed: int = 0, memory: int = 0) -> VisionLanguageActionPolicy:
    """A tiny built-in policy whose fast MLPs are not zero, as after training."""
    torch.manual_seed(seed)
    config = dataclasses.replace(CONFIG, memory=memory)
    policy = VisionLanguageActionPolicy(config=config, specification=SPECIFICATION, vocabulary=Vocabulary.of(INSTRUCTIONS))
    with torch.no_grad():
        for weight in policy.fast_parameters().values():
            weight.normal_(std=0.2)
        policy.action_scale.fill_(0.1)
        policy.position_mean.fill_(0.05)
    return policy.requires_grad_(False).eval()


class ForeignModule(nn.Module):
    """A convolution, torch's own transformer encoder and two heads, written without knowledge of this package."""

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, kernel_size=8, stride=8)
        self.instruction_embedding = nn.Embedding(len(INSTRUCTIONS), width)
        self.joints = nn.Linear(3, width)
        self.early = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=24, dropout=0.1, batch_first=True)
        self.late = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=24, dropout=0.1, batch_first=True)
        self.norm = nn.BatchNorm1d(width)
        self.action_head = nn.Linear(width, SPECIFICATION.horizon * 3)
        self.outcome_head = nn.Linear(width + SPECIFICATION.horizon * 3, width + 3)

    def embed(self, images: Tensor, joints: Tensor, instruction: Tensor) -> Tensor:
        patches = self.conv(images).flatten(2).transpose(1, 2)
        return self.early(torch.cat([patches, self.joints(joints)[:, None], self.instruction_embedding(instruction)[:, None]], dim=1))

    def read(self, tokens: Tensor) -> Tensor:
        return self.norm(self.late(tokens).mean(dim=1))


def recurrent_policy(*, seed: int = 0) -> VisionLanguageActionPolicy:
    """The built-in policy with a memory."""
    return built_in_policy(seed=seed, memory=8)


def _encode(module: nn.Module, observation: Observation) -> Features:
    assert isinstance(module, ForeignModule)
    joints = observation.joint_positions[None]
    images = torch.stack([observation.images["scene"], observation.images["wrist"]]).float().mean(dim=0).permute(2, 0, 1)[None] / 255
    tokens = module.embed(images, joints, torch.tensor([INSTRUCTIONS.index(observation.instruction)]))
    return {"tokens": tokens, "joints": joints}


def _act(module: nn.Module, features: Features) -> Tensor:
    assert isinstance(module, ForeignModule)
    offsets = module.action_head(module.read(features["tokens"])).unflatten(1, (SPECIFICATION.horizon, 3))
    return features["joints"][:, None] + 0.1 * offsets


def _reconstruct(module: nn.Module, transitions: Transitions) -> dict[str, Reconstruction]:
    assert isinstance(module, ForeignModule)
    before, after = transitions.features, transitions.next_features
    executed = (transitions.executed - before["joints"][:, None]).flatten(1)
    features, joints = module.outcome_head(torch.cat([module.read(before["tokens"]), executed], dim=1)).split([16, 3], dim=1)
    return {
        "features": Reconstruction(prediction=features, target=after["tokens"].mean(dim=1) - before["tokens"].mean(dim=1)),
        "proprioception": Reconstruction(prediction=joints, target=after["joints"] - before["joints"]),
    }


def _check_instruction(instruction: str) -> None:
    if instruction not in INSTRUCTIONS:
        raise InstructionError(f"the instruction {instruction!r} is unknown; known are: {', '.join(INSTRUCTIONS)}")


def foreign_module(*, seed: int = 0) -> ForeignModule:
    torch.manual_seed(seed)
    return ForeignModule()


def adapted_policy(*, seed: int = 0) -> ModuleAdapter:
    """The foreign module behind the adapter."""
    return adapt(foreign_module(seed=seed), fast_patterns=("late.linear*",))


def adapt(module: nn.Module, *, fast_patterns: tuple[str, ...], action_head: str = "action_head") -> ModuleAdapter:
    """Wraps ``module`` with the functions of the foreign module."""
    return ModuleAdapter(
        module,
        specification=SPECIFICATION,
        fast_patterns=fast_patterns,
        action_head=action_head,
        check_instruction=_check_instruction,
        encode=_encode,
        act=_act,
        reconstruct=_reconstruct,
    )


def observation(*, seed: int = 0, instruction: str = INSTRUCTIONS[0]) -> Observation:
    """A random observation that fits both."""
    generator = torch.Generator().manual_seed(seed)
    return Observation(
        stamp=seed,
        images={
            camera.name: torch.randint(0, 256, (camera.height, camera.width, 3), dtype=torch.uint8, generator=generator)
            for camera in SPECIFICATION.cameras
        },
        joint_positions=torch.randn(3, generator=generator),
        instruction=instruction,
    )


def transition(policy: Policy, *, seed: int = 0, steps: int = 3) -> Transitions:
    """One transition between two random observations."""
    executed = torch.randn(1, SPECIFICATION.horizon, 3, generator=torch.Generator().manual_seed(seed))
    executed[:, steps:] = executed[:, steps - 1 : steps]
    return Transitions(
        features=policy.encode(observation(seed=2 * seed)),
        executed=executed,
        steps=torch.tensor([steps]),
        next_features=policy.encode(observation(seed=2 * seed + 1)),
    )
