"""A plot of the levels of clean runs against the limits."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ttt_ros.evaluation.calibration.findings import Findings, RuleFindings
from ttt_ros.evaluation.calibration.levels import NOT_FINITE
from ttt_ros.evaluation.plots import Theme, png, style

_WIDTH = 9.0  # inches, as the other pages
_LEFT, _RIGHT = 1e-3, 1e2
"""Ends of the axis; what lies outside is drawn at them."""

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
_CALIBRATION, _HELD_OUT, _PROPOSED, _LIMIT = "#56b4e9", "#0072b2", "#009e73", "#d55e00"


def drawn(findings: Findings, *, theme: Theme) -> dict[str, bytes]:
    """PNG files by name: levels. The same findings give the same bytes."""
    with mpl.rc_context(style(theme)):
        return {"levels": png(levels(findings))}


def levels(findings: Findings) -> Figure:
    """Every rule in a row: the level of every run over the shipped limit, on a logarithmic axis; beyond 1 the rule would have tripped."""
    rules = [rule for rule in findings.rules if rule.judged == "judged"]
    figure = Figure(figsize=(_WIDTH, 1.3 + 0.30 * len(rules)))
    axes = figure.subplots()
    axes.set_xscale("log")
    for row, rule in enumerate(rules):
        _dots(axes, rule, rule.calibration_levels, row - 0.17, _CALIBRATION)
        _dots(axes, rule, rule.held_out_levels, row + 0.17, _HELD_OUT)
        axes.plot(_place(rule, rule.proposed), row, color=_PROPOSED, marker="|", markersize=13, markeredgewidth=2)
    axes.axvline(1.0, color=_LIMIT, linewidth=1.4)
    axes.set_yticks(range(len(rules)), labels=[named(rule) for rule in rules])
    axes.set_ylim(len(rules) - 0.5, -0.5)
    axes.set_xlim(_LEFT / 1.3, _RIGHT * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("level over the shipped limit; below a limit: limit over level")
    axes.set_title("Levels of clean runs against the limits", loc="left")
    for label, colour, marker in (("calibration", _CALIBRATION, "o"), ("held out", _HELD_OUT, "o"), ("proposed limit", _PROPOSED, "|")):
        axes.plot([], [], color=colour, marker=marker, linestyle="none", label=label, markeredgewidth=2 if marker == "|" else 0)
    axes.plot([], [], color=_LIMIT, label="shipped limit")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def named(rule: RuleFindings) -> str:
    """A rule in few words; several may watch one signal."""
    shape = rule.shape
    return f"{shape.signal}{' below' if shape.direction == 'below' else ''} ({shape.trips} of {shape.of_last}, {rule.mode})"


def _dots(axes: Axes, rule: RuleFindings, seen: Sequence[float], row: float, colour: str) -> None:
    places = [_place(rule, level) for level in seen]
    axes.plot(places, [row] * len(places), color=colour, linestyle="none", marker="o", markersize=3, markeredgewidth=0, alpha=0.6)


def _place(rule: RuleFindings, value: float) -> float:
    """On the axis; a level that is not finite is at its right end, and one of 0 at its left end."""
    if abs(value) >= NOT_FINITE:
        return _RIGHT
    over, under = (value, rule.shipped) if rule.shape.direction == "above" else (rule.shipped, value)
    return min(max(over / under if under > 0 else _RIGHT, _LEFT), _RIGHT)
