"""The whole suite: run what is not there yet, analyse, write the results."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from safetensors import safe_open

from ttt_ros.evaluation.deployments import jobs
from ttt_ros.evaluation.deployments.analysis import analysed
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.collected import Collected
from ttt_ros.evaluation.deployments.findings import ArmFacts, Findings
from ttt_ros.evaluation.deployments.jobs import Job
from ttt_ros.evaluation.deployments.page import main_columns, write_page
from ttt_ros.evaluation.deployments.records import DeploymentRecord, path_of, read_matching, write_record
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.deployments.suite import SuiteConfig, resolved
from ttt_ros.evaluation.deployments.targets import percent
from ttt_ros.evaluation.outcomes import successes
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.evaluation.workers import Where
from ttt_ros.policies.checkpoint import load_policy, read_header


def evaluate_deployments(
    suite: SuiteConfig,
    *,
    checkpoints: Path,
    out: Path,
    processes: int,
    console: Console,
    ray_address: str | None = None,
    only_analyse: bool = False,
) -> Findings:
    """Runs the suite and writes ``results.json``, ``table.md``, ``report.html`` and ``plots/*.png`` into ``out``.

    Deployments whose record is in ``out`` already are not run again, so an interrupted suite goes on where it stopped. One that
    fails is reported and the others go on.

    Args:
        checkpoints: folder at which relative paths of checkpoints begin.
        processes: of this machine, each with one torch thread; not used with ``ray_address``.
        ray_address: of a Ray cluster to use instead, see ``workers.run_on_ray``.
        only_analyse: run nothing, and write the results of the deployments that are there.

    Raises:
        CheckpointError: a checkpoint is missing or broken.
        ConfigurationError: an arm does not fit, or the Ray cluster does not answer.
        RecordingError: a record or the page cannot be written.
    """
    arms = resolved(suite, checkpoints=checkpoints)
    facts = [_facts(arm) for arm in arms]
    planned = jobs.planned(suite, arms, {each.name: each.policy for each in facts})
    records = {index: _kept(job, out) for index, job in enumerate(planned)}
    left = [] if only_analyse else [job for index, job in enumerate(planned) if records[index] is None]
    found = [record for record in records.values() if record is not None]
    if found:
        console.print(f"{len(found)} of {len(planned)} deployments are there already")
    fresh, failures = _run(left, out=out, processes=processes, ray_address=ray_address, console=console, already=len(found))
    findings = analysed(Collected([*found, *fresh], arms), facts, failures=failures)
    write_findings(findings, out)
    return findings


def write_findings(findings: Findings, out: Path) -> None:
    """Writes ``results.json``, ``table.md``, ``report.html`` and ``plots/*.png`` into ``out``; the figures first.

    Raises:
        RecordingError: the folder cannot be written.
    """
    write_whole(out / "results.json", json.dumps(asdict(findings), indent=1, allow_nan=False) + "\n")
    write_whole(out / "table.md", table(findings))
    write_page(findings, out)


def _run(
    left: Sequence[Job], *, out: Path, processes: int, ray_address: str | None, console: Console, already: int
) -> tuple[list[DeploymentRecord], list[str]]:
    """What came out of the jobs that were left: records, which are written as they come, and failures in words."""
    records: list[DeploymentRecord] = []
    failures: list[str] = []
    for job, record in successes(
        Where(processes=processes, ray_address=ray_address).run(jobs.run, left),
        title="deployments",
        already=already,
        left=len(left),
        name=_place,
        path=lambda job: _path(job, out),
        out=out,
        failures=failures,
        console=console,
    ):
        write_record(_path(job, out), record)
        records.append(record)
    return records, failures


def _kept(job: Job, out: Path) -> DeploymentRecord | None:
    return read_matching(_path(job, out), job.header)


def _path(job: Job, out: Path) -> Path:
    return path_of(job.header, out / "records")


def _place(job: Job) -> str:
    return f"arm '{job.header.arm}', condition '{job.header.condition}', seed {job.header.seed}"


def _facts(arm: Arm) -> ArmFacts:
    header = read_header(arm.checkpoint)
    policy = load_policy(arm.checkpoint)
    fast = sum(weight.numel() for weight in policy.base_fast_weights().values()) if arm.adaptation else 0
    with safe_open(arm.checkpoint, framework="pt") as file:
        sizes = [file.get_tensor(name).numel() for name in file.keys()]  # noqa: SIM118
    return ArmFacts(
        name=arm.name,
        label=arm.label,
        role=arm.role,
        policy=header.checksum,
        parameters=sum(sizes),
        fast_parameters=fast,
        training=header.training,
    )


def table(findings: Findings) -> str:
    """Success of every arm in the main comparisons as a Markdown table, with 95 % intervals: what the README shows.

    The head says how many deployments a column rests on; an arm that was run in fewer says so itself.
    """
    columns = main_columns(findings)
    most = [max((each.deployments for each in column.success.values()), default=0) for column in columns]
    head = ["Arm", *(f"{column.label} ({runs} runs)" for column, runs in zip(columns, most, strict=True))]
    rows = [
        [arm.label, *(_cell(column.success.get(arm.name), most=runs) for column, runs in zip(columns, most, strict=True))]
        for arm in findings.arms
        if any(arm.name in column.success for column in columns)
    ]
    lines = [head, ["---"] + ["---:"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(success: Estimate | None, *, most: int) -> str:
    if success is None:
        return ""
    return percent(success) + (f", {success.deployments} runs" if success.deployments < most else "")
