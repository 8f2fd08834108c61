"""Plots of a suite's findings as PNG pictures; an arm has one colour, line and marker in all of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ttt_ros.evaluation.deployments.arms import Role
from ttt_ros.evaluation.deployments.collected import ALL_IN_RANGE
from ttt_ros.evaluation.deployments.findings import ArmFacts, Findings
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.plots import Theme, png, style

_WIDTH = 9.0  # inches, as the other pages
_MICROSECONDS = 1e6
_KIBIBYTE = 1024.0
_NOTHING_KEPT = 0.01  # KiB, where a logarithmic axis shows none: less than any memory takes

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; roles that share one are never in one panel.
_COLOURS: Mapping[Role, str] = {
    Role.ADAPTING: "#d55e00",
    Role.ORACLE: "#8a94a0",
    Role.STATIC: "#56b4e9",
    Role.FROZEN: "#0072b2",
    Role.WINDOW: "#0072b2",
    Role.RECURRENT: "#009e73",
    Role.FULL_ATTENTION: "#cc79a7",
    Role.NAIVE: "#e69f00",
    Role.VARIANT: "#e69f00",
    Role.RESET: "#009e73",
    Role.SHUFFLED: "#cc79a7",
    Role.FLIPPED: "#56b4e9",
    Role.REPEAT: "#56b4e9",
}
_MARKERS: Mapping[Role, str] = {
    Role.ADAPTING: "o",
    Role.ORACLE: "*",
    Role.STATIC: "^",
    Role.FROZEN: ">",
    Role.WINDOW: "D",
    Role.RECURRENT: "p",
    Role.FULL_ATTENTION: "s",
    Role.NAIVE: "v",
    Role.VARIANT: "<",
    Role.RESET: "P",
    Role.SHUFFLED: "X",
    Role.FLIPPED: "h",
    Role.REPEAT: "1",
}
_FURTHER_MARKERS = ("d", "8", "H", "2", "3", "4")
_LINES = ("-", "--", "-.", ":")
_LINES_ZORDER = 2.0  # matplotlib's own
_DASHED = (Role.ORACLE, Role.WINDOW, Role.RESET, Role.SHUFFLED, Role.FLIPPED)

_BASELINE_PANEL = (Role.ADAPTING, Role.ORACLE, Role.STATIC, Role.WINDOW, Role.RECURRENT, Role.FULL_ATTENTION, Role.NAIVE)
_CONTROL_PANEL = (Role.ADAPTING, Role.FROZEN, Role.RESET, Role.SHUFFLED, Role.FLIPPED, Role.VARIANT)
_COST_PANEL = (*_BASELINE_PANEL, Role.FROZEN, Role.RESET, Role.VARIANT)


@dataclass(frozen=True, kw_only=True)
class _Look:
    label: str
    colour: str
    line: str
    marker: str
    zorder: float


def drawn(findings: Findings, *, theme: Theme) -> dict[str, bytes]:
    """Draws every plot for which there is something to draw; the same findings give the same bytes.

    Returns:
        PNG files by name: success_over_time, conditions, cost, long_run.
    """
    plots: dict[str, Callable[[Findings], Figure] | None] = {
        "success_over_time": success_over_time if findings.over_time else None,
        "conditions": conditions if findings.conditions else None,
        "cost": cost if findings.costs and _in_range(findings) else None,
        "long_run": long_run if findings.long_runs else None,
    }
    with mpl.rc_context(style(theme)):
        return {name: png(plot(findings)) for name, plot in plots.items() if plot}


def success_over_time(findings: Findings) -> Figure:
    """The share of goals met by tenths of the run: other ways to do it on the left, control arms on the right."""
    figure = Figure(figsize=(_WIDTH, 3.6))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, roles, title in zip(panels, (_BASELINE_PANEL, _CONTROL_PANEL), ("Beside other policies", "Beside control arms"), strict=True):
        looks = _looks(findings, roles, among=findings.over_time)
        for arm, look in looks.items():
            _band(axes, _middles(len(findings.over_time[arm]), findings.goals), findings.over_time[arm], look)
        axes.set_title(title, loc="left")
        axes.set_xlabel("goal in the run")
        axes.set_xlim(0, findings.goals)
        axes.set_ylim(0, 1)
        _legend_below(axes, columns=2)
    panels[0].set_ylabel("share of goals met")
    return figure


def conditions(findings: Findings) -> Figure:
    """Success under every condition: a marker per arm, its interval as a bar."""
    looks = _looks(findings, _BASELINE_PANEL, among={arm for each in findings.conditions for arm in each.success})
    rows = len(findings.conditions)
    figure = Figure(figsize=(_WIDTH, 1.4 + 0.30 * rows))
    axes = figure.subplots()
    offsets = np.linspace(-0.33, 0.33, max(len(looks), 2))
    for offset, (arm, look) in zip(offsets, looks.items(), strict=False):
        for row, comparison in enumerate(findings.conditions):
            if arm in comparison.success:
                _mark(axes, comparison.success[arm], row + offset, look)
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="none", label=look.label)
    axes.set_yticks(range(rows), labels=[comparison.label for comparison in findings.conditions])
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlim(0, 1)
    for row in range(rows - 1):
        axes.axhline(row + 0.5, color=mpl.rcParams["grid.color"], linewidth=0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of goals met")
    axes.set_title("Success under each condition, with 95 % intervals", loc="left")
    _legend_below(axes, columns=4)
    return figure


def cost(findings: Findings) -> Figure:
    """Success against what a control step costs: time on the left, memory on the right."""
    success = _in_range(findings)
    figure = Figure(figsize=(_WIDTH, 4.2))
    time, memory = figure.subplots(1, 2, sharey=True)
    for arm, look in _looks(findings, _COST_PANEL, among=findings.costs.keys() & success.keys()).items():
        each = findings.costs[arm]
        kept = (each.memory_bytes + each.adaptation_bytes) / _KIBIBYTE
        for axes, value in ((time, _MICROSECONDS * each.seconds_per_step), (memory, max(kept, _NOTHING_KEPT))):
            _mark_upright(axes, value, success[arm], look)
    time.set_ylabel("share of goals met")
    time.set_xlabel("processor time per control step [µs]")
    memory.set_xlabel(f"kept from goal to goal [KiB]; at {_NOTHING_KEPT:g}: nothing")
    memory.set_xscale("log")
    memory.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    time.set_xlim(left=0)
    time.set_title("Success against time", loc="left")
    memory.set_title("Success against memory", loc="left")
    figure.legend(*time.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def long_run(findings: Findings) -> Figure:
    """The long runs by tenths: success, drift of the fast weights, and the cost of a step."""
    figure = Figure(figsize=(_WIDTH, 7.0))
    success, drift, time = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    looks = _looks(findings, tuple(role for role in Role if role is not Role.REPEAT), among=findings.long_runs)
    steps = max(run.steps for run in findings.long_runs.values())
    for arm, look in looks.items():
        run = findings.long_runs[arm]
        where = _middles(len(run.success_by_tenth), steps)
        _band(success, where, run.success_by_tenth, look)
        line: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "marker": look.marker, "zorder": look.zorder}
        if max(run.drift_by_tenth) > 0:
            drift.plot(where, run.drift_by_tenth, **line)
        time.plot(where, [_MICROSECONDS * seconds for seconds in run.seconds_by_tenth], **line)
    success.set_ylim(0, 1)
    success.set_ylabel("share of goals met")
    success.set_title("Long runs, by tenths", loc="left")
    drift.set_ylabel("largest drift,\nrelative")
    drift.set_ylim(0, 1.08 * drift.get_ylim()[1])
    time.set_ylabel("processor time per\ncontrol step [µs]")
    time.set_ylim(bottom=0)
    time.set_xlabel("control step")
    time.set_xlim(0, steps)
    time.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.legend(*success.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _in_range(findings: Findings) -> Mapping[str, Estimate]:
    """Success by arm with all properties at once, in the ranges of training; empty if that was not run."""
    return next((each.success for each in findings.conditions if each.name == ALL_IN_RANGE), {})


def _looks(findings: Findings, roles: Sequence[Role], *, among: Collection[str]) -> dict[str, _Look]:
    """How each arm with one of ``roles`` is drawn: colour by role, line and marker by its place among those of its role."""
    looks: dict[str, _Look] = {}
    places: dict[Role, int] = {}
    for arm in findings.arms:
        if arm.role not in roles or arm.name not in among:
            continue
        place = places.get(arm.role, 0)
        places[arm.role] = place + 1
        looks[arm.name] = _look(arm, place)
    return looks


def _look(arm: ArmFacts, place: int) -> _Look:
    marker = _FURTHER_MARKERS[(place - 1) % len(_FURTHER_MARKERS)] if place else _MARKERS[arm.role]
    line = _LINES[(place + (arm.role in _DASHED)) % len(_LINES)]
    zorder = _LINES_ZORDER + (arm.role is Role.ADAPTING)
    return _Look(label=arm.label, colour=_COLOURS[arm.role], line=line, marker=marker, zorder=zorder)


def _middles(bins: int, end: int) -> list[float]:
    return [end * (place + 0.5) / bins for place in range(bins)]


def _band(axes: Axes, where: Sequence[float], estimates: Sequence[Estimate], look: _Look) -> None:
    values = [each.value for each in estimates]
    axes.plot(where, values, color=look.colour, linestyle=look.line, marker=look.marker, zorder=look.zorder, label=look.label)
    known = [(place, each.lower, each.upper) for place, each in zip(where, estimates, strict=True) if each.lower is not None]
    if known:
        places, lower, upper = zip(*known, strict=True)
        axes.fill_between(places, lower, upper, color=look.colour, alpha=0.15, linewidth=0)


def _mark(axes: Axes, estimate: Estimate, row: float, look: _Look) -> None:
    if estimate.lower is not None and estimate.upper is not None:
        axes.plot([estimate.lower, estimate.upper], [row, row], color=look.colour, linewidth=1)
    axes.plot(estimate.value, row, color=look.colour, marker=look.marker, markersize=4)


def _mark_upright(axes: Axes, value: float, estimate: Estimate, look: _Look) -> None:
    if estimate.lower is not None and estimate.upper is not None:
        axes.plot([value, value], [estimate.lower, estimate.upper], color=look.colour, linewidth=1)
    axes.plot(value, estimate.value, color=look.colour, marker=look.marker, markersize=7, linestyle="none", label=look.label)


def _legend_below(axes: Axes, *, columns: int) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16 if columns == 2 else -0.05), ncols=columns)
