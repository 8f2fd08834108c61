"""Who listens to a bag while it is played."""

from collections.abc import Mapping
from typing import Protocol

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.images import Pixels
from ttt_ros.control.schedule import Chunk


class Listener(Protocol):
    """Hears what the policy's side gets and says; ``now`` is the instant of the bag's clock, ns, and positions are rad or m by joint."""

    def heard_image(self, camera: str, image: Pixels, *, stamp: int, now: int) -> None:
        """A frame as recorded, RGB (height, width, 3)."""
        ...

    def heard_joints(self, positions: Mapping[str, float], *, stamp: int, now: int) -> None:
        """A joint state."""
        ...

    def heard_command(self, positions: Mapping[str, float], *, now: int) -> None:
        """What the robot was told."""
        ...

    def heard_chunk(self, chunk: Chunk, *, now: int) -> None:
        """A chunk that the policy would have played."""
        ...

    def heard_report(self, report: WindowReport, *, now: int) -> None:
        """The report on a window."""
        ...

    def ticked(self, now: int) -> None:
        """The end of a control tick."""
        ...


class Nobody:
    """Listens to nothing."""

    def heard_image(self, camera: str, image: Pixels, *, stamp: int, now: int) -> None:
        """Nothing."""

    def heard_joints(self, positions: Mapping[str, float], *, stamp: int, now: int) -> None:
        """Nothing."""

    def heard_command(self, positions: Mapping[str, float], *, now: int) -> None:
        """Nothing."""

    def heard_chunk(self, chunk: Chunk, *, now: int) -> None:
        """Nothing."""

    def heard_report(self, report: WindowReport, *, now: int) -> None:
        """Nothing."""

    def ticked(self, now: int) -> None:
        """Nothing."""
