"""Writing a suite's findings as report.html, which needs no other file, and the plots as PNG files."""

import json
from collections.abc import Mapping
from pathlib import Path

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.deployments import plots
from ttt_ros.evaluation.deployments.findings import ArmFacts, Comparison, Findings
from ttt_ros.evaluation.deployments.statistics import DRAWS, FEWEST_SEEDS, Estimate
from ttt_ros.evaluation.deployments.targets import points
from ttt_ros.evaluation.plots import DARK, LIGHT
from ttt_ros.evaluation.web_page import templates
from ttt_ros.evaluation.whole_file import write_whole

_KIBIBYTE = 1024

CAPTIONS = {
    "success_over_time": "All properties hidden at once, in the ranges of training. Bands: 95 % intervals over robots.",
    "conditions": "Each row is one kind of robot; the same robots, layouts and goals for every arm. "
    "Kinds never trained on come on top of all properties in the ranges of training.",
    "cost": "Higher and further left is better. Time: processor time of policy and adaptation over the control steps. "
    "Memory: what the policy remembers, fast weights, optimiser and window.",
    "long_run": "Drift is the largest of any run; arms that do not adapt have none. Time is the median over the goals of a tenth.",
}


def write_page(findings: Findings, directory: Path) -> None:
    """Writes ``plots/*.png`` and ``report.html`` into ``directory``, which is made if missing.

    Raises:
        RecordingError: the folder cannot be written.
    """
    light = plots.drawn(findings, theme=LIGHT)
    dark = plots.drawn(findings, theme=DARK)
    try:
        (directory / "plots").mkdir(parents=True, exist_ok=True)
        for name, png in light.items():
            (directory / "plots" / f"{name}.png").write_bytes(png)
    except OSError as error:
        raise RecordingError(f"cannot write the plots into {directory}: {error.strerror}; choose a folder that can be written") from None
    write_whole(directory / "report.html", rendered(findings, light=light, dark=dark))


def rendered(findings: Findings, *, light: dict[str, bytes], dark: dict[str, bytes]) -> str:
    """The page as HTML, with plots by name for light and dark screens."""
    environment = templates()
    environment.filters["deployments"] = _deployments
    return environment.get_template("deployments.html").render(
        findings=findings,
        held=sum(verdict.holds is True for verdict in findings.verdicts),
        judged=sum(verdict.holds is not None for verdict in findings.verdicts),
        columns=main_columns(findings),
        cost_rows=_cost_rows(findings),
        training_rows=[(arm.label, _training(arm)) for arm in findings.arms],
        labels={arm.name: arm.label for arm in findings.arms},
        fewest_seeds=FEWEST_SEEDS,
        draws=DRAWS,
        points=points,
        captions=CAPTIONS,
        light=light,
        dark=dark,
    )


def main_columns(findings: Findings) -> list[Comparison]:
    """The comparisons of the main table: all properties at once in both ranges, then the groups."""
    together = [each for each in findings.conditions if each.name in ("training/all", "wider/all")]
    return [*together, *findings.groups]


def _cost_rows(findings: Findings) -> list[tuple[str, list[str]]]:
    rows = []
    for arm in findings.arms:
        cost = findings.costs.get(arm.name)
        if cost is None:
            continue
        figures = [
            f"{1e6 * cost.seconds_per_step:.0f} µs",
            f"{1e3 * cost.inference_seconds:.1f} ms",
            f"{1e3 * cost.remember_seconds:.2f} ms",
            f"{1e3 * cost.adapt_seconds:.2f} ms",
            f"{cost.memory_bytes / _KIBIBYTE:.1f} KiB",
            f"{cost.adaptation_bytes / _KIBIBYTE:.1f} KiB",
            f"{arm.parameters:,}",
            f"{arm.fast_parameters:,}",
        ]
        rows.append((arm.label, figures))
    return rows


def _training(arm: ArmFacts) -> str:
    facts = "; ".join(f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in arm.training.items())
    return facts or "its checkpoint does not say"


def _deployments(success: Mapping[str, Estimate]) -> str:
    """How many deployments the arms' figures rest on: one number, or the least and the most."""
    counts = sorted({estimate.deployments for estimate in success.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
