"""A foreign environment for tests: a dot that is moved by displacements and seen from above."""

from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ttt_ros.simulation.foreign.description import Channel, EnvironmentTask, Meaning, RobotDescription

SIDE = 32  # px
UNIT = 0.05  # m that an action of 1 moves the dot by
REACHED = 0.1  # m

TASK = EnvironmentTask(name="centre", instruction="reach the centre")


def described(**changes: Any) -> RobotDescription:
    """The point mass, with ``changes``."""
    values: dict[str, Any] = {
        "environment": "point_mass:make_point_mass",
        "camera": "above",
        "proprioception": "position",
        "proprioception_names": ("x", "y"),
        "channels": tuple(Channel(name=name, meaning=Meaning.DISPLACEMENT, unit=UNIT, share=0.5) for name in ("x", "y")),
        "horizon": 4,
        "period": 0.05,
        "replan_steps": 4,
        "step_limit": 12,
    }
    return RobotDescription(**(values | changes))


class PointMass(gymnasium.Env[Any, NDArray[np.float32]]):
    """Success is to come near the centre; the image shows where the dot is."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self, image: Literal["observed", "rendered", "none"] = "rendered", *, flat: bool = False, render_mode: str = "rgb_array"
    ) -> None:
        """``flat``: the observation is the position itself."""
        self.render_mode = render_mode
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Dict({"position": spaces.Box(-2.0, 2.0, (2,), np.float32)})
        self.position = np.zeros(2)
        self.executed: list[NDArray[np.float32]] = []
        self.object_offset = (0.0, 0.0, 0.0)
        self._image = image
        self._flat = flat

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-0.8, 0.8, 2)
        self.executed = []
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.executed.append(action)
        self.position = np.clip(self.position + UNIT * np.clip(action, -1, 1), -1.0, 1.0)
        return self._observation(), 0.0, False, False, {"success": bool(np.linalg.norm(self.position) < REACHED)}

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        return self._picture() if self._image == "rendered" else None

    def set_object_offset(self, offset: tuple[float, float, float]) -> None:
        self.object_offset = offset

    def _observation(self) -> Any:
        told = self.position.astype(np.float32)
        if self._flat:
            return told
        return {"position": told} | ({"above": self._picture()} if self._image == "observed" else {})

    def _picture(self) -> NDArray[np.uint8]:
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        column, row = np.round((self.position + 1) / 2 * (SIDE - 3)).astype(int)
        picture[row : row + 3, column : column + 3] = 255
        return picture


def make_point_mass(**arguments: Any) -> PointMass:
    """The factory."""
    return PointMass(**arguments)
