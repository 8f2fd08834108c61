"""The robot of an opened environment, in the terms of a policy: observations in, targets out."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.policies.observation import Observation
from ttt_ros.simulation.foreign.description import EnvironmentTask, RobotDescription
from ttt_ros.simulation.foreign.follower import Follower, Vector

_NANOSECONDS = 1e9


class ForeignRobot:
    """One robot at one task.

    Every check of what the environment delivers is here, so that a wrong shape is told before a policy sees it.
    """

    def __init__(self, description: RobotDescription, task: EnvironmentTask, environment: gymnasium.Env[Any, Any]) -> None:
        """Takes over ``environment``, which may be wrapped in shifts.

        Raises:
            SimulationError: its action is not what the description says.
        """
        self._description = description
        self._instruction = task.instruction
        self._environment = environment
        box = _checked_action(description, environment.action_space)
        self._follower = Follower(description.channels, low=box.low.astype(np.float64), high=box.high.astype(np.float64))
        self._dtype = box.dtype
        self._seen: Any = None
        self.steps = 0
        self.success = False
        self.over = False

    def reset(self, seed: int) -> None:
        """Begins the episode with this seed."""
        self._seen, _ = self._environment.reset(seed=seed)
        self.steps, self.success, self.over = 0, False, False

    def observe(self) -> Observation:
        """What the robot sees and measures now.

        Raises:
            SimulationError: see ``image`` and ``measured``.
        """
        return Observation(
            stamp=round(self.steps * self._description.period * _NANOSECONDS),
            images={self._description.camera: torch.from_numpy(self.image())},
            joint_positions=torch.from_numpy(self.measured().astype(np.float32)),
            instruction=self._instruction,
        )

    def image(self) -> NDArray[np.uint8]:
        """What the camera shows, uint8 (height, width, 3).

        Raises:
            SimulationError: there is no image, or it is none of 8-bit RGB.
        """
        name = self._description.environment
        image = camera_image(self._environment, self._seen, self._description.camera)
        if image is None:
            raise SimulationError(
                f"'{name}' shows no image: its observation has no entry '{self._description.camera}' and render() returns nothing; "
                "name the camera as in the observation, or make the environment with render_mode 'rgb_array'"
            )
        pixels = np.asarray(image)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise SimulationError(f"the image of '{name}' is {pixels.dtype} of shape {pixels.shape}, not uint8 (height, width, 3)")
        return pixels.copy()

    def measured(self) -> Vector:
        """The proprioception as the robot is told it, (values,).

        Raises:
            SimulationError: there is none, it has another length than there are names, or it is not finite.
        """
        description = self._description
        values = np.asarray(proprioception(description, self._seen), dtype=np.float64)
        names = description.proprioception_names
        if values.shape != (len(names),):
            raise SimulationError(
                f"the proprioception of '{description.environment}' has shape {values.shape}, but {len(names)} values are named: "
                f"{', '.join(names)}"
            )
        if not np.isfinite(values).all():
            raise SimulationError(f"the proprioception of '{description.environment}' is {values}; the simulation has diverged")
        return values

    def play(self, targets: Vector) -> int:
        """Follows ``targets``, (steps, channels), until the last one or the end of the episode; returns how many steps were played.

        Raises:
            SimulationError: a target is not finite, or the environment does not say whether it succeeded.
        """
        if not np.isfinite(targets).all():
            raise SimulationError(f"the targets at step {self.steps} are not finite; the policy has diverged")
        self._follower.begin(self.measured())
        for played, target in enumerate(targets, start=1):
            self.act(self._follower.action(target))
            if self.over:
                return played
        return len(targets)

    def act(self, action: Vector) -> None:
        """One step with an action of the environment's own.

        Raises:
            SimulationError: the environment does not say whether it succeeded.
        """
        self._seen, _, terminated, truncated, information = self._environment.step(action.astype(self._dtype))
        self.steps += 1
        self.success = self.success or self._succeeded(information, terminated=bool(terminated))
        self.over = self.success or bool(terminated) or bool(truncated) or self.steps >= self._description.step_limit

    def close(self) -> None:
        """Frees the environment."""
        self._environment.close()

    def _succeeded(self, information: dict[str, Any], *, terminated: bool) -> bool:
        key = self._description.success_key
        if not key:
            return terminated
        if key not in information:
            raise SimulationError(
                f"the information of '{self._description.environment}' has no entry '{key}'; it has: {', '.join(information) or 'none'}; "
                "set success_key to one of them, or leave it empty where the end of an episode means success"
            )
        return bool(information[key])


def camera_image(environment: gymnasium.Env[Any, Any], seen: Any, camera: str) -> Any:
    """The observation's entry of that name, or else what the environment renders."""
    return seen[camera] if isinstance(seen, dict) and camera in seen else environment.render()


def proprioception(description: RobotDescription, seen: Any) -> Any:
    """The measured values in an observation of the environment.

    Raises:
        SimulationError: the observation has no such entry.
    """
    key = description.proprioception
    if not key and not isinstance(seen, dict):
        return seen
    if not isinstance(seen, dict) or key not in seen:
        found = f"the entries {', '.join(seen)}" if isinstance(seen, dict) else f"no entries, it is one {type(seen).__name__}"
        raise SimulationError(f"the observation of '{description.environment}' has no proprioception '{key}'; it has {found}")
    return seen[key]


def _checked_action(description: RobotDescription, space: spaces.Space[Any]) -> spaces.Box:
    if not isinstance(space, spaces.Box) or space.shape != (len(description.channels),):
        raise SimulationError(
            f"the action of '{description.environment}' is {space}, but {len(description.channels)} numbers are named: "
            f"{', '.join(channel.name for channel in description.channels)}"
        )
    return space
