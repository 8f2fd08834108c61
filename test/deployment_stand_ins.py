"""A robot of a few lines and a policy for it, for tests of what runs deployments."""

from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from small_policy import HORIZON, IMAGE_SIDE, JOINT_NAMES, SmallPolicy
from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

POINT, REST = "point there", "go back"


@dataclass(frozen=True)
class Result:
    success: bool
    distance_m: float


class StandInRobot:
    """Sees noise, meets every goal with an even number, and keeps what was asked of it."""

    def __init__(self, *, seed: int = 0) -> None:
        self.calls: list[str] = []
        self.played: list[NDArray[np.float64]] = []
        self._seed = seed

    def begin_goal(self, index: int) -> None:
        self.calls.append("begin")
        self._index = index
        self._instruction = POINT
        self._random = np.random.default_rng([self._seed, index])

    def observe(self) -> Observation:
        self.calls.append("observe")
        image = self._random.integers(0, 256, (IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.uint8)
        joints = self._random.normal(size=len(JOINT_NAMES)).astype(np.float32)
        return Observation(
            stamp=len(self.calls),
            images={"front": torch.from_numpy(image)},
            joint_positions=torch.from_numpy(joints),
            instruction=self._instruction,
        )

    def play(self, chunk: NDArray[np.float64]) -> None:
        assert chunk.shape == (HORIZON, len(JOINT_NAMES))
        self.calls.append("play")
        self.played.append(chunk)

    def rest(self) -> None:
        self.calls.append("rest")
        self._instruction = REST

    def result(self) -> Result:
        assert self._instruction == POINT
        self.calls.append("result")
        return Result(success=self._index % 2 == 0, distance_m=0.01 * (1 + self._index % 2))


class ObedientRobot(StandInRobot):
    """Ends every movement where it was commanded to, but for one joint that is off by ``offset``, rad."""

    def __init__(self, *, offset: float) -> None:
        super().__init__()
        self._offset = torch.tensor([offset] + [0.0] * (len(JOINT_NAMES) - 1))

    def observe(self) -> Observation:
        seen = super().observe()
        if not self.played:
            return seen
        return replace(seen, joint_positions=torch.from_numpy(self.played[-1][-1]).float() + self._offset)


class PointingPolicy(SmallPolicy):
    """Learns from pointing and not from the way back; its memory counts what it remembered and keeps what it was told."""

    def encode(self, observation: Observation) -> Features:
        pointing = torch.tensor([float(observation.instruction == POINT)])
        return {**super().encode(observation), "pointing": pointing}

    def begin(self) -> Memory:
        return {"count": torch.zeros(1)}

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        return {**memory, "count": memory["count"] + 1, "last": transitions.executed}

    def informative(self, transitions: Transitions) -> Tensor:
        return transitions.features["pointing"] > 0.5


class SurprisedPolicy(PointingPolicy):
    """Finds some transitions, given by their number, far from what it predicts, and others just as predicted."""

    def __init__(self, *, at: Container[int]) -> None:
        super().__init__()
        self._at = at
        self._encoded = 0

    def encode(self, observation: Observation) -> Features:
        surprise = 100.0 * (self._encoded // 2 in self._at)  # there is one observation before and one after each movement
        self._encoded += 1
        return {**super().encode(observation), "surprise": torch.full((1, 1), surprise)}

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        predicted = self._adapted(transitions.features["state"], fast)
        return {"features": Reconstruction(prediction=predicted, target=predicted.detach() + transitions.next_features["surprise"])}


class DivergedPolicy(PointingPolicy):
    """Points nowhere from its third decision on."""

    decisions = 0

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        self.decisions += 1
        chunk = super().act(features, fast, memory)
        return chunk if self.decisions < 3 else chunk * torch.nan
