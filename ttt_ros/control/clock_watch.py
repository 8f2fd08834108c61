"""Noticing that the robot's time was broken off, by the ROS clock and the wall clock together."""

STOOD = 2.0
"""Wall seconds between two control ticks from which the ROS clock has stood still. A control rate of 30 Hz is that slow in a simulation at
a sixtieth of real time; a simulation or a driver that is started anew takes longer."""


class ClockWatch:
    """Compares each control tick with the one before.

    Stamps alone do not tell. A simulation that is started anew may be heard again just when its time has reached that of the old one, and
    its first readings then seem to follow upon the last ones of a robot that stood elsewhere.
    """

    def __init__(self) -> None:
        """Begins before the first tick, which nothing was broken off before."""
        self._last: tuple[int, float] | None = None

    def broken(self, now: int, *, wall: float) -> bool:
        """Whether the ROS clock was set back or stood still since the tick before.

        Args:
            now: of the tick, ns of the ROS clock.
            wall: at the same moment, s of a clock that nobody sets.
        """
        last, self._last = self._last, (now, wall)
        return last is not None and (now < last[0] or wall - last[1] > STOOD)
