"""Converting between what a policy's actions mean and absolute joint positions."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.policies.specification import ActionMeaning

Angles = NDArray[np.floating]
"""Radians, (..., joints)."""


def to_absolute(actions: Angles, *, observed: Angles, meaning: ActionMeaning) -> NDArray[np.float64]:
    """Target positions, float64, for ``actions`` computed at the joint positions ``observed`` (joints,)."""
    offset = observed if meaning is ActionMeaning.RELATIVE else np.zeros_like(observed)
    return np.asarray(actions, dtype=np.float64) + offset


def from_absolute(positions: Angles, *, observed: Angles, meaning: ActionMeaning) -> NDArray[np.float64]:
    """The actions, float64, that mean ``positions`` to a policy that saw the joints at ``observed`` (joints,)."""
    offset = observed if meaning is ActionMeaning.RELATIVE else np.zeros_like(observed)
    return np.asarray(positions, dtype=np.float64) - offset
