"""A policy for the point mass that can find out by how much its measured position is wrong."""

import hashlib

import torch
from point_mass import SIDE, TASK
from torch import Tensor

from ttt_ros.errors import InstructionError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions


class CentringPolicy(Memoryless):
    """Goes to the centre by its measured position; the fast weights, less one, are what it takes the measurement to be wrong by."""

    checksum = hashlib.sha256(b"centring").hexdigest()

    def __init__(self, *, horizon: int = 4) -> None:
        self.specification = PolicySpecification(
            cameras=(CameraSpecification(name="above", height=SIDE, width=SIDE),),
            joint_names=("x", "y"),
            horizon=horizon,
            period=0.05,
            action_meaning=ActionMeaning.ABSOLUTE,
            max_instruction_words=4,
        )

    def base_fast_weights(self) -> FastWeights:
        return {"error.offset": torch.ones(2)}

    def fast_modules(self) -> tuple[str, ...]:
        return ("error",)

    def check_instruction(self, instruction: str) -> None:
        if instruction != TASK.instruction:
            raise InstructionError(f"unknown instruction '{instruction}'")

    def encode(self, observation: Observation) -> Features:
        self.check_instruction(observation.instruction)
        rows, columns = torch.nonzero(observation.images["above"][..., 0] > 127, as_tuple=True)
        middle = torch.stack([columns.float().mean(), rows.float().mean()])
        return {"told": observation.joint_positions[None], "seen": ((middle - 1) / (SIDE - 3) * 2 - 1)[None]}

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return (fast["error.offset"] - 1).expand(1, self.specification.horizon, 2)

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        after = transitions.next_features
        offset = (fast["error.offset"] - 1).expand(len(transitions), 2)
        return {"error": Reconstruction(prediction=offset, target=after["told"] - after["seen"])}
