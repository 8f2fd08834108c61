"""What may differ between the robot that a policy was trained on and the one that it runs on."""

import math
from dataclasses import dataclass, fields

import mujoco
import numpy as np
from numpy.typing import NDArray

from ttt_ros.configuration import strict
from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME

_LIMITS = {
    "camera_position": (-0.3, 0.3),
    "camera_rotation": (-0.6, 0.6),
    "light": (0.1, 3.0),
    "colour_cast": (0.2, 2.0),
    "sensor_noise": (0.0, 60.0),
    "encoder_offset": (-0.5, 0.5),
    "actuator_gain": (0.25, 2.0),
    "action_delay": (0.0, 0.5),
    "payload": (0.0, 0.5),
}
_PAYLOAD_RADIUS = 0.02

Triple = tuple[float, float, float]
PerJoint = tuple[float, float, float, float, float, float]


def _check(name: str, value: object, default: object) -> None:
    numbers, defaults = _as_tuple(value), _as_tuple(default)
    if isinstance(value, tuple) != isinstance(default, tuple) or len(numbers) != len(defaults):
        raise SimulationError(f"shift '{name}' = {value!r} must be a number or a tuple of numbers like its default {default!r}")
    lower, upper = _LIMITS[name]
    for number in numbers:
        if not isinstance(number, (int, float)) or not math.isfinite(number) or not lower <= number <= upper:
            raise SimulationError(f"shift '{name}' = {value!r}: {number!r} must be a finite number from {lower} to {upper}")


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _array(values: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


@strict
@dataclass(frozen=True, kw_only=True)
class Shifts:
    """Shifts of cameras, joints and load; the default is no shift.

    A joint is measured at ``true + encoder_offset``, and a command moves it to
    ``home + actuator_gain * (command - encoder_offset - home)``: the encoder's zero is wrong for reading and commanding alike,
    and a gain other than one scales each commanded displacement from the home pose.

    Attributes:
        camera_position: displacement of the scene camera in the world, m, each -0.3 to 0.3.
        camera_rotation: rotation vector of the scene camera in its own frame (x right, y up, z back), rad, each -0.6 to 0.6.
        light: factor on all lights, 0.1 to 3.
        colour_cast: gains of red, green and blue in both cameras, 0.2 to 2.
        sensor_noise: standard deviation of the noise on each pixel of both cameras, of 255, 0 to 60.
        encoder_offset: rad, in the order of JOINT_NAMES, each -0.5 to 0.5.
        actuator_gain: in the order of JOINT_NAMES, each 0.25 to 2.
        action_delay: from a command to its effect, s, 0 to 0.5.
        payload: load at the fingertips, kg, 0 to 0.5.
    """

    camera_position: Triple = (0.0, 0.0, 0.0)
    camera_rotation: Triple = (0.0, 0.0, 0.0)
    light: float = 1.0
    colour_cast: Triple = (1.0, 1.0, 1.0)
    sensor_noise: float = 0.0
    encoder_offset: PerJoint = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    actuator_gain: PerJoint = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    action_delay: float = 0.0
    payload: float = 0.0

    def __post_init__(self) -> None:
        """Raises SimulationError for a value that is not finite, out of its range or of the wrong length."""
        for field in fields(self):
            _check(field.name, getattr(self, field.name), getattr(type(self), field.name))

    def measured(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the encoders read at true joint positions [6], rad."""
        return positions + _array(self.encoder_offset)

    def target(self, command: NDArray[np.float64]) -> NDArray[np.float64]:
        """The true joint positions [6], rad, that the servos move to on ``command``."""
        home = _array(HOME)
        return home + _array(self.actuator_gain) * (command - _array(self.encoder_offset) - home)

    def command(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of ``target``: the command that moves the servos to the true joint positions ``target``."""
        home = _array(HOME)
        return home + (target - home) / _array(self.actuator_gain) + _array(self.encoder_offset)

    def seen(self, image: NDArray[np.uint8], noise: np.random.Generator) -> NDArray[np.uint8]:
        """What a camera makes of an image, both uint8 [height, width, 3], with its colour cast and with noise drawn from ``noise``."""
        if self.colour_cast == NO_SHIFTS.colour_cast and self.sensor_noise == 0.0:
            return image
        drawn = noise.normal(scale=self.sensor_noise, size=image.shape)
        return np.clip(np.rint(image * _array(self.colour_cast) + drawn), 0.0, 255.0).astype(np.uint8)


NO_SHIFTS = Shifts()


def apply_to_model(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    """Writes the shifts of camera, light and load into ``model``, each computed from the ``original``; idempotent."""
    _shift_camera(shifts, model, original)
    _shift_light(shifts, model, original)
    _shift_load(shifts, model, original)


def _shift_camera(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    camera = model.camera("scene").id
    model.cam_pos[camera] = original.cam_pos[camera] + np.array(shifts.camera_position)
    rotated = original.cam_quat[camera].copy()
    mujoco.mju_quatIntegrate(rotated, np.array(shifts.camera_rotation), 1.0)
    model.cam_quat[camera] = rotated


def _shift_light(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    model.light_diffuse[:] = original.light_diffuse * shifts.light
    model.vis.headlight.ambient[:] = original.vis.headlight.ambient * shifts.light
    model.vis.headlight.diffuse[:] = original.vis.headlight.diffuse * shifts.light


def _shift_load(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    payload = model.body("payload").id
    model.body_mass[payload] = shifts.payload
    model.body_inertia[payload] = 0.4 * shifts.payload * _PAYLOAD_RADIUS**2
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # mj_setConst also estimates the extent anew, on which the cameras' clipping planes depend.
    model.stat.extent = original.stat.extent
    model.stat.center[:] = original.stat.center
