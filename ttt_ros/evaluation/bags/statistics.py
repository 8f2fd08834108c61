"""Means and paired differences over the rows of several arms, on common stamps and with the same draws of blocks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ttt_ros.evaluation import intervals
from ttt_ros.evaluation.bags.figures import Estimate, Spread
from ttt_ros.evaluation.intervals import Blocks

FEWEST_BLOCKS = 5
"""With fewer blocks there are too few ways to draw them anew, and an interval would look narrower than it is."""

Floats = NDArray[np.float64]


class Stamped(Protocol):
    """A row of a record."""

    @property
    def stamp(self) -> int:
        """Nanoseconds of the bag's clock."""


Row = TypeVar("Row", bound=Stamped)
Rows = Mapping[str, Sequence[Row]]
"""The rows of one bag by arm."""


class Paired(Generic[Row]):
    """The rows of all arms, put on the stamps that any of them has, bag by bag."""

    def __init__(self, bags: Sequence[Rows[Row]], *, seconds: float, seed: int) -> None:
        """Cuts each of ``bags`` into blocks of ``seconds`` of its own."""
        stamps = [sorted({row.stamp for rows in arms.values() for row in rows}) for arms in bags]
        self._blocks = Blocks([each for each in stamps if each], seconds=seconds, seed=seed)
        self._frames = sum(len(each) for each in stamps)
        self._places: dict[str, tuple[list[int], list[Row]]] = {}
        first = 0
        for arms, each in zip(bags, stamps, strict=True):
            place = {stamp: first + index for index, stamp in enumerate(each)}
            first += len(each)
            for arm, rows in arms.items():
                places, kept = self._places.setdefault(arm, ([], []))
                by_stamp = {row.stamp: row for row in rows}  # of two rows with one stamp the later counts
                places += [place[stamp] for stamp in by_stamp]
                kept += by_stamp.values()

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self._blocks.count

    def table(self, arm: str, figures: Callable[[Row], Sequence[float | None] | None], *, columns: int) -> Floats:
        """The ``figures`` of every row of ``arm``, float64 (frames, columns); NaN where there is none."""
        table = np.full((self._frames, columns), np.nan)
        places, rows = self._places.get(arm, ([], []))
        for place, row in zip(places, rows, strict=True):
            values = figures(row)
            if values is not None:
                table[place] = values  # float64 turns None into NaN
        return table

    def column(self, arm: str, figure: Callable[[Row], float | None]) -> Floats:
        """The ``figure`` of every row of ``arm``, float64 (frames,); NaN where there is none."""
        return self.table(arm, lambda row: (figure(row),), columns=1)[:, 0]

    def means(self, table: Floats) -> tuple[Estimate | None, ...]:
        """The mean of each column of ``table``, (frames, columns); None for a column without any value."""
        known = self._blocks.known(table) if self._frames else np.zeros(table.shape[1], dtype=np.int64)
        found = iter(self._blocks.means(table[:, known > 0]) if known.any() else ())
        return tuple(_kept(next(found), blocks=int(blocks)) if blocks else None for blocks in known)

    def shared_blocks(self, values: Floats, reference: Floats) -> int:
        """How many blocks hold a frame that both have."""
        return int(self._blocks.known((values + reference)[:, None])[0]) if self._frames else 0

    def change(self, values: Floats, reference: Floats) -> Estimate | None:
        """The relative difference of the means on the frames that both have; None if there are none, or the reference is 0."""
        if not reference[np.isfinite(values + reference)].any():
            return None
        return _kept(self._blocks.change(values, reference), blocks=self.shared_blocks(values, reference))


def spread(values: Sequence[float | None]) -> Spread | None:
    """Median, 95th percentile and greatest of ``values``; None if all are None."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    median, p95 = np.percentile(known, (50, 95))
    return Spread(median=float(median), p95=float(p95), greatest=float(max(known)))


def _kept(estimate: intervals.Estimate, *, blocks: int) -> Estimate:
    enough = blocks >= FEWEST_BLOCKS
    return Estimate(value=estimate.value, lower=estimate.lower if enough else None, upper=estimate.upper if enough else None)
