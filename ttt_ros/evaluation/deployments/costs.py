"""What the arms cost, per control step and in memory."""

from collections.abc import Sequence

import numpy as np

from ttt_ros.evaluation.deployments.findings import Cost
from ttt_ros.evaluation.deployments.records import DeploymentRecord


def cost(records: Sequence[DeploymentRecord]) -> Cost:
    """The cost of one arm over its deployments of one length."""

    def median(*figures: str) -> float:
        return float(np.median([np.median(sum(record.series(figure) for figure in figures)) for record in records]))

    return Cost(
        seconds_per_step=float(np.median([np.nanmedian(record.series("seconds_per_step")) for record in records])),
        inference_seconds=median("encode_seconds", "act_seconds"),
        remember_seconds=median("remember_seconds"),
        adapt_seconds=median("adapt_seconds"),
        memory_bytes=max(record.outcomes[-1].memory_bytes for record in records),
        adaptation_bytes=max(record.outcomes[-1].adaptation_bytes for record in records),
    )


def seconds_early(record: DeploymentRecord) -> float:
    """About step 100 of a long run: the median of the goals of a beginner, which were run in turn with those at the end of this run."""
    return float(np.nanmedian(record.series("beginner_seconds_per_step")))


def seconds_late(record: DeploymentRecord) -> float:
    """At the end of a long run: the median of the goals after each of which a beginner had its turn."""
    seconds = record.series("seconds_per_step")
    return float(np.nanmedian(seconds[~np.isnan(record.series("beginner_seconds_per_step"))]))
