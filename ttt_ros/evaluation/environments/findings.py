"""What a benchmark found: each arm under each shift, and by how much it differs from the static one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.environments.arms import STATIC
from ttt_ros.evaluation.environments.records import EpisodeOutcome, Run
from ttt_ros.evaluation.environments.statistics import Successes, difference, successes


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One arm under one shift.

    Attributes:
        all: over all tasks.
        by_task: over each task.
        gain: success minus that of the static arm on the same layouts; None for the static arm itself.
        first_half: over the first half of the run.
        second_half: over the rest.
        drift: of the fast weights at the end of the run, relative.
        committed: share of the windows that led to new weights; None without adaptation.
    """

    all: Successes
    by_task: Mapping[str, Successes]
    gain: Estimate | None
    first_half: Successes
    second_half: Successes
    drift: float
    committed: float | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The figures by name of the shift and then by name of the arm, and the arms' labels."""

    arms: Mapping[str, str]
    conditions: Mapping[str, Mapping[str, Figures]]


def findings_of(runs: Sequence[Run], arms: Sequence[Arm]) -> Findings:
    """Compares the arms under each shift."""
    by_condition: dict[str, dict[str, tuple[EpisodeOutcome, ...]]] = {}
    for run in runs:
        by_condition.setdefault(run.condition, {})[run.arm] = run.outcomes
    return Findings(
        arms={arm.name: arm.label for arm in arms},
        conditions={
            condition: {name: _figures(outcomes, None if name == STATIC else found[STATIC]) for name, outcomes in found.items()}
            for condition, found in by_condition.items()
        },
    )


def _figures(outcomes: Sequence[EpisodeOutcome], static: Sequence[EpisodeOutcome] | None) -> Figures:
    tasks = dict.fromkeys(outcome.task for outcome in outcomes)
    middle = (len(outcomes) + 1) // 2
    windows = sum(outcome.windows for outcome in outcomes)
    return Figures(
        all=successes(outcomes),
        by_task={task: successes([outcome for outcome in outcomes if outcome.task == task]) for task in tasks},
        gain=None if static is None else difference(outcomes, static),
        first_half=successes(outcomes[:middle]),
        second_half=successes(outcomes[middle:] or outcomes),
        drift=outcomes[-1].drift,
        committed=sum(outcome.committed for outcome in outcomes) / windows if windows else None,
    )
