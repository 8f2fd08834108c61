"""A small policy that obeys the protocol, and streams of transitions whose dynamics it knows except for a shift."""

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import silu

from ttt_ros.errors import InstructionError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

WIDTH = 64
HORIZON = 4
JOINT_NAMES = ("shoulder", "elbow", "wrist")
IMAGE_SIDE = 8


class SmallPolicy(Memoryless):
    """Two residual fast MLPs with zero-initialised output between random, fixed linear maps; the same for the same seed."""

    def __init__(self, *, seed: int = 0, hidden: int = 64) -> None:
        generator = torch.Generator().manual_seed(seed)
        joints = len(JOINT_NAMES)

        def random(rows: int, columns: int) -> Tensor:
            return torch.randn(rows, columns, generator=generator).div(rows**0.5)

        self._from_image = random(3 * IMAGE_SIDE * IMAGE_SIDE, WIDTH)
        self._from_joints = random(joints, WIDTH)
        self._to_actions = random(WIDTH, HORIZON * joints) * 0.1
        self._to_features = random(WIDTH, WIDTH)
        self._executed_to_features = random(HORIZON * joints, WIDTH)
        self._to_joints = random(WIDTH, joints)
        self._executed_to_joints = random(HORIZON * joints, joints)
        self._fast = {}
        for module in self.fast_modules():
            self._fast[f"{module}.up"] = random(WIDTH, hidden)
            self._fast[f"{module}.down"] = torch.zeros(hidden, WIDTH)

    @property
    def specification(self) -> PolicySpecification:
        return PolicySpecification(
            cameras=(CameraSpecification(name="front", height=IMAGE_SIDE, width=IMAGE_SIDE),),
            joint_names=JOINT_NAMES,
            horizon=HORIZON,
            period=0.05,
            action_meaning=ActionMeaning.ABSOLUTE,
            max_instruction_words=4,
        )

    @property
    def checksum(self) -> str:
        tensors = [value for value in vars(self).values() if isinstance(value, Tensor)] + list(self._fast.values())
        return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()

    def base_fast_weights(self) -> FastWeights:
        return {name: weight.clone() for name, weight in self._fast.items()}

    def fast_modules(self) -> tuple[str, ...]:
        return ("blocks.2.mlp", "blocks.3.mlp")

    def check_instruction(self, instruction: str) -> None:
        words = len(instruction.split())
        if not 0 < words <= self.specification.max_instruction_words:
            raise InstructionError(f"an instruction has 1 to {self.specification.max_instruction_words} words, not {words}")

    @torch.no_grad()
    def encode(self, observation: Observation) -> Features:
        image = observation.images["front"].float().flatten() / 127.5 - 1.0
        joints = observation.joint_positions
        return {"state": (image @ self._from_image + joints @ self._from_joints)[None], "joints": joints[None]}

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return (self._adapted(features["state"], fast) @ self._to_actions).view(-1, HORIZON, len(JOINT_NAMES))

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        targets = {"features": transitions.next_features["state"], "proprioception": transitions.next_features["joints"]}
        predictions = self.predictions(transitions.features, transitions.executed, fast)
        return {name: Reconstruction(prediction=predictions[name], target=target) for name, target in targets.items()}

    def predictions(self, features: Features, executed: Tensor, fast: FastWeights) -> dict[str, Tensor]:
        """What ``reconstruct`` predicts, which does not need to know what came next."""
        state, executed = self._adapted(features["state"], fast), executed.flatten(1)
        return {
            "features": state @ self._to_features + executed @ self._executed_to_features,
            "proprioception": state @ self._to_joints + executed @ self._executed_to_joints,
        }

    def _adapted(self, state: Tensor, fast: FastWeights) -> Tensor:
        for module in self.fast_modules():
            state = state + silu(state @ fast[f"{module}.up"]) @ fast[f"{module}.down"]
        return state


def observation(*, seed: int = 0, stamp: int = 0) -> Observation:
    """A random observation that fits SmallPolicy."""
    generator = torch.Generator().manual_seed(seed)
    return Observation(
        stamp=stamp,
        images={"front": torch.randint(0, 256, (IMAGE_SIDE, IMAGE_SIDE, 3), dtype=torch.uint8, generator=generator)},
        joint_positions=torch.randn(len(JOINT_NAMES), generator=generator),
        instruction="reach",
    )


def stream(policy: SmallPolicy, count: int, *, seed: int = 0, shift: float = 0.0, glitches: float = 0.0) -> Iterator[Transitions]:
    """Single transitions of dynamics that the base policy predicts up to small noise, changed by ``shift``.

    Args:
        shift: size of a hidden transformation of the state before the known dynamics act; 0 is what the base knows.
        glitches: probability that a transition's outcome is replaced by noise of ten times its usual size.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(12345)) / WIDTH**0.5
    base = policy.base_fast_weights()
    for _ in range(count):
        state = torch.randn(1, WIDTH, generator=generator)
        joints = torch.randn(1, len(JOINT_NAMES), generator=generator)
        executed = 0.5 * torch.randn(1, HORIZON, len(JOINT_NAMES), generator=generator)
        following = policy.predictions({"state": state + shift * state @ hidden}, executed, base)
        noise = {name: torch.randn(outcome.shape, generator=generator) for name, outcome in following.items()}
        if torch.rand((), generator=generator) < glitches:
            following = {name: 10.0 * noise[name] for name in noise}
        else:
            following = {name: outcome + 0.1 * noise[name] for name, outcome in following.items()}
        yield Transitions(
            features={"state": state, "joints": joints},
            executed=executed,
            steps=torch.tensor([HORIZON]),
            next_features={"state": following["features"], "joints": following["proprioception"]},
        )
