"""Successes with 95 % intervals: of one arm, and of the difference of two on the same layouts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttt_ros.evaluation.deployments.statistics import Bootstrap, Estimate, Floats, Sample
from ttt_ros.evaluation.environments.records import EpisodeOutcome

_STANDARD_DEVIATIONS = 1.96


@dataclass(frozen=True, kw_only=True)
class Successes:
    """How many of some episodes succeeded, with Wilson's 95 % interval around the share."""

    count: int
    episodes: int
    lower: float
    upper: float

    @property
    def share(self) -> float:
        """Of the episodes, 0 to 1."""
        return self.count / self.episodes


def successes(outcomes: Sequence[EpisodeOutcome]) -> Successes:
    """Counts them; there must be at least one episode."""
    count, episodes = sum(outcome.success for outcome in outcomes), len(outcomes)
    share, spread = count / episodes, _STANDARD_DEVIATIONS**2 / episodes
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return Successes(count=count, episodes=episodes, lower=max(0.0, centre - half), upper=min(1.0, centre + half))


def difference(arm: Sequence[EpisodeOutcome], other: Sequence[EpisodeOutcome]) -> Estimate:
    """Success of ``arm`` minus that of ``other``, over the episodes that both ran; layouts with the same seed are drawn together."""
    ours, theirs = _by_episode(arm), _by_episode(other)
    shared = ours.keys() & theirs.keys()
    seeds, tasks = sorted({seed for _, seed in shared}), sorted({task for task, _ in shared})

    def values(found: Mapping[tuple[str, int], bool]) -> Floats:
        return np.array([[[float(found[task, seed]) if (task, seed) in shared else np.nan] for task in tasks] for seed in seeds])

    sample = Sample(seeds=tuple(seeds), values={"arm": values(ours), "other": values(theirs)})
    return Bootstrap(sample).difference("arm", "other")


def _by_episode(outcomes: Sequence[EpisodeOutcome]) -> Mapping[tuple[str, int], bool]:
    return {(outcome.task, outcome.seed): outcome.success for outcome in outcomes}
