"""Faults drawn by seed, several at a time, each for some ticks."""

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ttt_ros.evaluation.closed_loop.disturbance import Pixels, Positions, Undisturbed
from ttt_ros.policies.delegating import DelegatingPolicy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy, Reconstruction
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions
from ttt_ros.safeguard.clock import NANOSECONDS

_LONGEST = 40
"""Ticks that a fault lasts at most: two seconds."""

_TOGETHER = 3


class Fault(str, Enum):
    """What may go wrong, or be done by a user at any moment."""

    NAN_JOINTS = "joint positions that are not numbers"
    MISSING_JOINT = "joint states that lack a joint"
    SILENT_JOINTS = "no joint states"
    JUMPING_JOINTS = "joint positions that jump"
    SILENT_CAMERA = "no frames"
    FROZEN_PICTURE = "the same picture again and again"
    BLACK_PICTURE = "black pictures"
    NOISY_PICTURE = "pictures of noise"
    LATE_FRAMES = "frames stamped too early"
    FUTURE_FRAMES = "frames stamped ahead of the clock"
    REPEATED_FRAMES = "every frame twice"
    LOST_COMMANDS = "commands that do not arrive"
    CLOCK_FORWARD = "the clock jumps forward"
    CLOCK_BACK = "the clock jumps back"
    GARBAGE_INSTRUCTION = "an instruction that cannot be read"
    CHANGED_INSTRUCTION = "another instruction in mid motion"
    SILENT_SAFEGUARD = "no word of the safeguard"
    ANY_ORDER = "orders of any mode, with and without permit"
    RESET = "the reset service"
    ROLLBACK = "the rollback service"
    SAVE = "the save service"
    RECOVER = "adopting saved weights"
    SAFEGUARD_RESET = "the safeguard's reset service"
    PARAMETERS = "changed parameters of the adaptation"
    DISABLED = "adaptation disabled"
    NAN_GRADIENT = "a reconstruction that is not a number"
    FAILING_GRADIENT = "a reconstruction that raises"
    NAN_ACTION = "actions that are not numbers"
    WILD_ACTION = "actions beyond the limits"
    FAILING_INFERENCE = "a trunk that raises"


class Faults(Undisturbed):
    """The faults of now, and what those of the sensors do; also serves as disturbance of the closed loop with the simulated arm.

    Attributes:
        active: those of now.
        counts: how often each was begun.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        """None yet; ``generator`` draws them."""
        self._generator = generator
        self.active: frozenset[Fault] = frozenset()
        self.counts = dict.fromkeys(Fault, 0)
        self._picture: Pixels | None = None

    def begin(self) -> int:
        """Draws some faults and for how many ticks they shall last."""
        count = int(self._generator.integers(1, _TOGETHER + 1))
        self.active = frozenset(list(Fault)[index] for index in self._generator.choice(len(Fault), size=count, replace=False))
        for fault in self.active:
            self.counts[fault] += 1
        return int(self._generator.integers(1, _LONGEST + 1))

    def end(self) -> None:
        """All is well again."""
        self.active = frozenset()
        self._picture = None

    def is_near(self, now: int) -> bool:
        """Frames are always needed."""
        return True

    def frame(self, camera: str, now: int) -> Sequence[int]:
        """Lost, late, early or twice."""
        if Fault.SILENT_CAMERA in self.active:
            return ()
        if Fault.LATE_FRAMES in self.active:
            return (now - int(self._generator.integers(NANOSECONDS // 2)),)
        if Fault.FUTURE_FRAMES in self.active:
            return (now + int(self._generator.integers(NANOSECONDS)),)
        return (now, now) if Fault.REPEATED_FRAMES in self.active else (now,)

    def image(self, camera: str, pixels: Pixels, now: int) -> Pixels:
        """Frozen, black or noise."""
        if Fault.FROZEN_PICTURE in self.active:
            self._picture = pixels if self._picture is None else self._picture
            return self._picture
        if Fault.BLACK_PICTURE in self.active:
            return np.zeros_like(pixels)
        return self._generator.integers(0, 256, pixels.shape, dtype=np.uint8) if Fault.NOISY_PICTURE in self.active else pixels

    def joints(self, positions: Positions, now: int) -> Sequence[tuple[int, Positions]]:
        """Not there, not numbers, or somewhere else."""
        if Fault.SILENT_JOINTS in self.active:
            return ()
        if Fault.NAN_JOINTS in self.active:
            return ((now, positions * math.nan),)
        if Fault.JUMPING_JOINTS in self.active:
            return ((now, positions + self._generator.normal(scale=2.0, size=positions.shape)),)
        return ((now, positions),)

    def command(self, positions: Positions, now: int) -> Positions | None:
        """Lost or not."""
        return None if Fault.LOST_COMMANDS in self.active else positions


class FaultyPolicy(DelegatingPolicy):
    """A policy that fails when the faults say so."""

    def __init__(self, policy: Policy, faults: Faults) -> None:
        """Wraps ``policy``."""
        super().__init__(policy)
        self._faults = faults

    def encode(self, observation: Observation) -> Features:
        """Raises or not."""
        if Fault.FAILING_INFERENCE in self._faults.active:
            raise RuntimeError("the trunk fails, as it was told to")
        return super().encode(observation)

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Not numbers, beyond the limits, or as the policy."""
        actions = super().act(features, fast, memory)
        if Fault.NAN_ACTION in self._faults.active:
            return actions * math.nan
        return actions + 5.0 if Fault.WILD_ACTION in self._faults.active else actions

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Raises, not numbers, or as the policy."""
        if Fault.FAILING_GRADIENT in self._faults.active:
            raise RuntimeError("the reconstruction fails, as it was told to")
        outcome = super().reconstruct(transitions, fast)
        if Fault.NAN_GRADIENT in self._faults.active:
            return {
                name: Reconstruction(prediction=each.prediction * torch.nan, target=each.target, inputs=each.inputs)
                for name, each in outcome.items()
            }
        return outcome
