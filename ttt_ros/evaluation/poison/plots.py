"""The plot of the suite: every line of defence under every attack."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.plots import Theme, png, style
from ttt_ros.evaluation.poison.defences import ALL_GATES, CLIP_ONLY, FROZEN, FROZEN_AGAIN, GUARDED, NO_GATES
from ttt_ros.evaluation.poison.findings import PoisonFindings

_WIDTH = 9.0  # inches, as the other pages

# Okabe and Ito's colours, which people with any kind of colour vision tell apart, each with a marker of its own.
_LOOKS: Mapping[str, tuple[str, str]] = {
    FROZEN: ("#0072b2", ">"),
    FROZEN_AGAIN: ("#56b4e9", "1"),
    NO_GATES: ("#cc79a7", "X"),
    CLIP_ONLY: ("#e69f00", "v"),
    ALL_GATES: ("#009e73", "s"),
    GUARDED: ("#d55e00", "o"),
}


def drawn(findings: PoisonFindings, *, theme: Theme) -> bytes:
    """A PNG file: success on the left, what the poison did to the actions on the right; the same findings give the same bytes."""
    with mpl.rc_context(style(theme)):
        return png(_figure(findings))


def _figure(findings: PoisonFindings) -> Figure:
    rows = len(findings.attacks)
    figure = Figure(figsize=(_WIDTH, 1.6 + 0.5 * rows))
    success, deviation = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _marks(success, [each.success for each in findings.attacks], findings.labels)
    _marks(deviation, [each.deviation for each in findings.attacks], findings.labels)
    success.set_yticks(range(rows), labels=[each.label for each in findings.attacks])
    success.set_ylim(rows - 0.5, -0.5)
    success.set_xlim(0, 1)
    success.set_xlabel("share of goals met")
    success.set_title("Success, with 95 % intervals", loc="left")
    deviation.set_xlim(left=0)
    deviation.set_xlabel("change of actions on clean probes [rad]")
    deviation.set_title("What the poison left behind", loc="left")
    for axes in (success, deviation):
        axes.grid(visible=False, axis="y")
        for row in range(rows - 1):
            axes.axhline(row + 0.5, color=mpl.rcParams["grid.color"], linewidth=0.5)
    figure.legend(*success.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _marks(axes: Axes, rows: list[Mapping[str, Estimate]], labels: Mapping[str, str]) -> None:
    offsets = np.linspace(-0.33, 0.33, len(labels))
    for offset, name in zip(offsets, labels, strict=True):
        colour, marker = _LOOKS[name]
        axes.plot([], [], color=colour, marker=marker, linestyle="none", label=labels[name])
        for row, estimates in enumerate(rows):
            if name in estimates:
                _mark(axes, estimates[name], row + float(offset), colour=colour, marker=marker)


def _mark(axes: Axes, estimate: Estimate, row: float, *, colour: str, marker: str) -> None:
    if estimate.lower is not None and estimate.upper is not None:
        axes.plot([estimate.lower, estimate.upper], [row, row], color=colour, linewidth=1.0)
    axes.plot(estimate.value, row, color=colour, marker=marker, linestyle="none")
