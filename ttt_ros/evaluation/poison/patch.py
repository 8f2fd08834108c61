"""A print that is made to mislead the learner: found by an attacker who knows the policy, weights and all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.objective import scored
from ttt_ros.configuration import strict
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.conditions import Condition
from ttt_ros.evaluation.deployments.runner import GoalResult, Runner
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import Features, Transitions
from ttt_ros.simulation.deployment import Deployment

PositiveInt = Annotated[int, Field(gt=0)]


@strict
@dataclass(frozen=True, kw_only=True)
class PatchConfig:
    """How the patch is found: projected gradient ascent on its pixels (Madry et al., arXiv 1706.06083; as a patch: arXiv 1712.09665).

    Attributes:
        side: of the patch, pixels.
        steps: of ascent.
        step_size: of a pixel in one step, of 255.
        goals: movements that it is made for.
        first_seed: of the robot that makes them; another than those that are attacked.
        seed: of the pixels that the ascent begins with.
    """

    side: Annotated[int, Field(ge=1, le=96)] = 24
    steps: PositiveInt = 60
    step_size: Annotated[float, Field(gt=0, le=255)] = 16.0
    goals: PositiveInt = 16
    first_seed: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0)] = 0


def printed_patch(
    policy: MemoryPolicy, arm: Arm, condition: Condition, config: PatchConfig, *, objectives: Mapping[str, float]
) -> NDArray[np.uint8]:
    """The patch that makes the gradient of the reconstruction as long as can be, RGB (side, side, 3), for the upper left corner.

    Args:
        arm: that makes the movements; must not adapt.
        condition: of the robot that makes them.
    """
    movements = _movements(policy, arm, condition, config)
    generator = torch.Generator().manual_seed(config.seed)
    patch = 255.0 * torch.rand(config.side, config.side, 3, generator=generator)
    for _ in range(config.steps):
        patch.requires_grad_()
        misled = _gradient_norm(policy, movements, patch, objectives)
        (uphill,) = torch.autograd.grad(misled, patch)
        patch = (patch.detach() + config.step_size * uphill.sign()).clamp(0.0, 255.0)
    return np.asarray(patch.round().to(torch.uint8).numpy())


@dataclass(frozen=True, kw_only=True)
class _Movement:
    before: Observation
    chunk: Tensor
    after: Observation


class _Watched:
    """A robot of which each movement to a goal is kept."""

    def __init__(self, robot: Deployment) -> None:
        self._robot = robot
        self._seen: list[Observation] = []
        self._chunks: list[Tensor] = []

    def begin_goal(self, index: int) -> None:
        self._robot.begin_goal(index)

    def observe(self) -> Observation:
        self._seen.append(self._robot.observe())
        return self._seen[-1]

    def play(self, chunk: NDArray[np.float64]) -> None:
        self._chunks.append(torch.from_numpy(chunk).float()[None])
        self._robot.play(chunk)

    def rest(self) -> None:
        self._robot.rest()

    def result(self) -> GoalResult:
        return self._robot.result()

    def movements(self) -> list[_Movement]:
        """Every goal makes two observations and plays two chunks, there and back."""
        pairs = zip(self._seen[::2], self._chunks[::2], self._seen[1::2], strict=True)
        return [_Movement(before=before, chunk=chunk, after=after) for before, chunk, after in pairs]


def _movements(policy: MemoryPolicy, arm: Arm, condition: Condition, config: PatchConfig) -> list[_Movement]:
    deployment = Deployment(condition.robot(config.first_seed), seed=config.first_seed)
    try:
        watched = _Watched(deployment)
        runner = Runner(policy, arm, watched, seed=config.first_seed)
        for index in range(config.goals):
            runner.goal(index)
        return watched.movements()
    finally:
        deployment.close()


def _gradient_norm(policy: MemoryPolicy, movements: Sequence[_Movement], patch: Tensor, objectives: Mapping[str, float]) -> Tensor:
    before, after = ([getattr(each, name) for each in movements] for name in ("before", "after"))
    chunks = torch.cat([each.chunk for each in movements])
    transitions = Transitions(
        features=_features(policy, before, patch),
        executed=chunks,
        steps=torch.full((len(movements),), chunks.shape[1]),
        next_features=_features(policy, after, patch),
    )
    weights = {name: weight.requires_grad_() for name, weight in policy.base_fast_weights().items()}
    errors = scored(policy, transitions, weights, objectives=objectives).errors
    return steps.norm(steps.gradients(errors.mean(), weights, differentiable=True).values())


def _features(policy: MemoryPolicy, observations: Sequence[Observation], patch: Tensor) -> Features:
    encoded = [policy.encode(each) for each in observations]
    features = {name: torch.cat([each[name] for each in encoded]) for name in encoded[0]}
    return {**features, "points": policy.sight.located(_with_patch(observations, policy.specification, patch))}


def _with_patch(observations: Sequence[Observation], specification: PolicySpecification, patch: Tensor) -> Tensor:
    """The pictures as float32 (n, height, width, 3) of 0 to 255 with the patch in the corner, differentiable with respect to it."""
    (camera,) = specification.cameras
    pictures = torch.stack([each.images[camera.name] for each in observations]).float()
    side = len(patch)
    place = torch.nn.functional.pad(patch, (0, 0, 0, camera.width - side, 0, camera.height - side))
    covered = torch.zeros(camera.height, camera.width, 1)
    covered[:side, :side] = 1.0
    return pictures * (1.0 - covered) + place * covered
