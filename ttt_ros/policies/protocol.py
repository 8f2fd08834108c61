"""The interface between a policy and everything that runs, adapts or judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A prediction and what it should have been, both float32 of shape (batch, size), normalised to unit scale.

    Attributes:
        prediction: made from the transitions with the fast weights.
        target: what was recorded.
        inputs: what entered a fast matrix, float32 of shape (batch, its columns), by the name of that matrix; its gradient can then be
            preconditioned. A matrix that is left out, or whose inputs differ between objectives, takes plain gradient steps.
    """

    prediction: Tensor
    target: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=dict)


class Policy(Protocol):
    """A policy whose fast weights are handed in by the caller and never stored in it.

    No method changes the policy, so one instance serves the inference thread and the adaptation thread at once.
    """

    @property
    def specification(self) -> PolicySpecification:
        """What the policy expects of the robot."""
        ...

    @property
    def checksum(self) -> str:
        """SHA-256 over all parameters, hexadecimal: the identity of version 0."""
        ...

    def base_fast_weights(self) -> FastWeights:
        """Fresh float32 copies of the parameters that may adapt; with them the policy is the base policy bit for bit."""
        ...

    def fast_modules(self) -> tuple[str, ...]:
        """Names of the modules that may adapt; each fast parameter's name starts with one of them and a dot."""
        ...

    def check_instruction(self, instruction: str) -> None:
        """Raises InstructionError if the policy cannot read ``instruction``, saying why."""
        ...

    def encode(self, observation: Observation) -> Features:
        """Runs the frozen trunk once, without gradients; the result is usable in another thread's backward pass."""
        ...

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Computes action chunks, float32 of shape (batch, horizon, joints), radians, in the specification's meaning.

        Without a ``memory``, as for a policy that has just begun.
        """
        ...

    def novelty(self, features: Features) -> Tensor | None:
        """Distance of features from those of training, (batch,): squared Mahalanobis distance over the dimension, 1 in the mean.

        None if the policy does not know the mean and covariance of its features in training (TTT++, NeurIPS 2021).
        """
        ...

    def begin(self) -> Memory:
        """The memory of a policy that has seen nothing yet, for a batch of 1."""
        ...

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        """The memory after one more transition for each of its batch."""
        ...

    def informative(self, transitions: Transitions) -> Tensor:
        """Which transitions tell anything about the robot, bool of shape (batch,); the others are neither remembered nor learned from."""
        ...

    def rates(self) -> Mapping[str, Tensor]:
        """Learned factors on the learning rate by the name of a fast parameter, each of shape (); 1 for those left out."""
        ...

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Predicts a part of each transition from the rest, by objective name; differentiable with respect to ``fast``."""
        ...


class Memoryless:
    """The part of the protocol about memory, learned rates and feature statistics, for a policy that has none of them."""

    def novelty(self, features: Features) -> Tensor | None:
        """Not known."""
        return None

    def begin(self) -> Memory:
        """Nothing."""
        return NO_MEMORY

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        """Still nothing."""
        return memory

    def informative(self, transitions: Transitions) -> Tensor:
        """All are."""
        return torch.ones(len(transitions), dtype=torch.bool)

    def rates(self) -> Mapping[str, Tensor]:
        """No factor but 1."""
        return {}
