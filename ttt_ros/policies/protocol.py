"""The interface between a policy and everything that runs, adapts or judges it."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import FastWeights, Features, Transitions


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A prediction of what came next and what did come, both float32 of shape (batch, size), normalised to unit scale."""

    prediction: Tensor
    target: Tensor


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

    def act(self, features: Features, fast: FastWeights) -> Tensor:
        """Computes action chunks, float32 of shape (batch, horizon, joints), radians, in the specification's meaning."""
        ...

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Predicts each transition's outcome, by objective name; differentiable with respect to ``fast``."""
        ...
