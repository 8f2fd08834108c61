"""A policy small enough that 100,000 chunks, each with an update, take minutes."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ttt_ros.errors import InstructionError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

CAMERA = "scene"
INSTRUCTIONS = ("go left", "go right", "go home")
_GOALS = (0.6, -0.6, 0.0)
_HIDDEN, _FAST = 16, 8
_STRIDE = 0.05  # rad in one step towards the goal
_SCALE = 0.1  # rad

SPECIFICATION = PolicySpecification(
    cameras=(CameraSpecification(name=CAMERA, height=16, width=16),),
    joint_names=("shoulder", "elbow", "wrist"),
    horizon=6,
    period=0.05,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=2,
)


class SoakPolicy(Memoryless):
    """Walks to where the instruction says, and predicts where that leads; a residual fast MLP bends both a little.

    Its own computation is a few small products, so that a soak spends its time on what is soaked: loop, schedule, windows, learner,
    versions, safeguard.
    """

    def __init__(self) -> None:
        """The same weights every time."""
        generator = torch.Generator().manual_seed(0)
        joints = len(SPECIFICATION.joint_names)

        def normal(rows: int, columns: int) -> Tensor:
            return torch.randn((rows, columns), generator=generator) / math.sqrt(rows)

        self._weights = {
            "look": normal(3, _HIDDEN),
            "joints": normal(joints, _HIDDEN),
            "moved": normal(joints, _HIDDEN),
            "action": normal(_HIDDEN, joints),
            "outcome": normal(_HIDDEN, joints),
            "late.up": normal(_HIDDEN, _FAST),
            "late.down": 0.1 * normal(_FAST, _HIDDEN),
        }
        self.checksum = self.state_checksum()

    @property
    def specification(self) -> PolicySpecification:
        """One small camera, three joints, six steps at 20 Hz."""
        return SPECIFICATION

    def state_checksum(self) -> str:
        """Of all weights as they are now."""
        return tensor_checksum(self._weights)

    def base_fast_weights(self) -> FastWeights:
        """Copies of the two fast matrices."""
        return {name: weight.clone() for name, weight in self._weights.items() if name.startswith("late.")}

    def fast_modules(self) -> tuple[str, ...]:
        """One."""
        return ("late",)

    def check_instruction(self, instruction: str) -> None:
        """Raises InstructionError unless it is one of INSTRUCTIONS."""
        if instruction not in INSTRUCTIONS:
            raise InstructionError(f"the instruction {instruction!r} is unknown; known are: {', '.join(INSTRUCTIONS)}")

    @torch.no_grad()
    def encode(self, observation: Observation) -> Features:
        """Mean colour, joints and goal, each with a batch of 1."""
        goal = _GOALS[INSTRUCTIONS.index(observation.instruction)]
        return {
            "look": observation.images[CAMERA].float().mean(dim=(0, 1))[None] / 255.0,
            "joints": observation.joint_positions[None],
            "goal": torch.full((1, 1), goal),
        }

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Steps of at most a stride towards the goal."""
        joints, weights = features["joints"], self._weights
        hidden = self._late(features["look"] @ weights["look"] + joints @ weights["joints"], fast)
        towards = (features["goal"] + 0.02 * torch.tanh(hidden @ weights["action"]) - joints).clamp(-_STRIDE, _STRIDE)
        counted = torch.arange(1, SPECIFICATION.horizon + 1)[:, None]
        travelled = (counted * towards[:, None]).abs().minimum((features["goal"] - joints).abs()[:, None] + _STRIDE)
        return joints[:, None] + torch.sign(towards)[:, None] * travelled

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """The change of the joints."""
        before, after = transitions.features["joints"], transitions.next_features["joints"]
        moved = transitions.executed[:, -1] - before
        hidden = self._late(moved @ self._weights["moved"], fast)
        return {
            "joints": Reconstruction(
                prediction=(moved + 0.02 * hidden @ self._weights["outcome"]) / _SCALE, target=(after - before) / _SCALE
            )
        }

    def _late(self, hidden: Tensor, fast: FastWeights) -> Tensor:
        return hidden + torch.tanh(hidden @ fast["late.up"]) @ fast["late.down"]

    def rates(self) -> Mapping[str, Tensor]:
        """None are learned."""
        return {}
