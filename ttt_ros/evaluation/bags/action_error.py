"""The action errors of one arm: over all, by joint and by step of the chunk."""

import math
from collections.abc import Sequence

import numpy as np

from ttt_ros.evaluation.bags.figures import ActionError, Estimate, JointError
from ttt_ros.evaluation.bags.records import ChunkRow
from ttt_ros.evaluation.bags.statistics import Paired


def mean_error(row: ChunkRow) -> float | None:
    """The chunk's mean absolute error over joints and steps; None where nothing was commanded."""
    return None if row.error is None else float(np.mean(row.error))


def action_error(arm: str, rows: Sequence[ChunkRow], chunks: Paired[ChunkRow], joints: Sequence[str]) -> ActionError | None:
    """All errors of ``arm``, whose ``rows`` are among ``chunks``; None if no chunk has commands to compare with."""
    compared = [row for row in rows if row.error is not None]
    if not compared:
        return None
    steps = max(len(row.by_step or ()) for row in compared)
    absolute = chunks.table(arm, lambda row: row.error, columns=len(joints))
    squared = chunks.table(arm, lambda row: row.squared, columns=len(joints))
    held = chunks.table(arm, lambda row: row.held, columns=len(joints))
    by_step = chunks.table(arm, lambda row: _filled(row.by_step, steps), columns=steps)
    means = [table.mean(axis=1, keepdims=True) for table in (absolute, squared, held)]
    found = [each for each in chunks.means(np.hstack([*means, absolute, squared, held, by_step])) if each is not None]
    overall, over_joints = found[:3], found[3:]
    count = len(joints)
    return ActionError(
        chunks=len(compared),
        error=overall[0],
        root_mean_square=_root(overall[1]),
        held=overall[2],
        against_held=chunks.change(means[0][:, 0], means[2][:, 0]),
        joints={
            joint: JointError(
                error=over_joints[index], root_mean_square=_root(over_joints[count + index]), held=over_joints[2 * count + index]
            )
            for index, joint in enumerate(joints)
        },
        by_step=tuple(over_joints[3 * count :]),
    )


def _filled(values: Sequence[float] | None, length: int) -> list[float | None] | None:
    """A chunk at the end of a bag has commands for its first steps alone."""
    return None if values is None else [*values, *[None] * (length - len(values))]


def _root(squared: Estimate) -> Estimate:
    """Of a mean square and, as the root keeps the order, of its interval."""
    lower, upper = (None if end is None else math.sqrt(end) for end in (squared.lower, squared.upper))
    return Estimate(value=math.sqrt(squared.value), lower=lower, upper=upper)
