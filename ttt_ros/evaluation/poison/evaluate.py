"""The whole suite: run what is not there yet, analyse, write the results."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation import workers
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.outcomes import successes
from ttt_ros.evaluation.poison import jobs
from ttt_ros.evaluation.poison.analysis import analysed
from ttt_ros.evaluation.poison.defences import FROZEN, defences
from ttt_ros.evaluation.poison.findings import PoisonFindings
from ttt_ros.evaluation.poison.jobs import Job
from ttt_ros.evaluation.poison.page import table, write_page
from ttt_ros.evaluation.poison.patch import printed_patch
from ttt_ros.evaluation.poison.records import PoisonRecord, path_of, read_matching, write_record
from ttt_ros.evaluation.poison.suite import PoisonConfig
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.shipped import SHIPPED
from ttt_ros.safeguard.configuration import SafeguardConfig


def evaluate_poison(config: PoisonConfig, *, safeguard: SafeguardConfig, out: Path, processes: int, console: Console) -> PoisonFindings:
    """Runs the suite and writes ``poison.json``, ``table.md``, ``poison.html``, ``poison.png`` and ``patch.png`` into ``out``.

    Deployments whose record is in ``out`` already are not run again, so an interrupted suite goes on where it stopped. One that
    fails is reported and the others go on.

    Args:
        safeguard: as the node has it, ``config/safeguard.yaml``.
        processes: of this machine, each with one torch thread.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
        ConfigurationError: the policy is of a kind for which no patch can be found.
        RecordingError: a record or the page cannot be written, or no deployment could be run.
    """
    checkpoint = SHIPPED.get(config.policy, Path(config.policy))
    policy = load_policy(checkpoint)
    if not isinstance(policy, MemoryPolicy):
        raise ConfigurationError(f"'{config.policy}' is not a policy with points in images, which the printed patch is made for; give one")
    lines = defences(config.adaptation, checkpoint=checkpoint)
    (frozen,) = (line.arm for line in lines if line.arm.name == FROZEN)
    console.print("the attacker looks for a patch")
    patch = printed_patch(policy, frozen, CONDITIONS[config.condition], config.patch, objectives=config.adaptation.objectives)
    planned = jobs.planned(config, lines, policy=policy.checksum, safeguard=safeguard, patch=patch)
    records = [record for job in planned if (record := read_matching(_path(job, out), job.header))]
    done = {_key(record) for record in records}
    left = [job for job in planned if (job.header.attack, job.header.defence, job.header.seed) not in done]
    if records:
        console.print(f"{len(records)} of {len(planned)} deployments are there already")
    failures = _run(left, records, out=out, processes=processes, console=console)
    if not records:
        raise RecordingError(f"none of {len(planned)} deployments could be run; the first: {failures[0]}")
    findings = analysed(records, lines, failures=failures)
    write_findings(findings, out, patch=patch)
    return findings


def write_findings(findings: PoisonFindings, out: Path, *, patch: NDArray[np.uint8]) -> None:
    """Writes ``poison.json``, ``table.md``, ``poison.html``, ``poison.png`` and ``patch.png`` into ``out``; the figures first.

    Raises:
        RecordingError: the folder cannot be written.
    """
    write_whole(out / "poison.json", json.dumps(asdict(findings), indent=1, allow_nan=False) + "\n")
    write_whole(out / "table.md", table(findings))
    write_page(findings, out, patch=patch)


def _run(left: Sequence[Job], records: list[PoisonRecord], *, out: Path, processes: int, console: Console) -> list[str]:
    """Adds what comes out of the jobs that were left to ``records``, and writes it; returns the failures in words."""
    failures: list[str] = []
    for job, record in successes(
        workers.run_locally(jobs.run, left, processes=processes),
        title="deployments",
        already=len(records),
        left=len(left),
        name=_place,
        path=lambda job: _path(job, out),
        out=out,
        failures=failures,
        console=console,
    ):
        write_record(_path(job, out), record)
        records.append(record)
    return failures


def _place(job: Job) -> str:
    return f"attack '{job.header.attack}', defence '{job.header.defence}', seed {job.header.seed}"


def _path(job: Job, out: Path) -> Path:
    return path_of(job.header, out / "records")


def _key(record: PoisonRecord) -> tuple[str, str, int]:
    return record.header.attack, record.header.defence, record.header.seed
