"""What may differ between the robot that a policy was trained on and the one that it runs on."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ttt_ros.configuration import strict
from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME, JOINT_NAMES
from ttt_ros.simulation.corruptions import CORRUPTIONS, MAX_SEVERITY

_LIMITS = {
    "camera_position": (-0.3, 0.3),
    "camera_rotation": (-0.6, 0.6),
    "light": (0.1, 3.0),
    "colour_cast": (0.2, 2.0),
    "sensor_noise": (0.0, 60.0),
    "encoder_offset": (-0.5, 0.5),
    "actuator_gain": (0.25, 2.0),
    "cross_coupling": (-0.3, 0.3),
    "action_delay": (0.0, 0.5),
    "payload": (0.0, 0.5),
    "bent_hand": (-0.05, 0.05),
    "backlash": (0.0, 0.3),
    "lens_smear": (0.0, 1.0),
    "dropped_frames": (0.0, 0.95),
    "severity": (0, MAX_SEVERITY),
}

Pair = tuple[float, float]
Triple = tuple[float, float, float]
PerJoint = tuple[float, float, float, float, float, float]
PerPairOfJoints = tuple[float, ...]

_JOINTS = len(JOINT_NAMES)


@strict
@dataclass(frozen=True, kw_only=True)
class Shifts:
    """Shifts of cameras, joints and load; the default is no shift.

    A joint is measured at ``true + encoder_offset``, and a command moves the joints to
    ``home + G (command - encoder_offset - home)`` with ``G = diag(actuator_gain) + cross_coupling``: the encoder's zero is wrong for
    reading and commanding alike, a gain other than one scales each commanded displacement from the home pose, and a coupling adds to
    it a part of another joint's.

    Attributes:
        camera_position: displacement of the scene and overhead cameras in the world, m, each -0.3 to 0.3.
        camera_rotation: rotation vector of these cameras in their own frame (x right, y up, z back), rad, each -0.6 to 0.6.
        light: factor on all lights, 0.1 to 3.
        colour_cast: gains of red, green and blue in all cameras, 0.2 to 2.
        sensor_noise: standard deviation of the noise on each pixel of all cameras, of 255, 0 to 60.
        encoder_offset: rad, in the order of JOINT_NAMES, each -0.5 to 0.5.
        actuator_gain: in the order of JOINT_NAMES, each 0.25 to 2.
        cross_coupling: 6 by 6, row by row (row: the joint that moves, column: the one that is commanded), each -0.3 to 0.3, zero on the
            diagonal; in each row the absolute values add up to less than the gain, so that every target has one command.
        action_delay: from a command to its effect, s, 0 to 0.5.
        payload: load at the fingertips, kg, 0 to 0.5.
        bent_hand: displacement of the fingers in the frame of the hand, sideways and forward, m, each -0.05 to 0.05.
        backlash: play of each joint's drive, rad, 0 to 0.3: a servo follows its target only once half of it is taken up.
        lens_smear: how blurred a band across the image is, 0 to 1.
        dropped_frames: probability that a frame is the one before, 0 to 0.95.
        corruption: a function of ImageNet-C (see CORRUPTIONS) on all cameras, or empty for none.
        severity: of the corruption, 1 to 5, or 0 for none.
    """

    camera_position: Triple = (0.0, 0.0, 0.0)
    camera_rotation: Triple = (0.0, 0.0, 0.0)
    light: float = 1.0
    colour_cast: Triple = (1.0, 1.0, 1.0)
    sensor_noise: float = 0.0
    encoder_offset: PerJoint = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    actuator_gain: PerJoint = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    cross_coupling: PerPairOfJoints = (0.0,) * _JOINTS**2
    action_delay: float = 0.0
    payload: float = 0.0
    bent_hand: Pair = (0.0, 0.0)
    backlash: float = 0.0
    lens_smear: float = 0.0
    dropped_frames: float = 0.0
    corruption: str = ""
    severity: int = 0

    def __post_init__(self) -> None:
        """Raises SimulationError for a value that is not finite, out of its range or of the wrong length."""
        for field in fields(self):
            if field.name in _LIMITS:
                _check(field.name, getattr(self, field.name), getattr(type(self), field.name))
        if self.corruption not in ("", *CORRUPTIONS):
            raise SimulationError(f"shift 'corruption' = {self.corruption!r} must be empty or one of: {', '.join(CORRUPTIONS)}")
        if self.severity != int(self.severity):
            raise SimulationError(f"shift 'severity' = {self.severity!r} must be a whole number from 0 to {MAX_SEVERITY}")
        _check_coupling(self)

    def measured(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the encoders read at true joint positions [6], rad."""
        return np.asarray(positions + np.array(self.encoder_offset), dtype=np.float64)

    def gain_matrix(self) -> NDArray[np.float64]:
        """G, the derivative of ``target`` by the command: float64 [6, 6]."""
        return np.asarray(np.diag(self.actuator_gain) + np.reshape(self.cross_coupling, (_JOINTS, _JOINTS)), dtype=np.float64)

    def target(self, command: NDArray[np.float64]) -> NDArray[np.float64]:
        """The true joint positions [..., 6], rad, that the servos move to on ``command`` [..., 6]."""
        home = np.array(HOME)
        return np.asarray(home + (command - np.array(self.encoder_offset) - home) @ self.gain_matrix().T, dtype=np.float64)

    def command(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of ``target``: the command [6] that moves the servos to the true joint positions ``target`` [6]."""
        home = np.array(HOME)
        return np.asarray(home + np.linalg.solve(self.gain_matrix(), target - home) + np.array(self.encoder_offset), dtype=np.float64)

    def engaged(self, present: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the drives go on ``target`` [6] from their ``present`` place [6], rad: not all the way, if there is backlash."""
        return np.clip(present, target - self.backlash / 2, target + self.backlash / 2)


def _check(name: str, value: object, default: object) -> None:
    numbers, defaults = _as_tuple(value), _as_tuple(default)
    if isinstance(value, tuple) != isinstance(default, tuple) or len(numbers) != len(defaults):
        expected = f"a tuple of {len(defaults)} numbers" if isinstance(default, tuple) else "a number"
        raise SimulationError(f"shift '{name}' = {value!r} must be {expected}, like its default")
    lower, upper = _LIMITS[name]
    for number in numbers:
        if not isinstance(number, (int, float)) or not math.isfinite(number) or not lower <= number <= upper:
            raise SimulationError(f"shift '{name}' = {value!r}: {number!r} must be a finite number from {lower} to {upper}")


def _check_coupling(shifts: Shifts) -> None:
    coupling = np.reshape(shifts.cross_coupling, (_JOINTS, _JOINTS))
    if np.diag(coupling).any():
        raise SimulationError("shift 'cross_coupling' must be zero on its diagonal; use 'actuator_gain' for a joint's own gain")
    for name, others, gain in zip(JOINT_NAMES, np.abs(coupling).sum(axis=1), shifts.actuator_gain, strict=True):
        if others >= gain:
            raise SimulationError(
                f"shift 'cross_coupling' moves {name} by {others:.3g} times the other joints' commands and must stay below its gain {gain}"
            )


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


NO_SHIFTS = Shifts()
