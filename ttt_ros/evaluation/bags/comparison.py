"""Each chunk of the policy against what the robot was told at the same instants."""

from collections import deque
from collections.abc import Callable

import numpy as np

from ttt_ros.control.schedule import Chunk, Positions
from ttt_ros.evaluation.bags.commanded import Commanded, CommandTrack
from ttt_ros.evaluation.bags.records import ChunkRow
from ttt_ros.safeguard.clock import NANOSECONDS


class ChunkComparison:
    """Gives the row of each chunk once the commands over its horizon are known."""

    def __init__(self, on_row: Callable[[ChunkRow], None], *, horizon: int, period: float, open_loop: bool) -> None:
        """Sizes of all chunks: ``horizon`` in steps, ``period`` in seconds; in open loop chunks share no instant, so there are no seams."""
        self._on_row = on_row
        self._open_loop = open_loop
        self._track = CommandTrack(horizon=horizon, period=period, open_loop=open_loop)
        self._waiting: deque[tuple[Chunk, float | None]] = deque()  # answered in the order in which they are asked for
        self._before: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        """Takes a chunk that the policy answered."""
        self._waiting.append((chunk, None if self._open_loop else _seam(self._before, chunk)))
        self._before = chunk
        self._track.ask(chunk.stamp)

    def told(self, now: int, positions: Positions) -> None:
        """Takes a command to the robot, (joints,), that came at ``now``, ns."""
        self._track.add(now, positions)

    def advance(self, now: int) -> None:
        """Gives the rows of the chunks whose horizon is over at ``now``, ns."""
        for answer in self._track.answered(now):
            self._compare(answer)

    def end(self) -> None:
        """Gives the rows that are still open, without an error."""
        for answer in self._track.rest():
            self._compare(answer)

    def _compare(self, answer: Commanded) -> None:
        chunk, seam = self._waiting.popleft()
        error = squared = by_step = held = None
        if answer.positions is not None and answer.standing is not None:
            errors = np.abs(answer.positions - chunk.positions)
            error, squared, by_step = (tuple(each.tolist()) for each in (errors.mean(0), np.square(errors).mean(0), errors.mean(1)))
            held = tuple(np.abs(answer.positions - answer.standing).mean(axis=0).tolist())
        self._on_row(
            ChunkRow(
                stamp=chunk.stamp,
                version=chunk.version,
                error=error,
                squared=squared,
                by_step=by_step,
                held=held,
                seam=seam,
                roughness=float(np.sqrt(np.square(np.diff(chunk.positions, n=2, axis=0)).mean()) / chunk.period**2),
                seconds=chunk.inference_time,
            )
        )


def _seam(before: Chunk | None, chunk: Chunk) -> float | None:
    if before is None:
        return None
    offset = round((chunk.stamp - before.stamp) / NANOSECONDS / chunk.period)
    if not 0 <= offset < len(before.positions):
        return None
    return float(np.abs(chunk.positions[0] - before.positions[offset]).max())
