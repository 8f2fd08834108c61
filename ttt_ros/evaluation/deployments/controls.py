"""What is done to the adaptation of a control arm on purpose; an arm that still gains did not gain by learning."""

from collections import deque
from dataclasses import replace

import numpy as np

from ttt_ros.policies.delegating import DelegatingPolicy
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.transition import FastWeights, Transitions

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
        if drawn is None:
            return None
        error = transition.following_error
        if error is not None:
            error = error + transition.executed[:, -1] - drawn.executed[:, -1]
        return replace(transition, executed=drawn.executed, steps=drawn.steps, following_error=error)


class FlippedPolicy(DelegatingPolicy):
    """A policy whose reconstruction has the same value and the opposite gradient, so that every step goes the wrong way."""

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """The policy's reconstruction p, written as 2 stop(p) - p."""
        return {name: _flipped(each) for name, each in self._policy.reconstruct(transitions, fast).items()}


def _flipped(reconstruction: Reconstruction) -> Reconstruction:
    prediction = reconstruction.prediction
    return replace(reconstruction, prediction=2 * prediction.detach() - prediction)
