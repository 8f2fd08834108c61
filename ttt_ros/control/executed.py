"""What was commanded between two observations, for adaptation to learn from."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttt_ros.control.action_meaning import following_error, from_absolute
from ttt_ros.control.schedule import Positions
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import ActionMeaning
from ttt_ros.policies.transition import Features, Transitions


@dataclass(frozen=True, kw_only=True)
class Executed:
    """Commands between two observations.

    Attributes:
        positions: float32, (horizon, joints), radians, absolute; the last one repeated after ``steps``.
        steps: how many were commanded, from 1 to horizon.
    """

    positions: Tensor
    steps: int

    def transition(
        self, before: Observation, after: Observation, *, features: Features, next_features: Features, meaning: ActionMeaning
    ) -> Transitions:
        """The step from ``before``, with ``features``, to ``after``, with ``next_features``, on the device of the features."""
        actions = from_absolute(self.positions.numpy(), observed=before.joint_positions.numpy(), meaning=meaning)
        device = next(iter(features.values())).device
        executed = torch.from_numpy(actions.astype(np.float32))[None].to(device)
        return Transitions(
            features=features,
            executed=executed,
            steps=torch.tensor([self.steps], device=device),
            next_features=next_features,
            following_error=following_error(executed, before, after, meaning=meaning),
        )


class ExecutedCommands:
    """Records every commanded position and cuts the record at each observation."""

    def __init__(self, *, horizon: int) -> None:
        self._horizon = horizon
        self.reset()

    def reset(self) -> None:
        """Forgets all; the next observation begins a record and ends none."""
        self._commands: deque[Positions] = deque(maxlen=self._horizon + 1)
        self._recording = False
        self._standing: Positions | None = None

    def commanded(self, position: Positions) -> None:
        """Takes the position (joints,) commanded in one control tick, a held one included; held beyond the horizon it adds nothing."""
        if not self._commands and self._standing is not None and np.array_equal(position, self._standing):
            return
        if len(self._commands) < self._horizon or not np.array_equal(position, self._commands[-1]):
            self._commands.append(position)

    def observed(self, *, standing: Positions | None = None) -> Executed | None:
        """Cuts the record at an observation; call it before the command of the same tick.

        Args:
            standing: the position (joints,) that a robot at rest is told to keep at this observation. The movement begins with the first
                other command: what is told before only keeps it waiting. None: every command counts.

        Returns:
            what was commanded since the observation before, or None if there was none, if nothing was commanded, or if the robot
            was led on for more than ``horizon`` steps, which no transition can hold.
        """
        commands, recording = list(self._commands), self._recording
        self._commands.clear()
        self._recording = True
        self._standing = standing
        if not recording or not 1 <= len(commands) <= self._horizon:
            return None
        padded = commands + [commands[-1]] * (self._horizon - len(commands))
        return Executed(positions=torch.from_numpy(np.stack(padded).astype(np.float32)), steps=len(commands))


def transition_between(
    before: tuple[Observation, Features], chunk: Tensor, after: tuple[Observation, Features], *, meaning: ActionMeaning
) -> Transitions:
    """The transition from one observation, with its features, to another by a chunk, (1, horizon, joints), that was played whole."""
    return Transitions(
        features=before[1],
        executed=chunk,
        steps=torch.tensor([chunk.shape[1]]),
        next_features=after[1],
        following_error=following_error(chunk, before[0], after[0], meaning=meaning),
    )
