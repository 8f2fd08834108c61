"""The change that adapting makes, as a picture: one panel for each error, one row for each condition."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from ttt_ros.evaluation.intervals import Estimate
from ttt_ros.evaluation.plots import ARM_COLOURS
from ttt_ros.evaluation.recordings.findings import Condition, Findings

_PANEL_WIDTH, _ROW_HEIGHT, _HEADER = 3.4, 0.26, 1.1  # inches
_DPI = 160
_FLIPPED_COLOUR = "#8a94a0"
_OFFSET = 0.17


def plotted(findings: Findings) -> bytes:
    """Draws the relative changes with their 95 % intervals as a PNG file."""
    titles = list(findings.conditions[0].figures)
    height = _HEADER + _ROW_HEIGHT * len(findings.conditions)
    picture = Picture(figsize=(1.2 + _PANEL_WIDTH * len(titles), height), layout="constrained")
    panels = picture.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for panel, title in zip(panels, titles, strict=True):
        _draw(panel, findings.conditions, title)
    picture.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    file = BytesIO()
    picture.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


def _draw(panel: Axes, conditions: tuple[Condition, ...], title: str) -> None:
    rows = range(len(conditions))
    panel.axvline(0, color="#24292f", linewidth=0.8)
    flipped = [condition.figures[title].flipped_change for condition in conditions]
    adapting = [condition.figures[title].change for condition in conditions]
    _bars(panel, [row + _OFFSET for row in rows], flipped, colour=_FLIPPED_COLOUR, label="steps the wrong way (control)")
    _bars(panel, [row - _OFFSET for row in rows], adapting, colour=ARM_COLOURS["adapting"], label="adapting")
    panel.set_yticks(list(rows), [condition.name.replace("_", " ") for condition in conditions])
    panel.set_ylim(len(conditions) - 0.5, -0.5)
    panel.set_title(f"error: {title}", fontsize=9)
    panel.set_xlabel("change against frozen, %", fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(axis="x", color="#d4d9df", linewidth=0.6)
    panel.set_axisbelow(True)


def _bars(panel: Axes, rows: list[float], changes: list[Estimate], *, colour: str, label: str) -> None:
    values = [100 * change.value for change in changes]
    below = [100 * (change.value - change.lower) for change in changes]
    above = [100 * (change.upper - change.value) for change in changes]
    panel.errorbar(values, rows, xerr=[below, above], fmt="o", markersize=3, linewidth=1.2, color=colour, label=label)
