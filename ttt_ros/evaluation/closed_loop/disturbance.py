"""What may come between the robot and those who listen to it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Positions = NDArray[np.float64]


class Disturbance(Protocol):
    """Changes what the sensors say and what the robot is told. All instants are nanoseconds of the virtual clock."""

    def is_near(self, now: int) -> bool:
        """Whether any method may change something within the next second.

        Then every frame is rendered as it is taken: after a lost one the policy may look back at one that nobody had looked at.
        """
        ...

    def frame(self, camera: str, now: int) -> Sequence[int]:
        """The stamps of the messages that come of a frame taken at ``now``: none if it is lost, two if it comes twice."""
        ...

    def image(self, camera: str, pixels: Pixels, now: int) -> Pixels:
        """What the frame shows, RGB (height, width, 3), of the same size; asked only of frames that somebody looks at."""
        ...

    def joints(self, positions: Positions, now: int) -> Sequence[tuple[int, Positions]]:
        """The joint states, each a stamp and positions (6,) in rad, that come of one measured at ``now``."""
        ...

    def command(self, positions: Positions, now: int) -> Positions | None:
        """What the robot is told of a command (6,), rad; None if it is lost."""
        ...


class Undisturbed:
    """Changes nothing; a base for disturbances that change one thing."""

    def is_near(self, now: int) -> bool:
        """Never."""
        return False

    def frame(self, camera: str, now: int) -> Sequence[int]:
        """Every frame comes once."""
        return (now,)

    def image(self, camera: str, pixels: Pixels, now: int) -> Pixels:
        """As rendered."""
        return pixels

    def joints(self, positions: Positions, now: int) -> Sequence[tuple[int, Positions]]:
        """As measured."""
        return ((now, positions),)

    def command(self, positions: Positions, now: int) -> Positions | None:
        """As commanded."""
        return positions
