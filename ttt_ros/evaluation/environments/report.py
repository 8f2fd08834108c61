"""Writing a benchmark's findings: every figure as JSON, a table in Markdown, and a picture."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.environments.findings import Figures, Findings
from ttt_ros.evaluation.environments.statistics import Successes
from ttt_ros.evaluation.plots import LIGHT, png, style
from ttt_ros.evaluation.whole_file import write_whole

_WIDTH = 9.0  # inches, as the other plots
# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
_COLOURS = {"static": "#0072b2", "lstm": "#009e73", "adapting": "#d55e00", "flipped": "#56b4e9", "shuffled": "#cc79a7"}


def write_findings(findings: Findings, out: Path) -> None:
    """Writes ``results.json``, ``table.md`` and ``success.png`` into ``out``; the figures first.

    Raises:
        RecordingError: the folder cannot be written.
    """
    write_whole(out / "results.json", json.dumps(asdict(findings), indent=1, allow_nan=False) + "\n")
    write_whole(out / "table.md", table(findings))
    try:
        (out / "success.png").write_bytes(drawn(findings))
    except OSError as error:
        raise RecordingError(f"cannot write {out / 'success.png'}: {error.strerror}; check the folder and the space on the disk") from None


def table(findings: Findings) -> str:
    """Two tables in Markdown: success of each arm under each shift, and successes by task."""
    return "\n".join((*_summary(findings), "", *_tasks(findings), ""))


def drawn(findings: Findings) -> bytes:
    """A bar with its interval for each arm under each shift, as a PNG file."""
    with mpl.rc_context(style(LIGHT)):
        figure = Figure(figsize=(_WIDTH, 3.2))
        axes = figure.subplots()
        width = 0.8 / len(findings.arms)
        for number, (arm, label) in enumerate(findings.arms.items()):
            found = [figures[arm].all for figures in findings.conditions.values()]
            shares = np.array([each.share for each in found])
            spread = np.abs(np.array([(each.lower, each.upper) for each in found]).T - shares)
            places = np.arange(len(found)) + (number - (len(findings.arms) - 1) / 2) * width
            axes.bar(places, shares, width, label=label, color=_COLOURS[arm])
            axes.errorbar(places, shares, spread, linestyle="none", color=mpl.rcParams["text.color"], linewidth=0.8)
        axes.set_xticks(range(len(findings.conditions)), labels=[name.replace("_", "\n") for name in findings.conditions])
        axes.set_ylim(0, 1)
        axes.set_ylabel("share of episodes that succeed")
        axes.grid(visible=False, axis="x")
        axes.set_title("Success under each shift, with 95 % intervals", loc="left")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(findings.arms), borderpad=0)
        return png(figure)


def _summary(findings: Findings) -> Iterator[str]:
    yield from _heading(("shift", *findings.arms.values(), "adapting minus static"))
    for condition, figures in findings.conditions.items():
        yield _row((condition.replace("_", " "), *(_share(figures[arm].all) for arm in findings.arms), _gain(figures["adapting"].gain)))


def _tasks(findings: Findings) -> Iterator[str]:
    first: Mapping[str, Figures] = next(iter(findings.conditions.values()))
    tasks = tuple(next(iter(first.values())).by_task)
    yield from _heading(("shift", *(f"{task}: {label}" for task in tasks for label in findings.arms.values())))
    for condition, figures in findings.conditions.items():
        cells = (figures[arm].by_task[task] for task in tasks for arm in findings.arms)
        yield _row((condition.replace("_", " "), *(f"{cell.count} of {cell.episodes}" for cell in cells)))


def _heading(cells: tuple[str, ...]) -> Iterator[str]:
    yield _row(cells)
    yield _row(("---",) + ("---:",) * (len(cells) - 1))


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(found: Successes) -> str:
    return f"{100 * found.share:.0f} % ({100 * found.lower:.0f} to {100 * found.upper:.0f})"


def _gain(gain: Estimate | None) -> str:
    if gain is None:
        return ""
    interval = "" if gain.lower is None or gain.upper is None else f" ({100 * gain.lower:+.0f} to {100 * gain.upper:+.0f})"
    return f"{100 * gain.value:+.0f}{interval}"
