"""The deployments that a suite consists of, and how one of them is run in whatever process it lands in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from ttt_ros.errors import CheckpointError, SpecificationError
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.records import DeploymentRecord, GoalOutcome, Header, header_of
from ttt_ros.evaluation.deployments.repeated import Repeated
from ttt_ros.evaluation.deployments.runner import Runner
from ttt_ros.evaluation.deployments.suite import Part, SuiteConfig
from ttt_ros.evaluation.workers import Failure, guarded
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Memory
from ttt_ros.simulation.deployment import Deployment
from ttt_ros.simulation.robots import Robot

_POLICIES_KEPT = 32

BEGINNER_GOALS = 50
"""Goals at the end of a long run that take turns with a beginner's: the difference in their cost is the run's length and no other."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One deployment to be run: ``header`` says which, ``arm`` where its policy is."""

    header: Header
    arm: Arm


def planned(suite: SuiteConfig, arms: Sequence[Arm], checksums: Mapping[str, str]) -> list[Job]:
    """Every deployment of the suite, once each, long ones last, seed by seed: what is finished early compares arms on the same robots.

    Args:
        checksums: of the policies, by name of the arm.
    """
    by_name = {arm.name: arm for arm in arms}
    jobs = {
        (job.header.long, job.header.seed, job.header.condition, job.header.arm): job
        for part in suite.parts
        for job in _jobs(part, [by_name[name] for name in suite.arms_of(part)], checksums)
    }
    return [jobs[key] for key in sorted(jobs, key=lambda key: key[:2])]


def _jobs(part: Part, arms: Sequence[Arm], checksums: Mapping[str, str]) -> Iterator[Job]:
    for seed in range(part.first_seed, part.first_seed + part.seeds):
        for condition in part.conditions:
            for arm in arms:
                header = header_of(arm, policy=checksums[arm.name], condition=condition, seed=seed, goals=part.goals, long=part.long)
                yield Job(header=header, arm=arm)


def run(job: Job) -> DeploymentRecord | Failure:
    """Runs one deployment in whatever process it lands in."""
    return guarded(_run, job)


def _run(job: Job) -> DeploymentRecord:
    header = job.header
    alone = max(0, header.goals - BEGINNER_GOALS) if header.long else header.goals
    with _begun(job) as runner:
        outcomes = [runner.goal(index) for index in range(alone)]
        if alone < header.goals:
            with _begun(job) as beginner:
                outcomes += [_beside(beginner, runner.goal(index), index - alone) for index in range(alone, header.goals)]
    return DeploymentRecord(header=header, outcomes=tuple(outcomes))


@contextmanager
def _begun(job: Job) -> Iterator[Runner]:
    """The arm before its first goal on the robot."""
    header = job.header
    policy = _loaded(job.arm.checkpoint, header.policy)
    robot = CONDITIONS[header.condition].robot(header.seed)
    deployment = Deployment(robot, seed=header.seed)
    try:
        seen = Repeated(deployment, times=header.repetition) if header.repetition else deployment
        yield Runner(policy, job.arm, seen, seed=header.seed, told=_told(policy, robot))
    finally:
        deployment.close()


def _beside(beginner: Runner, outcome: GoalOutcome, index: int) -> GoalOutcome:
    """``outcome`` with what goal ``index`` costs the beginner now."""
    return replace(outcome, beginner_seconds_per_step=beginner.goal(index).seconds_per_step)


@lru_cache(maxsize=_POLICIES_KEPT)
def _loaded(checkpoint: Path, checksum: str) -> Policy:
    policy = load_policy(checkpoint)
    if policy.checksum != checksum:
        raise CheckpointError(f"{checkpoint} is no longer the policy {checksum[:12]} that the suite began with; begin the suite anew")
    return policy


def _told(policy: Policy, robot: Robot) -> Callable[[Memory, int], Memory] | None:
    """How an oracle learns what is hidden; None for every other policy."""
    if not (isinstance(policy, MemoryPolicy) and policy.config.privileged):
        return None
    size = len(robot.hidden(0))
    if policy.config.privileged != size:
        raise SpecificationError(f"the oracle is to be told {policy.config.privileged} numbers, but a robot hides {size}; train it anew")
    oracle = policy
    return lambda memory, goal: oracle.told(memory, torch.from_numpy(robot.hidden(goal))[None])
