"""Plots of a demonstration as PNG pictures: the frozen beside the adapting policy on one time axis, the shift marked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from ttt_ros.evaluation.demo_report import Limits
from ttt_ros.evaluation.run_record import Arm, ModeLabel, RunRecord, Window

GOALS_AVERAGED = 5
"""Goals in the running share of successes: enough to be read, few enough to show a shift."""

MODE_COLOURS: dict[ModeLabel, str] = {"adapting": "#e07b00", "frozen": "#3b82c4", "base": "#8a94a0", "hold": "#8b5fbf", "stop": "#cc3b3b"}
ARM_COLOURS: dict[Arm, str] = {"frozen": MODE_COLOURS["frozen"], "adapting": MODE_COLOURS["adapting"]}
_ALARM = MODE_COLOURS["stop"]

WIDTH, HEIGHT = 9.0, 2.7
"""Of one plot, inches; with _DPI wide enough for a report's column on a high-density screen."""

_MILLISECONDS = 1000
_CENTIMETRES = 100
_DPI = 160
_TITLE_PAD = 16.0  # points


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of everything but the data."""

    background: str
    ink: str
    faint: str


LIGHT = Theme(background="#ffffff", ink="#24292f", faint="#d4d9df")
DARK = Theme(background="#161b22", ink="#d7dde4", faint="#39424c")


def drawn(*, runs: Sequence[RunRecord], limits: Limits, theme: Theme) -> dict[str, bytes]:
    """Draws every plot; the same runs give the same bytes.

    Returns:
        PNG files by name: success, distance, prediction_loss, gradient_norm, drift, mode, latency.
    """
    plots: dict[str, Callable[[], Figure]] = {
        "success": lambda: _alone(lambda axes: success(axes, runs)),
        "distance": lambda: _alone(lambda axes: distance(axes, runs, limits)),
        "prediction_loss": lambda: _alone(lambda axes: prediction_loss(axes, runs)),
        "gradient_norm": lambda: _alone(lambda axes: gradient_norm(axes, runs, limits)),
        "drift": lambda: _alone(lambda axes: drift(axes, runs, limits)),
        "mode": lambda: _alone(lambda axes: mode(axes, runs), height=1.7),
        "latency": lambda: latency(runs),
    }
    with mpl.rc_context(style(theme)):
        return {name: png(plot()) for name, plot in plots.items()}


def success(axes: Axes, runs: Sequence[RunRecord]) -> None:
    """The share of the last goals that succeeded, and below it every goal as a filled or an empty square."""
    _timeline(axes, runs, ylabel="share of successes")
    strips: list[float] = []
    for run in runs:
        colour = ARM_COLOURS[run.arm]
        ends = [goal.end for goal in run.goals]
        strips.append(-0.2 - 0.18 * len(strips))
        axes.plot(ends, _running_share([goal.succeeded for goal in run.goals]), color=colour, marker=".", label=run.arm)
        for goal in run.goals:
            axes.plot(goal.end, strips[-1], marker="s", color=colour, markerfacecolor=colour if goal.succeeded else "none")
    axes.set_ylim(min(strips, default=0) - 0.14, 1.08)
    axes.set_yticks([0, 0.5, 1, *strips], labels=["0", "0.5", "1", *(f"{run.arm} goals" for run in runs)])
    _legend(axes, title=f"Success over the last {GOALS_AVERAGED} goals; squares: each goal, filled if it succeeded")


def distance(axes: Axes, runs: Sequence[RunRecord], limits: Limits) -> None:
    """How far from the cube the fingertip came to rest, goal by goal."""
    _timeline(axes, runs, ylabel="distance [cm]")
    for run in runs:
        points = [(goal.end, _CENTIMETRES * goal.distance) for goal in run.goals if goal.distance is not None]
        axes.plot([time for time, _ in points], [value for _, value in points], color=ARM_COLOURS[run.arm], marker=".", label=run.arm)
    _limit(axes, None if limits.distance is None else _CENTIMETRES * limits.distance, "goal met below", linestyle="--")
    axes.set_ylim(bottom=0)
    _legend(axes, title="Distance of the fingertip from the cube")


def prediction_loss(axes: Axes, runs: Sequence[RunRecord]) -> None:
    """The loss of each window before its update."""
    _timeline(axes, runs, ylabel="loss")
    _window_series(axes, runs, lambda window: window.prediction_loss)
    _logarithmic(axes)
    _legend(axes, title="Prediction loss of each window, before its update")


def gradient_norm(axes: Axes, runs: Sequence[RunRecord], limits: Limits) -> None:
    """The gradient norm of each window before clipping."""
    _timeline(axes, runs, ylabel="gradient norm")
    _window_series(axes, runs, lambda window: window.gradient_norm)
    _limit(axes, limits.gradient_clip, "clip", linestyle=":")
    _limit(axes, limits.gradient_norm, "limit", linestyle="--")
    _logarithmic(axes)
    _legend(axes, title="Gradient norm before clipping")


def drift(axes: Axes, runs: Sequence[RunRecord], limits: Limits) -> None:
    """The drift from the base after each window: in total, and thin for each fast module."""
    _timeline(axes, runs, ylabel="relative drift")
    _window_series(axes, runs, lambda window: window.drift_total, mark_rejected=False)
    for run in runs:
        for module in sorted({module for window in run.windows for module in window.drift}):
            points = [(window.time, window.drift[module]) for window in run.windows if module in window.drift]
            axes.plot(*zip(*points, strict=True), color=ARM_COLOURS[run.arm], linewidth=0.6, alpha=0.6)
    _limit(axes, limits.drift, "limit", linestyle="--")
    axes.set_ylim(bottom=0)
    _legend(axes, title="Drift from the base policy; thin: each fast module")


def mode(axes: Axes, runs: Sequence[RunRecord]) -> None:
    """The mode that the safeguard ordered, over time, one bar per arm."""
    _timeline(axes, runs, ylabel="")
    for row, run in enumerate(runs):
        ends = [change.time for change in run.modes[1:]] + [run.duration]
        for change, end in zip(run.modes, ends, strict=False):
            axes.broken_barh([(change.time, end - change.time)], (row - 0.32, 0.64), color=MODE_COLOURS[change.mode], linewidth=0)
    axes.set_yticks(range(len(runs)), labels=[f"{run.arm} run" for run in runs])
    axes.set_ylim(max(len(runs), 1) - 0.5, -0.5)
    axes.set_axisbelow(True)
    axes.grid(visible=False, axis="y")
    patches = [Patch(color=colour, label=name) for name, colour in MODE_COLOURS.items()]
    _legend(axes, title="Mode ordered by the safeguard", handles=patches)


def latency(runs: Sequence[RunRecord]) -> Figure:
    """Inference time of each chunk, and how many control ticks came how late."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    inference, lateness = figure.subplots(1, 2, width_ratios=(3, 2))
    _mark_time(inference, runs)
    inference.set_ylabel("inference time [ms]")
    lateness.set_xlabel("lateness of a control tick [ms]")
    lateness.set_ylabel("share of ticks later")
    for run in runs:
        colour = ARM_COLOURS[run.arm]
        times = [chunk.time for chunk in run.chunks]
        inference.plot(times, [_MILLISECONDS * chunk.inference_time for chunk in run.chunks], color=colour, marker=".", label=run.arm)
        late = np.sort(np.asarray(run.control.lateness)) * _MILLISECONDS
        lateness.step(late, 1 - np.arange(len(late)) / max(len(late), 1), color=colour, where="post")
    inference.set_ylim(bottom=0)
    for period in {run.control.period for run in runs}:
        lateness.axvline(_MILLISECONDS * period, color=mpl.rcParams["text.color"], linestyle="--", label="one period")
    lateness.set_xlim(left=0)
    _logarithmic(lateness)
    _legend(inference, title="Inference time of each chunk")
    _legend(lateness, title="Control ticks")
    return figure


def _alone(draw: Callable[[Axes], None], *, height: float = HEIGHT) -> Figure:
    figure = Figure(figsize=(WIDTH, height))
    draw(figure.subplots())
    return figure


def _timeline(axes: Axes, runs: Sequence[RunRecord], *, ylabel: str) -> None:
    axes.set_ylabel(ylabel)
    _mark_time(axes, runs)


def _mark_time(axes: Axes, runs: Sequence[RunRecord]) -> None:
    end = max((run.duration for run in runs), default=0) or 1
    axes.set_xlim(0, end)
    axes.set_xlabel("time since the run began [s]")
    # Both arms get the same shift, at nearly the same time; it is named once.
    starts = sorted((run.shift.start, run.shift.name) for run in runs if run.shift)
    for start, _ in starts:
        axes.axvline(start, color=mpl.rcParams["text.color"], linewidth=1)
    for start, name in starts[:1]:
        axes.axvspan(start, end, color=mpl.rcParams["text.color"], alpha=0.06, linewidth=0)
        axes.annotate(f"shift: {name}", (start, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points")


def _window_series(
    axes: Axes, runs: Sequence[RunRecord], figure_of: Callable[[Window], float | None], *, mark_rejected: bool = True
) -> None:
    for run in runs:
        points = [(window, value) for window in run.windows if (value := figure_of(window)) is not None]
        rejected = [(window.time, value) for window, value in points if not window.committed]
        times, values = [window.time for window, _ in points], [value for _, value in points]
        label = run.arm if points else f"{run.arm} (no windows)"
        axes.plot(times, values, color=ARM_COLOURS[run.arm], marker=".", label=label)
        if rejected and mark_rejected:
            axes.plot(*zip(*rejected, strict=True), color=_ALARM, linestyle="none", marker="x", label="rejected")


def _limit(axes: Axes, value: float | None, label: str, *, linestyle: str) -> None:
    if value is not None:
        axes.axhline(value, color=_ALARM, linestyle=linestyle, linewidth=1, label=f"{label} {value:g}")


def _logarithmic(axes: Axes) -> None:
    if not np.isfinite(axes.dataLim.minposy):  # nothing positive was drawn, and matplotlib refuses to draw that
        return
    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _legend(axes: Axes, *, title: str, **legend: Any) -> None:
    """Title and legend in one row, above the row in which the shift is named."""
    axes.set_title(title, loc="left", pad=_TITLE_PAD)
    raised = axes.transAxes + ScaledTranslation(0, _TITLE_PAD / 72, axes.figure.dpi_scale_trans)
    if not legend and not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), bbox_transform=raised, borderaxespad=0, borderpad=0, ncols=6, **legend)


def _running_share(outcomes: Sequence[bool]) -> list[float]:
    return [float(np.mean(outcomes[max(0, end - GOALS_AVERAGED) : end])) for end in range(1, len(outcomes) + 1)]


def style(theme: Theme) -> dict[str, Any]:
    """Settings of matplotlib for every plot of the package."""
    return {
        "axes.edgecolor": theme.faint,
        "axes.facecolor": theme.background,
        "axes.grid": True,
        "axes.labelcolor": theme.ink,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.facecolor": theme.background,
        "font.size": 8,
        "grid.color": theme.faint,
        "grid.linewidth": 0.5,
        "legend.columnspacing": 1.2,
        "legend.frameon": False,
        "legend.handlelength": 1.4,
        "lines.linewidth": 1.4,
        "lines.markersize": 4.5,
        "text.color": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
    }


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
