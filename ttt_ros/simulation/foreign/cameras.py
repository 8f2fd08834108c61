"""Cameras that do not show what they showed when a policy was trained."""

import math
from typing import Any

import cv2
import gymnasium
import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.corruptions import corrupted

Pixels = NDArray[np.uint8]


class ChangedCamera(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Changes the image, whether it is an entry of the observation or comes from ``render``."""

    def __init__(self, environment: gymnasium.Env[Any, Any], camera: str) -> None:
        """Changes what ``camera`` shows."""
        super().__init__(environment)
        self._camera = camera

    def changed(self, image: Pixels) -> Pixels:
        """What the policy is shown instead of ``image``, RGB, uint8 (height, width, 3)."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment."""
        seen, information = self.env.reset(seed=seed, options=options)
        return self._observation(seen), information

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment."""
        seen, reward, terminated, truncated, information = self.env.step(action)
        return self._observation(seen), reward, terminated, truncated, information

    def render(self) -> Any:
        """The changed image; None where there is none."""
        image: Any = self.env.render()
        return None if image is None else self.changed(np.asarray(image))

    def _observation(self, seen: Any) -> Any:
        if isinstance(seen, dict) and self._camera in seen:
            return {**seen, self._camera: self.changed(seen[self._camera])}
        return seen


class MovedCamera(ChangedCamera):
    """A camera whose mount was bumped, as a similarity of its image: right for a rotation of the camera, and near enough for a small
    displacement of it, because what a robot works on lies at about one distance. The border repeats where nothing was seen.
    """

    def __init__(self, environment: gymnasium.Env[Any, Any], camera: str, *, shift: tuple[float, float], roll: float, zoom: float) -> None:
        """Moves the image by ``shift`` (shares of width and height), turns it clockwise by ``roll`` rad, and enlarges it by ``zoom``."""
        super().__init__(environment, camera)
        self._shift, self._roll, self._zoom = shift, roll, zoom

    def changed(self, image: Pixels) -> Pixels:
        """The image from the bumped camera."""
        height, width = image.shape[:2]
        middle = ((width - 1) / 2, (height - 1) / 2)
        move = np.array(cv2.getRotationMatrix2D(middle, -math.degrees(self._roll), self._zoom), dtype=np.float64)
        move[:, 2] += np.array([self._shift[0] * width, self._shift[1] * height])
        return np.asarray(cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


class CorruptedCamera(ChangedCamera):
    """A camera under one of ImageNet-C's corruptions; every image draws anew, the same from the same seed."""

    def __init__(self, environment: gymnasium.Env[Any, Any], camera: str, *, corruption: str, severity: int, seed: int) -> None:
        """Corrupts with the function ``corruption`` at ``severity``, 1 to 5."""
        super().__init__(environment, camera)
        self._corruption, self._severity = corruption, severity
        self._random = np.random.default_rng(seed)

    def changed(self, image: Pixels) -> Pixels:
        """The corrupted image."""
        return corrupted(image, self._corruption, self._severity, self._random)
