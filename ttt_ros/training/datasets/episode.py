"""One recorded demonstration, and what a source of them offers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import RecordingError

Pixels: TypeAlias = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

Frames: TypeAlias = Iterable[Pixels]
"""The images of one camera in order, one for each row of an episode; read from disk anew each time it is iterated."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What all episodes of a source have in common.

    Attributes:
        state_names: of the measured values; joint names where the state is joint positions.
        action_names: of the commanded values; the same as ``state_names`` where the actions are joint positions.
        cameras: height and width of the images in pixels, by camera name.
        rate: rows per second.
        environment_names: of what was written down about the surroundings, such as where an object lies; none in most recordings.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: Mapping[str, tuple[int, int]]
    rate: float
    environment_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One demonstration of one instruction.

    Attributes:
        name: for messages, such as ``episode 3 of out/pick``.
        stamps: nanoseconds, int64, shape (rows,), strictly increasing.
        states: float32, shape (rows, states).
        actions: commanded at each row, float32, shape (rows, actions).
        instruction: the task in words.
        cameras: the images by camera name.
        environment: float32, shape (rows, values), the surroundings; no value in most recordings.

    Raises:
        RecordingError: there is no row, the lengths differ, the stamps do not increase, a value is not finite, or there is no instruction.
    """

    name: str
    stamps: NDArray[np.int64]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    instruction: str
    cameras: Mapping[str, Frames]
    environment: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    def __post_init__(self) -> None:
        rows = len(self.stamps)
        if rows == 0:
            raise RecordingError(f"{self.name} is empty; delete it from the data set, or leave it out")
        told = (("environment states", self.environment),) if self.environment.size else ()
        for what, values in (("states", self.states), ("actions", self.actions), *told):
            if values.ndim != 2 or len(values) != rows:
                raise RecordingError(f"{self.name} has {rows} time stamps but {what} of shape {values.shape}; record it again")
            broken = np.argwhere(~np.isfinite(values))
            if len(broken):
                row, column = broken[0]
                raise RecordingError(
                    f"{self.name} holds {len(broken)} {what} that are not finite, the first at row {row}, column {column} "
                    f"({values[row, column]}); mend the recording or leave the episode out"
                )
        backwards = np.flatnonzero(np.diff(self.stamps) <= 0)
        if len(backwards):
            raise RecordingError(f"{self.name}: the time stamp of row {backwards[0] + 1} is not after the one before; record it again")
        if not self.instruction.strip():
            raise RecordingError(f"{self.name} has no instruction; a policy needs to be told what the demonstration shows")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.stamps)


class EpisodeSource(Protocol):
    """Demonstrations on disk."""

    @property
    def layout(self) -> Layout:
        """What all episodes have in common."""
        ...

    def __len__(self) -> int:
        """Number of episodes."""
        ...

    def episode(self, index: int) -> Episode:
        """Reads the numbers of one episode; the images are read when they are iterated.

        Raises:
            RecordingError: there is no such episode, or it cannot be read.
        """
        ...


def check_index(index: int, *, of: int, source: str) -> None:
    """Raises RecordingError unless ``index`` is one of ``of`` episodes."""
    if not 0 <= index < of:
        raise RecordingError(f"{source} has episodes 0 to {of - 1}, not {index}; choose one of them")


def columns(names: Sequence[str], *, wanted: Sequence[str], what: str, source: str) -> list[int]:
    """Where each of the ``wanted`` names is among ``names``.

    Raises:
        RecordingError: one is missing, or ``names`` has others besides.
    """
    missing, unknown = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    if missing or unknown:
        raise RecordingError(
            f"{source} has other {what} than the policy: it lacks {', '.join(missing) or 'none'} and has {', '.join(unknown) or 'none'} "
            "besides; take another data set, or train a policy for this one"
        )
    return [list(names).index(name) for name in wanted]
