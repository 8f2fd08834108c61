"""Robots with hidden properties, drawn once from a seed and drifting slowly from goal to goal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.corruptions import CORRUPTIONS, MAX_SEVERITY, SLOW_CORRUPTIONS
from ttt_ros.simulation.shifts import Shifts

ARM_JOINTS = 4
"""The first joints of JOINT_NAMES, which move the fingertip."""

DRIFT = 1 / 200
"""Average drift per goal, in half training ranges."""

_DRIFT_SPREAD = (0.5, 1.5)
_WIDEST = 1.75


class Property(str, Enum):
    """What a policy is trained to cope with."""

    ENCODER = "encoder"
    ACTUATOR = "actuator"
    CAMERA = "camera"
    DELAY = "delay"
    PAYLOAD = "payload"
    LIGHT = "light"
    COLOUR = "colour"
    NOISE = "noise"


class Unseen(str, Enum):
    """Kinds of shift that no policy is trained on."""

    BENT_HAND = "bent_hand"
    BACKLASH = "backlash"
    LENS_SMEAR = "lens_smear"
    DROPPED_FRAMES = "dropped_frames"
    CORRUPTION = "corruption"


class Range(str, Enum):
    """How far the properties are from nominal."""

    TRAINING = "training"
    """From nominal to the limits of the training range."""
    WIDER = "wider"
    """Every property beyond its training range, up to 1.75 times as far."""


@dataclass(frozen=True, kw_only=True)
class _Spread:
    """Training range of a group of numbers: nominal (0 or 1) plus or minus ``limit``; one-sided: 0 to ``limit``."""

    limits: tuple[float, ...]
    one_sided: bool = False


_COUPLINGS = ARM_JOINTS * (ARM_JOINTS - 1)

_SPREADS: Mapping[Property, _Spread] = MappingProxyType(
    {
        Property.ENCODER: _Spread(limits=(0.1,) * len(JOINT_NAMES)),  # rad
        Property.ACTUATOR: _Spread(limits=(0.1,) * ARM_JOINTS + (0.05,) * _COUPLINGS),
        Property.CAMERA: _Spread(limits=(0.02,) * 3 + (0.03, 0.03, 0.06)),  # m; rad, the last about the optical axis
        Property.DELAY: _Spread(limits=(0.15,), one_sided=True),  # s
        Property.PAYLOAD: _Spread(limits=(0.15,), one_sided=True),  # kg
        Property.LIGHT: _Spread(limits=(0.4,)),
        Property.COLOUR: _Spread(limits=(0.15,) * 3),
        Property.NOISE: _Spread(limits=(10.0,), one_sided=True),  # of 255
    }
)

HIDDEN_SIZE = sum(len(spread.limits) for spread in _SPREADS.values()) - (len(JOINT_NAMES) - ARM_JOINTS)
"""Length of ``Robot.hidden``; wrist roll and gripper are left out: they do not move the fingertip."""

_BENT_HAND = (0.008, 0.016)  # m
_BACKLASH = (0.04, 0.12)  # rad
_LENS_SMEAR = (0.4, 0.9)
_DROPPED_FRAMES = (0.05, 0.25)
_UNSEEN_STREAM = len(Property)
_ROBOTS = 0x0B07
"""Keeps the random numbers that draw a robot apart from those that draw the goals of a deployment of the same seed: else the places of the
cubes would tell what is hidden."""


@dataclass(frozen=True, kw_only=True)
class Robot:
    """One robot: what is hidden about it is a pure function of these fields and of the goal's index.

    A property has the same values whichever others are shifted as well, so that robots of one seed can be compared in pairs. Each
    number moves to and fro between the ends of its range at a constant speed of its own, DRIFT on average. So it stays in range
    however long the run, and it is uniformly distributed at every index. Kinds never trained on do not drift.

    Attributes:
        seed: at least 0.
        properties: those that are not nominal.
        range: how far from nominal.
        unseen: kinds of shift that come on top.
        corruption: for Unseen.CORRUPTION; drawn from all but SLOW_CORRUPTIONS if empty.
        severity: of the corruption, 1 to 5.
        drift: average per goal, in half training ranges; 0 for none.

    Raises:
        SimulationError: a field is out of range.
    """

    seed: int
    properties: tuple[Property, ...] = tuple(Property)
    range: Range = Range.TRAINING
    unseen: tuple[Unseen, ...] = ()
    corruption: str = ""
    severity: int = 3
    drift: float = DRIFT

    def __post_init__(self) -> None:
        """Checks the fields."""
        if self.seed < 0:
            raise SimulationError(f"robot seed {self.seed} must be at least 0")
        if self.corruption not in ("", *CORRUPTIONS):
            raise SimulationError(f"unknown corruption '{self.corruption}'; known are: {', '.join(CORRUPTIONS)}")
        if self.corruption and Unseen.CORRUPTION not in self.unseen:
            raise SimulationError(f"corruption '{self.corruption}' has no effect; add Unseen.CORRUPTION to 'unseen'")
        if self.severity not in range(1, MAX_SEVERITY + 1):
            raise SimulationError(f"severity {self.severity} must be a whole number from 1 to {MAX_SEVERITY}")
        if not math.isfinite(self.drift) or self.drift < 0:
            raise SimulationError(f"drift {self.drift} per goal must be a finite number of at least 0")

    def shifts(self, goal_index: int) -> Shifts:
        """The shifts in force during a goal.

        Raises:
            SimulationError: a negative index.
        """
        values = {name: self._units(name, goal_index) * np.array(spread.limits) for name, spread in _SPREADS.items()}
        camera = values[Property.CAMERA]
        return Shifts(
            encoder_offset=tuple(values[Property.ENCODER].tolist()),
            actuator_gain=(*(1.0 + values[Property.ACTUATOR][:ARM_JOINTS]).tolist(), *(1.0,) * (len(JOINT_NAMES) - ARM_JOINTS)),
            cross_coupling=_coupling(values[Property.ACTUATOR][ARM_JOINTS:]),
            camera_position=tuple(camera[:3].tolist()),
            camera_rotation=tuple(camera[3:].tolist()),
            action_delay=float(values[Property.DELAY][0]),
            payload=float(values[Property.PAYLOAD][0]),
            light=1.0 + float(values[Property.LIGHT][0]),
            colour_cast=tuple((1.0 + values[Property.COLOUR]).tolist()),
            sensor_noise=float(values[Property.NOISE][0]),
            **self._unseen_shifts(),
        )

    def hidden(self, goal_index: int) -> NDArray[np.float32]:
        """What an oracle is told: all properties, -1 to 1 over the training range, float32 [HIDDEN_SIZE].

        In order: encoder offsets and gains of the four arm joints, couplings between them (12, row by row), camera position (3) and
        rotation (3), delay, payload, light, colour (3), noise. Kinds never trained on are not in it.

        Raises:
            SimulationError: a negative index.
        """
        scaled = []
        for name, spread in _SPREADS.items():
            units = self._units(name, goal_index)
            scaled.append(2 * units - 1 if spread.one_sided else units[:ARM_JOINTS] if name is Property.ENCODER else units)
        return np.concatenate(scaled).astype(np.float32)

    def _units(self, name: Property, goal_index: int) -> NDArray[np.float64]:
        """A property's numbers at a goal, in units of their limits, zero if nominal."""
        if goal_index < 0:
            raise SimulationError(f"goal index {goal_index} must be at least 0")
        spread = _SPREADS[name]
        if name not in self.properties:
            return np.zeros(len(spread.limits))
        generator = np.random.default_rng([self.seed, list(Property).index(name), _ROBOTS])
        start, speed, direction, sign = generator.uniform(size=(4, len(spread.limits)))
        wider = self.range is Range.WIDER
        lower, upper = (1.0, _WIDEST) if wider else (0.0, 1.0) if spread.one_sided else (-1.0, 1.0)
        per_goal = self.drift * (_DRIFT_SPREAD[0] + speed * (_DRIFT_SPREAD[1] - _DRIFT_SPREAD[0])) * (0.5 if spread.one_sided else 1.0)
        travelled = start * (upper - lower) + np.where(direction < 0.5, -1, 1) * per_goal * goal_index
        units = lower + _to_and_fro(travelled, upper - lower)
        return units * np.where(sign < 0.5, -1, 1) if wider and not spread.one_sided else units

    def _unseen_shifts(self) -> dict[str, Any]:
        """Draws all kinds, so that each is the same whichever others there are, and keeps those that are asked for."""
        generator = np.random.default_rng([self.seed, _UNSEEN_STREAM, _ROBOTS])
        bend, direction = generator.uniform(*_BENT_HAND), generator.uniform(-math.pi, math.pi)
        quick = [name for name in CORRUPTIONS if name not in SLOW_CORRUPTIONS]
        drawn: dict[Unseen, dict[str, Any]] = {
            Unseen.BENT_HAND: {"bent_hand": (bend * math.cos(direction), bend * math.sin(direction))},
            Unseen.BACKLASH: {"backlash": generator.uniform(*_BACKLASH)},
            Unseen.LENS_SMEAR: {"lens_smear": generator.uniform(*_LENS_SMEAR)},
            Unseen.DROPPED_FRAMES: {"dropped_frames": generator.uniform(*_DROPPED_FRAMES)},
            Unseen.CORRUPTION: {"corruption": self.corruption or str(generator.choice(quick)), "severity": self.severity},
        }
        return {field: value for kind in self.unseen for field, value in drawn[kind].items()}


def _to_and_fro(travelled: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Where one is between 0 and ``width`` after having travelled that far from 0, turning at both ends."""
    return width - np.abs(np.mod(travelled, 2 * width) - width)


def _coupling(values: NDArray[np.float64]) -> tuple[float, ...]:
    matrix = np.zeros((len(JOINT_NAMES), len(JOINT_NAMES)))
    matrix[:ARM_JOINTS, :ARM_JOINTS][~np.eye(ARM_JOINTS, dtype=bool)] = values
    return tuple(matrix.ravel().tolist())
