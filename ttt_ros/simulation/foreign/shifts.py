"""The package's shifts for any Gymnasium environment: a robot that is not the one that a policy was trained on."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.errors import ConfigurationError, SimulationError
from ttt_ros.simulation.corruptions import CORRUPTIONS, MAX_SEVERITY
from ttt_ros.simulation.foreign.cameras import CorruptedCamera, MovedCamera
from ttt_ros.simulation.foreign.description import Meaning, RobotDescription
from ttt_ros.simulation.foreign.robot import proprioception

Environment = gymnasium.Env[Any, Any]
Vector = NDArray[np.float64]
Share = Annotated[float, Field(ge=-0.5, le=0.5)]


@strict
@dataclass(frozen=True, kw_only=True)
class EnvironmentShift:
    """What is wrong with a robot for the whole of a run; the default is nothing.

    Attributes:
        measured_offset: what is added to measured values, by their name, in their units: the hand is not where the robot says.
        object_offset: displacement, m, at which the robot is shown what its task is about; needs an environment with a method
            ``set_object_offset``, because nobody else knows what that is.
        action_gain: factor on the environment's actions.
        action_delay: environment steps from an action to its effect.
        camera_shift: displacement of the image to the right and down, in shares of its width and height.
        camera_roll: rotation of the image about its middle, rad, clockwise.
        camera_zoom: factor on the size of what the image shows.
        corruption: a function of ImageNet-C, or empty for none.
        severity: of the corruption, 1 to 5, or 0 for none.

    Raises:
        ConfigurationError: an unknown corruption, or one without its severity.
    """

    measured_offset: Mapping[str, float] = field(default_factory=dict)
    object_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    action_gain: Annotated[float, Field(gt=0, le=4)] = 1.0
    action_delay: Annotated[int, Field(ge=0, le=100)] = 0
    camera_shift: tuple[Share, Share] = (0.0, 0.0)
    camera_roll: Annotated[float, Field(ge=-math.pi, le=math.pi)] = 0.0
    camera_zoom: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    corruption: str = ""
    severity: Annotated[int, Field(ge=0, le=MAX_SEVERITY)] = 0

    def __post_init__(self) -> None:
        if self.corruption and self.corruption not in CORRUPTIONS:
            raise ConfigurationError(f"unknown corruption '{self.corruption}'; known are: {', '.join(CORRUPTIONS)}")
        if bool(self.corruption) != bool(self.severity):
            raise ConfigurationError(f"corruption '{self.corruption}' has severity {self.severity}; a corruption needs one from 1 to 5")


NO_SHIFT = EnvironmentShift()


def shifted(environment: Environment, shift: EnvironmentShift, robot: RobotDescription, *, seed: int) -> Environment:
    """Wraps ``environment`` in what ``shift`` asks for, and in nothing else; without a shift it comes back as it is.

    Args:
        seed: of a corruption's noise.

    Raises:
        SimulationError: a measured value is unknown, or the environment cannot show its object elsewhere.
    """
    if any(shift.object_offset):
        _show_object_elsewhere(environment, shift.object_offset, robot)
    if shift.action_delay:
        environment = DelayedActions(environment, robot, steps=shift.action_delay)
    if shift.action_gain != 1.0:
        environment = ScaledActions(environment, gain=shift.action_gain)
    if any(shift.measured_offset.values()):
        environment = OffsetMeasurement(environment, robot, offsets=shift.measured_offset)
    if any(shift.camera_shift) or shift.camera_roll or shift.camera_zoom != 1.0:
        environment = MovedCamera(environment, robot.camera, shift=shift.camera_shift, roll=shift.camera_roll, zoom=shift.camera_zoom)
    if shift.corruption:
        environment = CorruptedCamera(environment, robot.camera, corruption=shift.corruption, severity=shift.severity, seed=seed)
    return environment


class ScaledActions(gymnasium.ActionWrapper[Any, Any, Any]):
    """An actuator that does more or less than it is asked for."""

    def __init__(self, environment: Environment, *, gain: float) -> None:
        """Multiplies every action by ``gain``."""
        super().__init__(environment)
        self._gain = gain

    def action(self, action: NDArray[Any]) -> NDArray[Any]:
        """The action that is executed; the environment clips it if it must."""
        scaled: NDArray[Any] = (action * self._gain).astype(action.dtype)
        return scaled


class DelayedActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A robot that does what it was asked some steps ago, first in, first out.

    Until the first action comes through it does nothing: a displacement of zero, and for a direct channel what was measured at the reset.
    """

    def __init__(self, environment: Environment, robot: RobotDescription, *, steps: int) -> None:
        """Delays every action by ``steps`` environment steps."""
        super().__init__(environment)
        self._robot = robot
        self._steps = steps
        self._waiting: deque[NDArray[Any]] = deque()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Forgets the actions of the episode before."""
        seen, information = self.env.reset(seed=seed, options=options)
        measured = np.asarray(proprioception(self._robot, seen))
        nothing = np.where([channel.meaning is Meaning.DISPLACEMENT for channel in self._robot.channels], 0.0, measured)
        self._waiting = deque([nothing] * self._steps)
        return seen, information

    def step(self, action: NDArray[Any]) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Executes the oldest action that waits, and lets ``action`` wait."""
        self._waiting.append(action)
        return self.env.step(self._waiting.popleft().astype(action.dtype))


class OffsetMeasurement(gymnasium.ObservationWrapper[Any, Any, Any]):
    """A robot whose measured values are wrong by constants."""

    def __init__(self, environment: Environment, robot: RobotDescription, *, offsets: Mapping[str, float]) -> None:
        """Adds ``offsets``, by name.

        Raises:
            SimulationError: a name is not one of the robot's.
        """
        super().__init__(environment)
        unknown = sorted(offsets.keys() - set(robot.proprioception_names))
        if unknown:
            raise SimulationError(f"no measured value is named {', '.join(unknown)}; the robot has {', '.join(robot.proprioception_names)}")
        self._robot = robot
        self._offsets = np.array([offsets.get(name, 0.0) for name in robot.proprioception_names])

    def observation(self, observation: Any) -> Any:
        """The observation with other measured values."""
        measured = np.asarray(proprioception(self._robot, observation))
        told = (measured + self._offsets).astype(measured.dtype)
        return {**observation, self._robot.proprioception: told} if self._robot.proprioception else told


def _show_object_elsewhere(environment: Environment, offset: tuple[float, float, float], robot: RobotDescription) -> None:
    try:
        show = environment.get_wrapper_attr("set_object_offset")
    except AttributeError:
        raise SimulationError(
            f"'{robot.environment}' cannot show its object elsewhere: it has no method set_object_offset(offset); add it, or leave the "
            "object offset out"
        ) from None
    show(offset)
