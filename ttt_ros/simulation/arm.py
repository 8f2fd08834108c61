"""The simulated arm's joints, limits and closed-form kinematics."""

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

JOINT_NAMES = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


@dataclass(frozen=True, kw_only=True)
class JointLimit:
    """Limits of one joint: position in rad, velocity in rad/s."""

    lower: float
    upper: float
    velocity: float


JOINT_LIMITS = {
    "shoulder_pan": JointLimit(lower=-1.9, upper=1.9, velocity=4.7),
    "shoulder_lift": JointLimit(lower=-1.8, upper=1.8, velocity=4.7),
    "elbow_flex": JointLimit(lower=-1.8, upper=1.8, velocity=4.7),
    "wrist_flex": JointLimit(lower=-2.1, upper=2.1, velocity=4.7),
    "wrist_roll": JointLimit(lower=-2.7, upper=2.7, velocity=4.7),
    "gripper": JointLimit(lower=-0.2, upper=1.5, velocity=4.7),
}

HOME = (0.0, -0.25, 0.3, 1.52, 0.0, 0.0)
"""The pose that an episode starts from, rad, in the order of JOINT_NAMES: hand folded back, pointing down."""

PARKED = (0.0, -1.0, -1.1, 0.4, 0.0, 0.0)
"""The pose between two goals, rad, in the order of JOINT_NAMES: folded back behind the base, out of the overhead camera's view."""

_UPRIGHT_RADIUS = 0.24
_TILT_PER_METRE = 5.0
_MAX_TILT = 0.6


@dataclass(frozen=True, kw_only=True)
class ArmKinematics:
    """Closed-form kinematics of the yaw joint and the three parallel pitch joints; wrist roll and gripper do not move the tip.

    Attributes:
        shoulder_radius, shoulder_height: where the shoulder_lift axis is, from the yaw axis and the table, m.
        upper_arm, forearm: their lengths, m.
        hand: from the wrist_flex axis to the tip of the closed fingers, m.
    """

    shoulder_radius: float
    shoulder_height: float
    upper_arm: float
    forearm: float
    hand: float

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "ArmKinematics":
        """Reads the lengths from the model of the arm."""
        shoulder, upper_arm = model.body("shoulder").pos, model.body("upper_arm").pos
        return cls(
            shoulder_radius=float(upper_arm[0]),
            shoulder_height=float(shoulder[2] + upper_arm[2]),
            upper_arm=float(model.body("forearm").pos[2]),
            forearm=float(model.body("wrist").pos[0]),
            hand=float(model.body("hand").pos[0] + model.site("tip").pos[0]),
        )

    def tip(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Position of the tip in the world, m, float64 [3], for joint positions [6] in rad."""
        yaw, lift, elbow, flex = (float(joint) for joint in joints[:4])
        upper_arm = lift
        forearm = upper_arm + elbow + math.pi / 2
        hand = forearm + flex
        lengths = (self.upper_arm, self.forearm, self.hand)
        angles = (upper_arm, forearm, hand)
        radius = self.shoulder_radius + sum(length * math.sin(angle) for length, angle in zip(lengths, angles, strict=True))
        height = self.shoulder_height + sum(length * math.cos(angle) for length, angle in zip(lengths, angles, strict=True))
        return np.array([radius * math.cos(yaw), radius * math.sin(yaw), height])

    def joints(self, tip: NDArray[np.float64], *, roll: float = 0.0, gripper: float = 0.0) -> NDArray[np.float64]:
        """Joint positions, rad, float64 [6], that bring the tip to ``tip`` (m, world) with the elbow up.

        The hand points down and leans outwards only beyond ``_UPRIGHT_RADIUS``, where a vertical hand would be out of reach.
        For a point out of reach the arm stretches towards it.
        """
        radius = math.hypot(tip[0], tip[1])
        tilt = min(max(radius - _UPRIGHT_RADIUS, 0.0) * _TILT_PER_METRE, _MAX_TILT)
        out = radius - self.hand * math.sin(tilt) - self.shoulder_radius
        up = float(tip[2]) + self.hand * math.cos(tilt) - self.shoulder_height
        distance = min(max(math.hypot(out, up), abs(self.upper_arm - self.forearm) + 0.01), self.upper_arm + self.forearm - 0.002)
        direction = math.atan2(out, up)
        at_shoulder = _angle_opposite(self.forearm, self.upper_arm, distance)
        at_elbow = _angle_opposite(distance, self.upper_arm, self.forearm)
        lift = direction - at_shoulder
        elbow = math.pi / 2 - at_elbow
        flex = math.pi / 2 - tilt - lift - elbow
        return np.array([math.atan2(tip[1], tip[0]), lift, elbow, flex, roll, gripper])


def _angle_opposite(opposite: float, left: float, right: float) -> float:
    return math.acos((left * left + right * right - opposite * opposite) / (2 * left * right))
