"""Whether learning to reconstruct is learning to act: do both gradients point the same way, and does it matter?

A falling reconstruction loss is not success. For every window of an adapting deployment this compares the gradient of the reconstruction
loss, and the step that was really taken, with the gradient of the action error against the privileged expert at the next goals.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.control.action_meaning import from_absolute, to_absolute
from ttt_ros.control.executed import transition_between
from ttt_ros.evaluation.deployments import alignment_plot
from ttt_ros.evaluation.deployments.alignment_record import Alignment, AlignmentOfDeployment
from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.runner import Adaptation, Runner
from ttt_ros.evaluation.deployments.statistics import Bootstrap, Estimate, Sample, rank_correlation
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Features, Memory, Transitions
from ttt_ros.simulation.deployment import Deployment
from ttt_ros.training.progress import progress_bar

GOALS_AHEAD = 4
"""Goals whose labels make one action gradient: the layout of a single goal says little about the next."""


@dataclass(kw_only=True)
class _Learned:
    """One window, waiting for the labels of the goals after it."""

    transitions: Transitions
    before: FastWeights
    step: FastWeights | None
    memory: Memory
    labels: list[tuple[Features, Tensor]] = field(default_factory=list)


def measure_alignment(
    checkpoint: Path, adaptation: AdaptationConfig, *, condition: str, seeds: Sequence[int], goals: int, out: Path
) -> Alignment:
    """Runs each robot twice, adapting and frozen, and writes ``alignment.json`` and ``alignment.png`` into ``out``.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
        RecordingError: the folder cannot be written.
    """
    policy = load_policy(checkpoint)
    adapting = Arm(name="adapting", label="adapting", role=Role.ADAPTING, checkpoint=checkpoint, adaptation=adaptation)
    found = []
    with progress_bar("alignment", total=len(seeds)) as advance:
        for seed in seeds:
            found.append(_measured(policy, adapting, condition=condition, seed=seed, goals=goals))
            advance()
    alignment = summarised(found, policy=policy.checksum, condition=condition, goals=goals)
    write_whole(out / "alignment.json", json.dumps(asdict(alignment), indent=1, allow_nan=False) + "\n")
    (out / "alignment.png").write_bytes(alignment_plot.drawn(alignment))
    return alignment


def summarised(deployments: Sequence[AlignmentOfDeployment], *, policy: str, condition: str, goals: int) -> Alignment:
    """The means over deployments and how they go with the gain."""
    gains = [each.gain for each in deployments]
    return Alignment(
        policy=policy,
        condition=condition,
        goals=goals,
        deployments=tuple(deployments),
        gradient=_mean([each.gradient for each in deployments]),
        step=_mean([each.step for each in deployments]),
        gain=_mean(gains),
        gradient_with_gain=_correlation([each.gradient for each in deployments], gains),
        step_with_gain=_correlation([each.step for each in deployments], gains),
    )


def _measured(policy: Policy, adapting: Arm, *, condition: str, seed: int, goals: int) -> AlignmentOfDeployment:
    frozen = Arm(name="frozen", label="frozen", role=Role.FROZEN, checkpoint=adapting.checkpoint)
    robot = CONDITIONS[condition].robot(seed)
    deployment = Deployment(robot, seed=seed)
    try:
        runner = Runner(policy, frozen, deployment, seed=seed)
        without = [runner.goal(index).success for index in range(goals)]
    finally:
        deployment.close()
    deployment = Deployment(robot, seed=seed)
    try:
        run = _LabelledRun(policy, adapting, deployment, seed=seed)
        successes = [run.goal(index) for index in range(goals)]
    finally:
        deployment.close()
    return AlignmentOfDeployment(
        seed=seed,
        windows=len(run.gradient_cosines),
        gradient=_plain_mean(run.gradient_cosines),
        step=_plain_mean(run.step_cosines),
        gain=float(np.mean(successes) - np.mean(without)),
    )


class _LabelledRun:
    """An adapting deployment with the expert's answer to every goal beside it."""

    def __init__(self, policy: Policy, arm: Arm, deployment: Deployment, *, seed: int) -> None:
        config = arm.adaptation or AdaptationConfig()
        self._policy = policy
        self._config = config
        self._deployment = deployment
        self._adaptation = Adaptation(policy, arm, seed=seed)
        self._window = TransitionWindow(size=config.window, minimum=config.minimum_samples)
        self._memory = policy.begin()
        self._waiting: deque[_Learned] = deque()
        self.gradient_cosines: list[float] = []
        self.step_cosines: list[float] = []

    @torch.no_grad()
    def goal(self, index: int) -> bool:
        """Runs one goal; says whether it was met."""
        self._deployment.begin_goal(index)
        before, chunk = self._decide_and_play(labelled=True)
        success = self._deployment.result().success
        self._deployment.rest()
        after = self._deployment.observe()
        meaning = self._policy.specification.action_meaning
        transition = transition_between(before, chunk, (after, self._policy.encode(after)), meaning=meaning)
        if bool(self._policy.informative(transition)):
            self._learn(transition, stamp=index)
        self._decide_and_play(labelled=False)
        return success

    def _decide_and_play(self, *, labelled: bool) -> tuple[tuple[Observation, Features], Tensor]:
        observation = self._deployment.observe()
        features = self._policy.encode(observation)
        observed, meaning = observation.joint_positions.numpy(), self._policy.specification.action_meaning
        if labelled:
            expert = from_absolute(self._deployment.demonstration().chunk, observed=observed, meaning=meaning)
            self._label(features, torch.from_numpy(expert).float()[None])
        chunk = self._policy.act(features, self._adaptation.weights, self._memory)
        self._deployment.play(to_absolute(chunk[0].numpy(), observed=observed, meaning=meaning))
        return (observation, features), chunk

    def _learn(self, transition: Transitions, *, stamp: int) -> None:
        before = self._adaptation.weights
        report = self._adaptation.learn(transition, stamp=stamp)
        self._memory = self._policy.remember(self._memory, transition)
        window = self._window.push(transition, stamp=stamp)
        if window is not None:
            after = self._adaptation.weights
            step = {name: before[name] - after[name] for name in before} if report and report.committed else None
            self._waiting.append(_Learned(transitions=window.transitions, before=before, step=step, memory=self._memory))

    def _label(self, features: Features, expert: Tensor) -> None:
        """Gives the expert's answer to the windows before it, and compares where enough answers have come together."""
        for learned in self._waiting:
            learned.labels.append((features, expert))
        if self._waiting and len(self._waiting[0].labels) == GOALS_AHEAD:
            self._compare(self._waiting.popleft())

    @torch.enable_grad()
    def _compare(self, learned: _Learned) -> None:
        shadow = steps.shadow(learned.before)
        errors = scored(self._policy, learned.transitions, shadow, objectives=self._config.objectives).errors
        reconstruction = steps.gradients(errors.mean(), shadow)
        chunks = [self._policy.act(features, shadow, learned.memory) for features, _ in learned.labels]
        wrong = torch.stack([(chunk - expert).square().mean() for chunk, (_, expert) in zip(chunks, learned.labels, strict=True)])
        action = steps.gradients(wrong.mean(), shadow)
        _keep(self.gradient_cosines, cosine(reconstruction, action))
        if learned.step is not None:
            _keep(self.step_cosines, cosine(learned.step, action))


def cosine(one: FastWeights, other: FastWeights) -> float | None:
    """Of the angle between two directions, over all parameters together; None if one has no length."""
    first, second = (torch.cat([each[name].flatten().double() for name in one]) for each in (one, other))
    length = float(first.norm() * second.norm())
    return float(first @ second) / length if length > 0 else None


def _keep(cosines: list[float], found: float | None) -> None:
    if found is not None:
        cosines.append(found)


def _plain_mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _mean(values: Sequence[float | None]) -> Estimate | None:
    known = np.array([value for value in values if value is not None])
    return Bootstrap(Sample(seeds=tuple(range(len(known))), values={"": known[:, None, None]})).mean("") if len(known) else None


def _correlation(cosines: Sequence[float | None], gains: Sequence[float]) -> Estimate | None:
    pairs = [(found, gain) for found, gain in zip(cosines, gains, strict=True) if found is not None]
    return rank_correlation([found for found, _ in pairs], [gain for _, gain in pairs]) if pairs else None
