"""The deployments of the suite as jobs that any process can do."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ttt_ros.errors import CheckpointError
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.records import GoalOutcome
from ttt_ros.evaluation.deployments.repeated import Repeated
from ttt_ros.evaluation.deployments.runner import Adaptation, Robot, Runner
from ttt_ros.evaluation.poison.attacks import Attack, Kind, PoisonedRobot
from ttt_ros.evaluation.poison.defences import FROZEN, Defence
from ttt_ros.evaluation.poison.foreign import ForeignRobot
from ttt_ros.evaluation.poison.guard import Guard, GuardedAdaptation, GuardedRobot
from ttt_ros.evaluation.poison.records import Goal, Header, PoisonRecord
from ttt_ros.evaluation.poison.suite import PoisonConfig
from ttt_ros.evaluation.workers import Failure, guarded
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Features
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.simulation.deployment import CAMERA, Deployment


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One deployment to be run: ``header`` says which.

    Attributes:
        header: of its record.
        attack: on it.
        defence: against that.
        frozen: the arm of the robot that streams are swapped with.
        safeguard: to be obeyed; None where the defence has none.
        patch: RGB (side, side, 3).
    """

    header: Header
    attack: Attack
    defence: Defence
    frozen: Arm
    safeguard: SafeguardConfig | None
    patch: NDArray[np.uint8]


def planned(
    config: PoisonConfig, lines: Sequence[Defence], *, policy: str, safeguard: SafeguardConfig, patch: NDArray[np.uint8]
) -> list[Job]:
    """Every deployment, seed by seed: what is finished early compares all defences on the same robots.

    Args:
        policy: checksum of the policy.
    """
    (frozen,) = (line.arm for line in lines if line.arm.name == FROZEN)
    return [
        Job(
            header=Header(
                attack=attack.name,
                share=attack.share,
                defence=line.arm.name,
                policy=policy,
                adaptation=line.arm.adaptation,
                safeguard=_checksum(repr(safeguard).encode()) if line.guarded else "",
                patch=_checksum(patch.tobytes()) if attack.kind is Kind.PATCH else "",
                repetition=line.arm.repetition,
                condition=config.condition,
                seed=seed,
                foreign_seed=seed + config.foreign_seeds,
                goals=config.goals,
                probes=config.probes,
            ),
            attack=attack,
            defence=line,
            frozen=frozen,
            safeguard=safeguard if line.guarded else None,
            patch=patch,
        )
        for seed, attack in config.robots
        for line in lines
    ]


def run(job: Job) -> PoisonRecord | Failure:
    """Runs one deployment in whatever process it lands in."""
    return guarded(_run, job)


def _run(job: Job) -> PoisonRecord:
    header, arm = job.header, job.defence.arm
    policy = _loaded(arm.checkpoint, header.policy)
    deployment, other = (Deployment(CONDITIONS[header.condition].robot(seed), seed=seed) for seed in (header.seed, header.foreign_seed))
    try:
        foreign = ForeignRobot(policy, job.frozen, other, seed=header.foreign_seed)
        poisoned = PoisonedRobot(
            Repeated(deployment, times=header.repetition) if header.repetition else deployment,
            job.attack,
            seed=header.seed,
            goals=header.goals,
            patch=job.patch,
            foreign=foreign.outcome,
        )
        robot: Robot = poisoned
        adaptation = Adaptation(policy, arm, seed=header.seed)
        if job.safeguard is not None:
            guard = Guard(job.safeguard, cameras=(CAMERA,))
            robot = GuardedRobot(poisoned, guard)
            adaptation = GuardedAdaptation(policy, arm, seed=header.seed, guard=guard)
        runner = Runner(policy, arm, robot, seed=header.seed, adaptation=adaptation)
        goals = tuple(_goal(runner.goal(index), poisoned) for index in range(header.goals))
        probes = _probes(policy, deployment, goals=header.goals, count=header.probes)
        return PoisonRecord(
            header=header,
            goals=goals,
            actions=_ends(policy, probes, adaptation.weights),
            base_actions=_ends(policy, probes, policy.base_fast_weights()),
            modes=dict(adaptation.modes) if isinstance(adaptation, GuardedAdaptation) else {},
        )
    finally:
        deployment.close()
        other.close()


def _goal(outcome: GoalOutcome, robot: PoisonedRobot) -> Goal:
    return Goal(
        success=outcome.success,
        distance=outcome.distance,
        poisoned=robot.poisoned,
        committed=outcome.committed,
        reason=outcome.reason,
    )


def _probes(policy: Policy, deployment: Deployment, *, goals: int, count: int) -> list[Features]:
    """What the policy makes of ``count`` further goals of the same robot, its arm parked and nobody in between."""
    probes = []
    for index in range(goals, goals + count):
        deployment.begin_goal(index)
        deployment.park()
        probes.append(policy.encode(deployment.observe()))
    return probes


@torch.no_grad()
def _ends(policy: Policy, probes: Sequence[Features], weights: FastWeights) -> tuple[tuple[float, ...], ...]:
    """The last position of each probe's chunk, as a policy without memory decides it: what the weights alone do."""
    return tuple(tuple(policy.act(features, weights)[0, -1].tolist()) for features in probes)


@lru_cache(maxsize=2)
def _loaded(checkpoint: Path, checksum: str) -> Policy:
    policy = load_policy(checkpoint)
    if policy.checksum != checksum:
        raise CheckpointError(f"{checkpoint} is no longer the policy {checksum[:12]} that the suite began with; begin the suite anew")
    return policy


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
