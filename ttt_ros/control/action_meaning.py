"""Converting between what a policy's actions mean and absolute joint positions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.policies.observation import Observation
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


def following_error(executed: Tensor, before: Observation, after: Observation, *, meaning: ActionMeaning) -> Tensor:
    """How far each joint is, after a movement, from where it was commanded to last.

    Args:
        executed: actions, float32, (1, horizon, joints), computed at the observation ``before``; the last one is the last command.

    Returns:
        measured minus commanded, float32, (1, joints), rad.
    """
    commanded = to_absolute(executed[:, -1].cpu().numpy(), observed=before.joint_positions.numpy(), meaning=meaning)
    return (after.joint_positions - torch.from_numpy(commanded).float()).to(executed.device)
