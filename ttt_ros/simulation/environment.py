"""The simulated arm as a Gymnasium environment."""

import math
import string
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import JOINT_LIMITS, JOINT_NAMES
from ttt_ros.simulation.engine import CAMERA_SIZES, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts
from ttt_ros.simulation.tasks import INSTRUCTIONS, parse

_OPTIONS = {"instruction": str, "shifts": Shifts, "random_pose": bool}


class DeskArmEnvironment(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):
    """One goal in words per episode; a step is one control period of 1/30 s.

    Observation: an RGB image, uint8 [height, width, 3], by camera name; ``joint_positions``, rad, float32 [6]; ``instruction``.
    Action: absolute joint positions, rad, float32 [6]. Both in the frame of the encoders, in the order of JOINT_NAMES.
    The reward is 1 in the step that reaches the goal, which ends the episode, else 0.
    """

    def __init__(
        self, *, cameras: Mapping[str, tuple[int, int]] = CAMERA_SIZES, time_limit: float = 8.0, render_mode: str | None = None
    ) -> None:
        """Makes the simulation.

        Args:
            cameras: (height, width) in pixels by camera name.
            time_limit: s after which an episode is truncated.
            render_mode: ``rgb_array`` makes ``render`` return the scene camera's image.

        Raises:
            SimulationError: an unknown camera or render mode, or a time limit that is not positive.
        """
        if render_mode not in (None, "rgb_array"):
            raise SimulationError(f"render mode '{render_mode}' is not supported; use None or 'rgb_array'")
        if not time_limit > 0:
            raise SimulationError(f"time limit {time_limit} s must be positive")
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_PERIOD)}
        self.render_mode = render_mode
        self._time_limit = time_limit
        self._simulation = Simulation(cameras=cameras)
        self._cameras = tuple(cameras)
        self._instruction = INSTRUCTIONS[0]
        self.observation_space = _observation_space(cameras)
        limits = [JOINT_LIMITS[name] for name in JOINT_NAMES]
        self.action_space = spaces.Box(
            np.array([limit.lower for limit in limits], np.float32), np.array([limit.upper for limit in limits], np.float32)
        )

    @property
    def simulation(self) -> Simulation:
        """The engine, for experts and measurements."""
        return self._simulation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: of the layout, as in ``Simulation.reset``; drawn if not given.
            options: ``instruction`` (drawn if not given), ``shifts`` (none if not given), ``random_pose`` (False if not given).

        Raises:
            SimulationError: an unknown option or instruction.
        """
        super().reset(seed=seed)
        options = options or {}
        _check_options(options)
        self._instruction = options["instruction"] if "instruction" in options else str(self.np_random.choice(INSTRUCTIONS))
        task = parse(self._instruction)
        self._simulation.set_shifts(options.get("shifts", NO_SHIFTS))
        self._simulation.reset(int(self.np_random.integers(2**31)) if seed is None else seed, random_pose=options.get("random_pose", False))
        self._simulation.start(task)
        return self._observation(), self._information()

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Commands the action and advances by one control period.

        Raises:
            SimulationError: the action is not six finite numbers.
        """
        self._simulation.command(action)
        self._simulation.advance(CONTROL_PERIOD)
        terminated = self._simulation.succeeded()
        truncated = self._simulation.time >= self._time_limit - CONTROL_PERIOD / 2
        return self._observation(), float(terminated), terminated, truncated, self._information()

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]  # gymnasium's return type is a type variable of its own
        """The scene camera's image in render mode ``rgb_array``, else None."""
        return self._simulation.render("scene") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the GL context, in the thread that renders."""
        self._simulation.close()

    def _observation(self) -> dict[str, Any]:
        images = {camera: self._simulation.render(camera) for camera in self._cameras}
        return {**images, "joint_positions": self._simulation.joint_positions().astype(np.float32), "instruction": self._instruction}

    def _information(self) -> dict[str, Any]:
        return {"success": self._simulation.succeeded(), "first_touched": self._simulation.first_touched()}


def _observation_space(cameras: Mapping[str, tuple[int, int]]) -> spaces.Dict:
    images = {name: spaces.Box(0, 255, (height, width, 3), np.uint8) for name, (height, width) in cameras.items()}
    joints = spaces.Box(-2 * math.pi, 2 * math.pi, (len(JOINT_NAMES),), np.float32)
    words = spaces.Text(max(map(len, INSTRUCTIONS)), charset=string.ascii_lowercase + " ")
    return spaces.Dict({**images, "joint_positions": joints, "instruction": words})


def _check_options(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name not in _OPTIONS:
            raise SimulationError(f"unknown reset option '{name}'; known are: {', '.join(_OPTIONS)}")
        if not isinstance(value, _OPTIONS[name]):
            raise SimulationError(f"reset option '{name}' = {value!r} must be of type {_OPTIONS[name].__name__}")
