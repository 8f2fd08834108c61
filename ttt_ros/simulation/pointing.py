"""A privileged expert for pointing: it knows the shifts, and answers with one open-loop chunk of joint commands."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import JOINT_LIMITS, JOINT_NAMES, PARKED, ArmKinematics
from ttt_ros.simulation.shifts import Shifts

HORIZON = 40
"""Steps of a chunk."""

MOTION_STEPS = 30
"""Steps in which the command moves; it rests for the others, so that delay and lag are over when the chunk ends."""

HOVER = 0.09
"""Height of the fingertip above the table while it points, m."""

_GRAVITY = 9.81
_TIP_TOLERANCE = 1e-5
_MAX_ITERATIONS = 10


class PointingExpert:
    """Plans in the frame of the encoders; makes up for the shifts of the joints, for the payload and for a bent hand."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Plans for ``model``, whose shifts must be those that the methods are called with."""
        self._model = model
        self._data = mujoco.MjData(model)
        self._kinematics = ArmKinematics.of(model)
        self._tip = model.site("tip").id
        self._stiffness = -model.actuator_biasprm[: len(JOINT_NAMES), 1]

    def point(
        self, start: NDArray[np.float64], place: NDArray[np.float64], *, shifts: Shifts, drives: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """A chunk, rad, float64 [HORIZON, 6], from the command ``start`` [6] to where the tip hovers over ``place`` (x, y), m.

        Args:
            start: the last command.
            place: where to point.
            shifts: those in force.
            drives: where the drives are now, true, rad, [6], which tells in which direction they will take up their backlash.

        Raises:
            SimulationError: the place is out of reach.
        """
        joints = self._joints(np.array([*place[:2], HOVER]))
        sagging = self.tip_jacobian(joints)[2] * (-shifts.payload * _GRAVITY)
        loaded = joints - sagging / self._stiffness
        taken_up = loaded + np.sign(loaded - drives) * shifts.backlash / 2
        return minimum_jerk(start, _within_limits(shifts.command(taken_up)))

    @staticmethod
    def rest(start: NDArray[np.float64]) -> NDArray[np.float64]:
        """A chunk, rad, float64 [HORIZON, 6], from the command ``start`` [6] to the command PARKED."""
        return minimum_jerk(start, np.array(PARKED))

    def tip_jacobian(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivative of the tip's position, m, by the true joint positions, rad: float64 [3, 6], at ``joints`` [6]."""
        self._move(joints)
        jacobian = np.zeros((3, self._model.nv))
        mujoco.mj_jacSite(self._model, self._data, jacobian, None, self._tip)
        return jacobian[:, : len(JOINT_NAMES)]

    def _joints(self, tip: NDArray[np.float64]) -> NDArray[np.float64]:
        """True joint positions for a tip, from the closed form, which holds for a straight hand, and Newton's method."""
        joints = self._kinematics.joints(tip)
        for _ in range(_MAX_ITERATIONS):
            jacobian = self.tip_jacobian(joints)
            missing = tip - self._data.site_xpos[self._tip]
            if np.abs(missing).max() < _TIP_TOLERANCE:
                return joints
            joints[:4] += np.linalg.lstsq(jacobian[:, :4], missing, rcond=None)[0]
        raise SimulationError(f"the fingertip cannot reach {np.round(tip, 3).tolist()} m; put the cube into the work area")

    def _move(self, joints: NDArray[np.float64]) -> None:
        self._data.qpos[: len(JOINT_NAMES)] = joints
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)


def minimum_jerk(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joint commands, float64 [HORIZON, 6]: MOTION_STEPS from ``start`` (not included) to ``end`` with the least jerk, then ``end``.

    The profile is that of Flash and Hogan, The coordination of arm movements, 1985.
    """
    fraction = np.minimum(np.arange(1, HORIZON + 1) / MOTION_STEPS, 1.0)[:, None]
    return np.asarray(start + (end - start) * fraction**3 * (10 - 15 * fraction + 6 * fraction**2), dtype=np.float64)


def _within_limits(command: NDArray[np.float64]) -> NDArray[np.float64]:
    for name, position in zip(JOINT_NAMES, command, strict=True):
        limit = JOINT_LIMITS[name]
        if not limit.lower <= position <= limit.upper:
            raise SimulationError(f"the expert would command {name} = {position:.3f} rad beyond {limit.lower} to {limit.upper}")
    return command
