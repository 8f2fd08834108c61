"""What the arms cost, per control step and in memory."""

from collections.abc import Sequence

import numpy as np

from ttt_ros.evaluation.deployments.findings import Cost
from ttt_ros.evaluation.deployments.records import DeploymentRecord
from ttt_ros.evaluation.deployments.statistics import Floats

NEIGHBOURS = 50
"""Goals that a figure "at" a step is the median of: a single goal's time says more about the machine than about the arm."""

_PARTS = ("encode_seconds", "act_seconds", "remember_seconds", "adapt_seconds")


def cost(records: Sequence[DeploymentRecord]) -> Cost:
    """The cost of one arm over its deployments of one length."""

    def median(*figures: str) -> float:
        return float(np.median([np.median(sum(record.series(figure) for figure in figures)) for record in records]))

    return Cost(
        seconds_per_step=float(np.median([np.nanmedian(seconds_per_step(record)) for record in records])),
        inference_seconds=median("encode_seconds", "act_seconds"),
        remember_seconds=median("remember_seconds"),
        adapt_seconds=median("adapt_seconds"),
        memory_bytes=max(record.outcomes[-1].memory_bytes for record in records),
        adaptation_bytes=max(record.outcomes[-1].adaptation_bytes for record in records),
    )


def seconds_per_step(record: DeploymentRecord) -> Floats:
    """Seconds computed per control step played, of every goal; NaN where none was played."""
    seconds = np.sum([record.series(part) for part in _PARTS], axis=0)
    steps = record.series("steps")
    found: Floats = np.divide(seconds, steps, out=np.full_like(seconds, np.nan), where=steps > 0)
    return found


def seconds_early(record: DeploymentRecord) -> float:
    """About step 100: the median of the goals after the first, in which libraries are still loading."""
    return float(np.nanmedian(seconds_per_step(record)[1 : 1 + NEIGHBOURS]))


def seconds_late(record: DeploymentRecord) -> float:
    """At the end of the run."""
    return float(np.nanmedian(seconds_per_step(record)[-NEIGHBOURS:]))
