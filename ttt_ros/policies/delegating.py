"""A policy that does everything as another one does, for wrappers that change one thing."""

from collections.abc import Mapping

from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy, Reconstruction
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions


class DelegatingPolicy:
    """Hands every call to the policy that it wraps."""

    def __init__(self, policy: Policy) -> None:
        """Wraps ``policy``."""
        self._policy = policy

    @property
    def specification(self) -> PolicySpecification:
        """Of the policy."""
        return self._policy.specification

    @property
    def checksum(self) -> str:
        """Of the policy."""
        return self._policy.checksum

    def base_fast_weights(self) -> FastWeights:
        """Of the policy."""
        return self._policy.base_fast_weights()

    def fast_modules(self) -> tuple[str, ...]:
        """Of the policy."""
        return self._policy.fast_modules()

    def check_instruction(self, instruction: str) -> None:
        """As the policy."""
        self._policy.check_instruction(instruction)

    def encode(self, observation: Observation) -> Features:
        """As the policy."""
        return self._policy.encode(observation)

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """As the policy."""
        return self._policy.act(features, fast, memory)

    def novelty(self, features: Features) -> Tensor | None:
        """As the policy."""
        return self._policy.novelty(features)

    def begin(self) -> Memory:
        """As the policy."""
        return self._policy.begin()

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        """As the policy."""
        return self._policy.remember(memory, transitions)

    def informative(self, transitions: Transitions) -> Tensor:
        """As the policy."""
        return self._policy.informative(transitions)

    def rates(self) -> Mapping[str, Tensor]:
        """Of the policy."""
        return self._policy.rates()

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """As the policy."""
        return self._policy.reconstruct(transitions, fast)
