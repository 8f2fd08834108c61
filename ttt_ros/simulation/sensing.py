"""What the cameras of a shifted robot make of a rendered picture."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.corruptions import corrupted
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts

_SMEAR_BLUR = 0.06
"""Radius of the blur behind the smear, of the image's height."""

_SMEAR_WIDTH = 0.6
_SMEAR_DIRECTION = (0.8, 0.6)
"""The smear is a band across the image, with a soft edge: half its width, and its normal as (row, column), from -1 to 1 over the image."""


class CameraStream:
    """The frames of one camera in order; a dropped frame is replaced by the one before."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None

    def clear(self) -> None:
        """Forgets the last frame, so that the next cannot be dropped."""
        self._last = None

    def take(self, image: NDArray[np.uint8], shifts: Shifts, generator: np.random.Generator) -> NDArray[np.uint8]:
        """The frame that arrives for a rendered picture, both RGB, uint8 [height, width, 3]: a new array."""
        dropped = shifts.dropped_frames > 0 and generator.random() < shifts.dropped_frames
        if self._last is None or not dropped:
            self._last = seen(image, shifts, generator)
        return self._last.copy()


def seen(image: NDArray[np.uint8], shifts: Shifts, generator: np.random.Generator) -> NDArray[np.uint8]:
    """The picture through a smeared lens, with colour cast, sensor noise and corruption, all RGB, uint8 [height, width, 3].

    Raises:
        SimulationError: a corruption cannot be computed; see ``corrupted``.
    """
    if shifts.lens_smear > 0:
        image = _smeared(image, shifts.lens_smear)
    if shifts.colour_cast != NO_SHIFTS.colour_cast or shifts.sensor_noise > 0:
        noise = generator.normal(scale=shifts.sensor_noise, size=image.shape)
        image = _quantised(image * np.array(shifts.colour_cast) + noise)
    if shifts.corruption and shifts.severity > 0:
        image = corrupted(image, shifts.corruption, shifts.severity, generator)
    return image


def _smeared(image: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    across = (rows * _SMEAR_DIRECTION[0] + columns * _SMEAR_DIRECTION[1]) / _SMEAR_WIDTH
    weight = strength * np.exp(-(across**4))[:, :, None]
    radius = max(round(_SMEAR_BLUR * height), 1)
    blurred = _box_blurred(_box_blurred(image.astype(np.float64), radius), radius)
    return _quantised(image + weight * (blurred - image))


def _box_blurred(image: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    for axis in (0, 1):
        padding = [(0, 0)] * 3
        padding[axis] = (radius + 1, radius)
        sums = np.moveaxis(np.cumsum(np.pad(image, padding, mode="edge"), axis=axis), axis, 0)
        image = np.moveaxis((sums[2 * radius + 1 :] - sums[: -2 * radius - 1]) / (2 * radius + 1), 0, axis)
    return image


def _quantised(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(image), 0.0, 255.0).astype(np.uint8)
