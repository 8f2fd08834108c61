"""What the gates on samples and gradients are asked to judge while nothing is wrong: the ground on which their limits stand.

A limit below what clean robots do refuses the very samples that tell most; one far above it lets poison in. Where clean samples lie
depends on the policy, so each policy is measured by itself.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments import gate_plot
from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.runner import Adaptation, Runner
from ttt_ros.evaluation.run_record import Count
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Transitions
from ttt_ros.simulation.deployment import Deployment
from ttt_ros.training.progress import progress_bar


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class GateFigures:
    """What one gate measured, and the limit in force.

    Attributes:
        name: what is measured, with its unit.
        setting: of ``AdaptationConfig``, that the limit comes from.
        limit: in force, in the unit of the figures; 0 for none.
        count: of figures.
        median, one_in_100, one_in_1000, largest: exceeded by half of the figures, by one in 100, by one in 1,000, by none.
        refused: share of the figures above the limit.
    """

    name: str
    setting: str
    limit: float
    count: Count
    median: float
    one_in_100: float
    one_in_1000: float
    largest: float
    refused: float


def measure_gates(
    checkpoint: Path, adaptation: AdaptationConfig, *, condition: str, seeds: Sequence[int], goals: int, out: Path
) -> tuple[GateFigures, ...]:
    """Deploys the policy on each robot with the gates on samples open, and writes ``gates.json`` and ``gates.png`` into ``out``.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
        ConfigurationError: there is no such condition, or the policy found nothing to learn from.
        RecordingError: the folder cannot be written.
    """
    if condition not in CONDITIONS:
        raise ConfigurationError(f"there is no condition '{condition}'; known are {', '.join(CONDITIONS)}")
    policy = load_policy(checkpoint)
    opened = replace(adaptation, following_limit=0.0, innovation_factor=0.0)
    arm = Arm(name="open", label="open", role=Role.VARIANT, checkpoint=checkpoint, adaptation=opened)
    innovations: list[float] = []
    following: list[float] = []
    gradients: list[float] = []
    with progress_bar("gates", total=len(seeds)) as advance:
        for seed in seeds:
            watched = _deployed(policy, arm, condition=condition, seed=seed, goals=goals)
            innovations += watched.innovations
            following += watched.following
            gradients += watched.gradients
            advance()
    if not (innovations and following and gradients):
        raise ConfigurationError(
            f"in {len(seeds)} deployments of {goals} goals nothing was learned from; give more goals or check the policy"
        )
    measured = {
        ("innovation", "innovation_prior", adaptation.innovation_factor * adaptation.innovation_prior): innovations,
        ("following error, rad", "following_limit", adaptation.following_limit): following,
        ("gradient norm", "gradient_limit", adaptation.gradient_limit): gradients,
    }
    figures = tuple(summarised(values, name=name, setting=setting, limit=limit) for (name, setting, limit), values in measured.items())
    facts = {"policy": policy.checksum, "condition": condition, "first_seed": seeds[0], "deployments": len(seeds), "goals": goals}
    write_whole(out / "gates.json", json.dumps(facts | {"gates": [asdict(each) for each in figures]}, indent=1, allow_nan=False) + "\n")
    panels = [(each.name, each.limit, values) for each, values in zip(figures, measured.values(), strict=True)]
    write_whole(out / "gates.png", gate_plot.drawn(panels))
    return figures


def summarised(values: Sequence[float], *, name: str, setting: str, limit: float) -> GateFigures:
    """The figures of at least one value."""
    median, one_in_100, one_in_1000, largest = (float(each) for each in np.quantile(values, (0.5, 0.99, 0.999, 1.0)))
    return GateFigures(
        name=name,
        setting=setting,
        limit=limit,
        count=len(values),
        median=median,
        one_in_100=one_in_100,
        one_in_1000=one_in_1000,
        largest=largest,
        refused=float(np.mean(np.asarray(values) > limit)) if limit else 0.0,
    )


class _Watched(Adaptation):
    """Adapts as ever and keeps what its gates would have judged by."""

    def __init__(self, policy: Policy, arm: Arm, *, seed: int) -> None:
        super().__init__(policy, arm, seed=seed)
        self.innovations: list[float] = []
        self.following: list[float] = []
        self.gradients: list[float] = []

    def plausible(self, transition: Transitions) -> bool:
        if self._learner is not None:
            version = self._learner.store.current
            found = self._plausibility.innovations(transition, version, config=self._learner.config)
            self.innovations.append(float(found.mean()))
            if transition.following_error is not None:
                self.following.append(float(transition.following_error.abs().max()))
        return super().plausible(transition)

    def learn(self, transition: Transitions, *, stamp: int) -> WindowReport | None:
        report = super().learn(transition, stamp=stamp)
        if report is not None and report.gradient_norm is not None:
            self.gradients.append(report.gradient_norm)
        return report


def _deployed(policy: Policy, arm: Arm, *, condition: str, seed: int, goals: int) -> _Watched:
    deployment = Deployment(CONDITIONS[condition].robot(seed), seed=seed)
    watched = _Watched(policy, arm, seed=seed)
    try:
        runner = Runner(policy, arm, deployment, seed=seed, adaptation=watched)
        for index in range(goals):
            runner.goal(index)
    finally:
        deployment.close()
    return watched
