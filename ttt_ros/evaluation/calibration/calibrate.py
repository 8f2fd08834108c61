"""Clean runs in, limits and their false alarms out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from ttt_ros.configuration import load_yaml
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.calibration import plots
from ttt_ros.evaluation.calibration.configuration import CalibrationConfig
from ttt_ros.evaluation.calibration.findings import Findings, found
from ttt_ros.evaluation.calibration.levels import Shape
from ttt_ros.evaluation.calibration.page import rendered, verdict
from ttt_ros.evaluation.calibration.planned import Run, path_of, planned
from ttt_ros.evaluation.calibration.recorded import run_recorded
from ttt_ros.evaluation.calibration.records import RunRecord, read_matching, write_record
from ttt_ros.evaluation.calibration.rules_file import check_one_rule_a_line, with_limits
from ttt_ros.evaluation.calibration.simulated import SimulatedRun, run_simulated
from ttt_ros.evaluation.outcomes import successes
from ttt_ros.evaluation.plots import DARK, LIGHT
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.evaluation.workers import Failure, run_locally
from ttt_ros.safeguard.configuration import SafeguardConfig

PROPOSAL = "proposed_rules.yaml"


def calibrate(config: Path, bags: Sequence[Path], *, out: Path, processes: int, console: Console) -> Findings:
    """Makes the runs that are not in ``out`` yet and writes records, ``results.json``, PROPOSAL, ``report.html`` and its plot into it.

    Args:
        config: YAML of a ``CalibrationConfig``.
        bags: recordings of clean runs; every second one is held out.
        processes: of this machine, each with one torch thread.

    Raises:
        CheckpointError, ConfigurationError, SpecificationError: policy, parameters, rules and configuration do not fit.
        RecordingError: too few runs could be made, or ``out`` cannot be written.
    """
    settings = _settings(config)
    rules = load_yaml(settings.rules, SafeguardConfig)
    check_one_rule_a_line(settings.rules, rules)
    plan = planned(settings, bags)
    records, failures = _made((*plan.calibration, *plan.held_out), rules, out=out, processes=processes, console=console)
    calibration, held_out = (_of(part, records, out) for part in (plan.calibration, plan.held_out))
    if not calibration or not held_out:
        purpose = "judge the limits on" if calibration else "calibrate on"
        raise RecordingError(f"no run is left to {purpose}: {'; '.join(failures)}")
    findings = found(rules, calibration, held_out, stated=settings.alarms_per_hour, failures=failures)
    write_findings(findings, out, rules=settings.rules)
    return findings


def write_findings(findings: Findings, out: Path, *, rules: Path) -> None:
    """Writes the figures, the proposal, the plot and the page; the figures first.

    Raises:
        RecordingError: the folder cannot be written.
    """
    write_whole(out / "results.json", json.dumps(asdict(findings), indent=1, allow_nan=False) + "\n")
    limits = [(rule.proposed, rule.proposed_clear) for rule in findings.rules]
    heading = f"Proposed by `ttt-ros calibrate-safeguard` for {findings.stated:g} false alarms per hour. {verdict(findings)}"
    write_whole(out / PROPOSAL, with_limits(rules.read_text(encoding="utf-8"), limits, heading=heading))
    light, dark = plots.drawn(findings, theme=LIGHT), plots.drawn(findings, theme=DARK)
    for name, png in light.items():
        write_whole(out / "plots" / f"{name}.png", png)
    write_whole(out / "report.html", rendered(findings, light=light, dark=dark))


def _settings(path: Path) -> CalibrationConfig:
    config = load_yaml(path, CalibrationConfig)
    return replace(
        config,
        parameters=path.parent / config.parameters,
        rules=path.parent / config.rules,
        bags=None if config.bags is None else path.parent / config.bags,
    )


def _made(
    runs: Sequence[Run], rules: SafeguardConfig, *, out: Path, processes: int, console: Console
) -> tuple[dict[Path, RunRecord], list[str]]:
    """The records of all runs by their paths, and what went wrong in words."""
    shapes = [Shape.of(rule) for rule in rules.rules]
    kept = {path_of(run, out): read_matching(path_of(run, out), run.header, shapes) for run in runs}
    records = {path: record for path, record in kept.items() if record is not None}
    left = [run for run in runs if path_of(run, out) not in records]
    failures: list[str] = []
    for run, record in successes(
        run_locally(_run, left, processes=processes),
        title="clean runs",
        already=len(records),
        left=len(left),
        name=lambda run: run.header.name,
        path=lambda run: path_of(run, out),
        out=out,
        failures=failures,
        console=console,
    ):
        write_record(path_of(run, out), record)
        records[path_of(run, out)] = record
    return records, failures


def _of(runs: Sequence[Run], records: Mapping[Path, RunRecord], out: Path) -> list[RunRecord]:
    """The records of those ``runs`` that could be made."""
    return [records[path] for path in (path_of(run, out) for run in runs) if path in records]


def _run(run: Run) -> RunRecord | Failure:
    return run_simulated(run) if isinstance(run, SimulatedRun) else run_recorded(run)
