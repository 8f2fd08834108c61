"""Joint limits, and the check of a chunk against them before any of it is commanded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ActionError, ConfigurationError, SpecificationError

Angles = NDArray[np.float64]
ROUNDING = 1e-6
"""Radians by which a limit may be passed: what float32, in which policies compute, leaves of an angle of a few turns."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class JointLimit:
    """Limits of one joint.

    Attributes:
        lower: least position, radians.
        upper: greatest position, radians.
        max_velocity: radians per second between two commanded positions.
        max_step: radians between two commanded positions, whatever the period.

    Raises:
        ConfigurationError: ``lower`` is not below ``upper``.
    """

    lower: float
    upper: float
    max_velocity: Annotated[float, Field(gt=0)]
    max_step: Annotated[float, Field(gt=0)]

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise ConfigurationError(f"joint limit lower {self.lower:g} rad must be below upper {self.upper:g} rad")


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class JointLimitsConfig:
    """Limits by joint name, read from YAML with ``configuration.load_yaml``."""

    joint_limits: dict[str, JointLimit]

    def select(self, joint_names: Sequence[str]) -> "JointLimits":
        """The limits of ``joint_names``, in that order; further joints are ignored.

        Raises:
            SpecificationError: a joint has no limits.
        """
        missing = [name for name in joint_names if name not in self.joint_limits]
        if missing:
            given = ", ".join(self.joint_limits) or "no joint"
            raise SpecificationError(f"joint '{missing[0]}' has no limits; the file gives them for {given}")
        limits = [self.joint_limits[name] for name in joint_names]
        return JointLimits(
            names=tuple(joint_names),
            lower=np.array([limit.lower for limit in limits]),
            upper=np.array([limit.upper for limit in limits]),
            max_velocity=np.array([limit.max_velocity for limit in limits]),
            max_step=np.array([limit.max_step for limit in limits]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JointLimits:
    """The limits of the policy's joints in its order, each float64 of shape (joints,); see ``JointLimit`` for the units."""

    names: tuple[str, ...]
    lower: Angles
    upper: Angles
    max_velocity: Angles
    max_step: Angles

    def check_chunk(self, positions: Angles, *, current: Angles, period: float) -> None:
        """Refuses a chunk as a whole if any of it breaks a limit; nothing is clamped.

        Args:
            positions: (steps, joints), radians, absolute, as they would be commanded.
            current: (joints,), radians; the position commanded last, which the first step starts from.
            period: seconds between two steps.

        Raises:
            ActionError: naming joint, step, value and limit of the first violation.
        """
        if positions.ndim != 2 or positions.shape[1] != len(self.names) or current.shape != (len(self.names),):
            raise ActionError(
                f"chunk of shape {positions.shape} from a position of shape {current.shape} does not fit {len(self.names)} joints; "
                "check the policy's joint names"
            )
        if not np.isfinite(current).all():
            joint = self.names[int(np.argmin(np.isfinite(current)))]
            raise ActionError(f"joint '{joint}': the position commanded last is not finite; nothing can be checked against it")
        self._refuse(~np.isfinite(positions), positions, "position", "rad", "is not finite; limit", self.upper)
        self._refuse(positions < self.lower - ROUNDING, positions, "position", "rad", "is below the lower limit", self.lower)
        self._refuse(positions > self.upper + ROUNDING, positions, "position", "rad", "is above the upper limit", self.upper)
        steps = np.abs(np.diff(positions, axis=0, prepend=current[None]))
        self._refuse(steps > self.max_step + ROUNDING, steps, "step", "rad", "is above the limit", self.max_step)
        too_fast = steps > self.max_velocity * period + ROUNDING
        self._refuse(too_fast, steps / period, "velocity", "rad/s", "is above the limit", self.max_velocity)

    def _refuse(self, violated: NDArray[np.bool_], values: Angles, quantity: str, unit: str, verdict: str, limits: Angles) -> None:
        if not violated.any():
            return
        step, joint = (int(index) for index in np.argwhere(violated)[0])
        raise ActionError(
            f"joint '{self.names[joint]}', step {step}: {quantity} {values[step, joint]:.4g} {unit} {verdict} {limits[joint]:.4g} {unit}; "
            "the whole chunk is refused"
        )
