"""The table of faults as JSON, Markdown, picture and page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ttt_ros.evaluation.checks import Check
from ttt_ros.evaluation.faults.records import FaultRecord, Net, records_in
from ttt_ros.evaluation.faults.targets import targets
from ttt_ros.evaluation.plots import DARK, LIGHT, MODE_COLOURS, WIDTH, Theme, png, style
from ttt_ros.evaluation.web_page import templates
from ttt_ros.evaluation.whole_file import write_whole

_ROW = 0.2  # inches of one fault in the plot
_SHORTEST = 1e-3
"""Seconds; where faults are drawn that were reacted to within them, as on a logarithmic axis zero has no place."""

HEADINGS = (
    "fault",
    "injected how",
    "demand",
    "detected by",
    "mode reached",
    "reaction p50",
    "max",
    "allowed",
    "what the robot did",
    "held",
)


def write_report(records: Sequence[FaultRecord], out: Path) -> tuple[Check, ...]:
    """Writes ``results.json``, ``table.md``, ``reactions.png`` and ``report.html`` into ``out``; returns the checks.

    The page also has the trials with one net alone that ``out`` holds.

    Raises:
        RecordingError: the folder cannot be written, or a record of those trials cannot be read.
    """
    checks = targets(records)
    write_whole(out / "results.json", json.dumps(_results(records, checks), indent=1, allow_nan=False) + "\n")
    write_whole(out / "table.md", table(records))
    light, dark = drawn(records, theme=LIGHT), drawn(records, theme=DARK)
    write_whole(out / "reactions.png", light)
    page = templates().get_template("faults.html")
    rows = [dict(zip(HEADINGS, row, strict=True)) for row in map(cells, records)]
    trials = sorted({len(record.trials) for record in records})
    write_whole(
        out / "report.html",
        page.render(
            headings=HEADINGS,
            rows=rows,
            records=records,
            checks=checks,
            light=light,
            dark=dark,
            trials=trials,
            alone={net.value: [_alone(record) for record in records_in(out / net.records)] for net in Net},
        ),
    )
    return checks


def write_proofs(records: Sequence[FaultRecord], out: Path) -> tuple[Check, ...]:
    """Writes ``proofs.md`` into ``out``: what each fault did without its protection; returns a check for each, that it did harm.

    Raises:
        RecordingError: the folder cannot be written.
    """
    checks = tuple(
        Check(name=record.name.replace("_", " "), passed=not record.withstood, figure=_without_protection(record), limit="not withstood")
        for record in records
    )
    lines = ["| fault | without its protection |", "| --- | --- |", *(f"| {check.name} | {check.figure} |" for check in checks)]
    write_whole(out / "proofs.md", "\n".join(lines) + "\n")
    return checks


def write_alone(net: Net, records: Sequence[FaultRecord], out: Path) -> tuple[Check, ...]:
    """Writes ``alone_<net>.md`` into ``out``: what became of each fault that ``net`` had to hold alone; returns a check for each.

    Raises:
        RecordingError: the folder cannot be written.
    """
    checks = tuple(map(_alone, records))
    rows = (f"| {check.name} | {check.figure} | {check.limit} | {'yes' if check.passed else 'no'} |" for check in checks)
    lines = [f"| fault, with the {net.value} alone | reaction | allowed | held |", "| --- | --- | --- | --- |", *rows]
    write_whole(out / f"{net.records}.md", "\n".join(lines) + "\n")
    return checks


def table(records: Sequence[FaultRecord]) -> str:
    """The table in Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, records)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cells(record: FaultRecord) -> tuple[str, ...]:
    """One row, in the order of ``HEADINGS``."""
    return (
        record.name.replace("_", " "),
        record.injected,
        record.demand,
        _most(*(", ".join(trial.detected_by) or "nothing to detect" for trial in record.trials)),
        _most(*(trial.mode for trial in record.trials)),
        _seconds(record.median),
        _seconds(record.slowest),
        _seconds(record.deadline),
        _most(*(trial.behaviour for trial in record.trials)),
        f"{min(record.in_time, record.went_on)} of {len(record.trials)}"
        + ("" if record.held or not record.violations else ", limits broken"),
    )


def drawn(records: Sequence[FaultRecord], *, theme: Theme) -> bytes:
    """A dot for each trial's reaction time and a line at what is allowed, as a PNG file."""
    with mpl.rc_context(style(theme)):
        figure = Figure(figsize=(WIDTH, 1.0 + _ROW * len(records)))
        axes = figure.subplots()
        for place, record in enumerate(records):
            times = np.maximum(record.reactions, _SHORTEST)
            axes.plot(times, np.full(len(times), place), ".", color=MODE_COLOURS["frozen"], alpha=0.6, markersize=5)
            axes.plot([record.deadline], [place], "|", color=MODE_COLOURS["stop"], markersize=9, markeredgewidth=1.5)
        axes.set_yticks(range(len(records)), labels=[record.name.replace("_", " ") for record in records])
        axes.set_ylim(len(records) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.set_xlabel("seconds from the fault to the reaction; red: allowed")
        axes.set_title("Reaction to each fault, a dot for each trial", loc="left")
        return png(figure)


def _results(records: Sequence[FaultRecord], checks: Sequence[Check]) -> dict[str, object]:
    return {
        "checks": [asdict(check) for check in checks],
        "faults": [
            {**asdict(record), "median": record.median, "slowest": record.slowest, "in_time": record.in_time, "held": record.held}
            for record in records
        ],
    }


def _alone(record: FaultRecord) -> Check:
    figure = record.violations[0] if record.violations else _seconds(record.slowest)
    return Check(name=record.name.replace("_", " "), passed=record.held, figure=figure, limit=_seconds(record.deadline))


def _without_protection(record: FaultRecord) -> str:
    if record.violations:
        return record.violations[0]
    if not record.reactions:
        return f"no reaction: {record.demand}"
    return "withstood" if record.withstood else f"reacted to after {_seconds(record.slowest)}, allowed {_seconds(record.deadline)}"


def _most(*found: str) -> str:
    """All that was found, the most frequent first, each with its count where they differ."""
    counts = {each: found.count(each) for each in dict.fromkeys(found)}
    ordered = sorted(counts, key=lambda each: -counts[each])
    return ordered[0] if len(ordered) == 1 else "; ".join(f"{each} ({counts[each]})" for each in ordered)


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} s"
