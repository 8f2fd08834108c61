"""A robot that follows its commands, and one camera that sees it: as little as a loop needs."""

import numpy as np

from ttt_ros.evaluation.closed_loop.disturbance import Pixels, Positions
from ttt_ros.evaluation.soak.policy import SPECIFICATION

_FOLLOWED = 0.7
"""Share of the way to its target that a joint moves in one control period."""

_NOISE = 6.0  # of 255


class FollowingRobot:
    """Moves when time passes."""

    def __init__(self, generator: np.random.Generator) -> None:
        """At rest in its zero pose; ``generator`` draws the camera's noise."""
        self._generator = generator
        self.positions: Positions = np.zeros(len(SPECIFICATION.joint_names))
        self._target: Positions = self.positions

    def command(self, positions: Positions) -> None:
        """Takes where to go, (joints,), rad."""
        self._target = positions

    def move(self) -> None:
        """One control period passes."""
        self.positions = self.positions + _FOLLOWED * (self._target - self.positions)

    def picture(self) -> Pixels:
        """Greys that depend on the joints, with noise: RGB (height, width, 3)."""
        camera = SPECIFICATION.cameras[0]
        greys = 128.0 + 50.0 * np.sin(self.positions)
        pixels = greys + self._generator.normal(scale=_NOISE, size=(camera.height, camera.width, 3))
        return pixels.clip(0, 255).astype(np.uint8)
