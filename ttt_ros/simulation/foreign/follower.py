"""From a chunk of absolute targets to an environment's own actions, and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.foreign.description import Channel, Meaning

Vector = NDArray[np.float64]


class Follower:
    """Plays targets on an environment whose actions are displacements.

    Each step asks for a share of the distance to the target, as a spring would. The distance is *reckoned*: from where the robot was
    measured when the chunk began, plus what was asked for since. So a chunk is played open loop, as on a robot that follows a
    trajectory between two looks. A controller that measured in every step would hide a wrong gain from the policy and from whoever
    learns from it; one that never measured again would let the error grow over the episode.
    """

    def __init__(self, channels: Sequence[Channel], *, low: Vector, high: Vector) -> None:
        """Follows for these channels; ``low`` and ``high`` bound the environment's action."""
        self._moves = _moves(channels)
        self._gains = _gains(channels)
        self._units = np.array([channel.unit for channel in channels])
        self._low, self._high = low, high
        self._reckoned: Vector = np.zeros(len(channels))

    def begin(self, measured: Vector) -> None:
        """A chunk begins at the ``measured`` values, (channels,)."""
        self._reckoned = np.asarray(measured, dtype=np.float64).copy()

    def action(self, target: Vector) -> Vector:
        """The next action towards ``target``, (channels,), within the environment's bounds."""
        wanted = np.where(self._moves, (target - self._reckoned) * self._gains, target)
        action: Vector = np.clip(wanted, self._low, self._high)
        self._reckoned = np.where(self._moves, self._reckoned + action * self._units, self._reckoned)
        return action


def targets(channels: Sequence[Channel], *, actions: Vector, measured: Vector) -> Vector:
    """The targets, (steps, channels), with which a follower that measures in every step would take these ``actions``.

    How somebody's demonstration with actions of the environment's own becomes one for a policy with absolute targets.
    """
    return np.where(_moves(channels), measured + actions / _gains(channels), actions)


def _moves(channels: Sequence[Channel]) -> NDArray[np.bool_]:
    return np.array([channel.meaning is Meaning.DISPLACEMENT for channel in channels])


def _gains(channels: Sequence[Channel]) -> Vector:
    return np.array([channel.share / channel.unit for channel in channels])
