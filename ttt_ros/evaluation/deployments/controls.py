"""What is done to the adaptation of a control arm on purpose; an arm that still gains did not gain by learning."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy, Reconstruction
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

SHUFFLED_OVER = 32
"""Transitions among which commands are exchanged: many windows, and recent enough that drift does not tell them apart."""


class ShuffledCommands:
    """Gives each transition the executed chunk of an earlier one, so that what was done no longer explains what was seen.

    The commands themselves stay those of the run: only which belongs to which outcome is lost.
    """

    def __init__(self, *, seed: int) -> None:
        """Draws from ``seed``."""
        self._random = np.random.default_rng(seed)
        self._earlier: deque[Transitions] = deque(maxlen=SHUFFLED_OVER)

    def shuffled(self, transition: Transitions) -> Transitions | None:
        """The transition with another's command; None for the first, which has none before it."""
        drawn = self._earlier[self._random.integers(len(self._earlier))] if self._earlier else None
        self._earlier.append(transition)
        return None if drawn is None else replace(transition, executed=drawn.executed, steps=drawn.steps)


class FlippedPolicy:
    """A policy whose reconstruction has the same value and the opposite gradient, so that every step goes the wrong way."""

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
        """The policy's reconstruction p, written as 2 stop(p) - p."""
        return {name: _flipped(each) for name, each in self._policy.reconstruct(transitions, fast).items()}


def _flipped(reconstruction: Reconstruction) -> Reconstruction:
    prediction = reconstruction.prediction
    return replace(reconstruction, prediction=2 * prediction.detach() - prediction)
