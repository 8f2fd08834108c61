"""A whole benchmark: run what is not there yet, compare, write the results."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from ttt_ros.evaluation.deployments.arms import Arm, Control
from ttt_ros.evaluation.environments.arms import arms_of
from ttt_ros.evaluation.environments.configuration import Benchmark
from ttt_ros.evaluation.environments.findings import Findings, findings_of
from ttt_ros.evaluation.environments.records import EpisodeOutcome, Run, path_of, read_matching, write_run
from ttt_ros.evaluation.environments.report import write_findings
from ttt_ros.evaluation.environments.runner import Runner, ShiftedRobot
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.training.progress import progress_bar


def evaluate_environment(benchmark: Benchmark, *, policy: Path, out: Path, recurrent: Path | None = None) -> Findings:
    """Runs the benchmark and writes ``results.json``, ``table.md`` and ``success.png`` into ``out``.

    Every arm meets the same layouts in the same order under every shift, on one robot and without a reset of its fast weights. What
    ``out`` already holds is not run again, so that a run that was broken off goes on at the arm and shift where it stopped.

    Args:
        policy: checkpoint of the policy, which runs frozen, adapting, and as the control arms.
        recurrent: checkpoint of a policy with a memory, as an arm of its own.

    Raises:
        CheckpointError: a checkpoint is missing or broken.
        SpecificationError, SimulationError, InstructionError, ObservationError: policy and environment do not fit each other.
        RecordingError: ``out`` cannot be written.
    """
    torch.set_num_threads(1)
    arms = arms_of(policy, adaptation=benchmark.adaptation, recurrent=recurrent, controls=benchmark.control_episodes > 0)
    policies = {path: load_policy(path) for path in {arm.checkpoint for arm in arms}}
    planned = [(condition, arm) for condition in benchmark.conditions for arm in arms]
    runs = []
    with progress_bar("episodes", total=sum(_episodes(benchmark, arm) for _, arm in planned)) as advance:
        for condition, arm in planned:
            run, path = _planned_run(benchmark, condition, arm, policies[arm.checkpoint]), path_of(out, condition=condition, arm=arm.name)
            found = read_matching(path, facts=run.facts)
            if found is None:
                outcomes = []
                for outcome in _outcomes(benchmark, condition, arm, policies[arm.checkpoint]):
                    outcomes.append(outcome)
                    advance()
                found = Run(arm=run.arm, condition=run.condition, facts=run.facts, outcomes=tuple(outcomes))
                write_run(path, found)
            else:
                for _ in found.outcomes:
                    advance()
            runs.append(found)
    findings = findings_of(runs, arms)
    write_findings(findings, out)
    return findings


def _outcomes(benchmark: Benchmark, condition: str, arm: Arm, policy: Policy) -> Iterator[EpisodeOutcome]:
    with ShiftedRobot(benchmark.robot, benchmark.tasks, benchmark.conditions[condition], seed=benchmark.first_seed) as robot:
        runner = Runner(policy, arm, robot, seed=benchmark.first_seed)
        for number in range(_rounds(benchmark, arm)):
            for task in benchmark.tasks:
                yield runner.episode(task.name, benchmark.first_seed + number)


def _planned_run(benchmark: Benchmark, condition: str, arm: Arm, policy: Policy) -> Run:
    facts = {
        "policy": policy.checksum,
        "adaptation": None if arm.adaptation is None else asdict(arm.adaptation),
        "control": arm.control.value,
        "robot": benchmark.robot,
        "tasks": benchmark.tasks,
        "shift": benchmark.conditions[condition],
        "rounds": _rounds(benchmark, arm),
        "first_seed": benchmark.first_seed,
    }
    return Run(arm=arm.name, condition=condition, facts=_plain(facts))


def _rounds(benchmark: Benchmark, arm: Arm) -> int:
    return benchmark.episodes if arm.control is Control.NONE else benchmark.control_episodes


def _episodes(benchmark: Benchmark, arm: Arm) -> int:
    return _rounds(benchmark, arm) * len(benchmark.tasks)


def _plain(values: Any) -> Any:
    """As JSON reads them back."""
    return TypeAdapter(Any).dump_python(values, mode="json")
