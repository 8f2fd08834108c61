"""Plots of an evaluation on bags as PNG pictures; an arm has one colour and line in all of them."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_ros.evaluation.bags.configuration import ADAPTING, FROZEN
from ttt_ros.evaluation.bags.figures import TENTHS, Estimate, Findings, JointError, Outcome
from ttt_ros.evaluation.bags.looks import Look, looks
from ttt_ros.evaluation.bags.over_time import over_time
from ttt_ros.evaluation.bags.records import ArmRecord
from ttt_ros.evaluation.plots import Theme, png, style

MOST_BAGS = 8
"""Bags that are drawn over time; a page with hundreds of pictures could not be opened."""

_WIDTH = 9.0  # inches, as the other pages
_MILLISECONDS = 1000
_PERCENT = 100
_NOISE_SHADE = 0.18

_LINEAR_TO = 10.0
"""Per cent."""


def drawn(findings: Findings, records: Mapping[str, Sequence[ArmRecord]], *, theme: Theme) -> dict[str, bytes]:
    """Draws every plot for which there is something to draw; the same findings give the same bytes.

    Returns:
        PNG files by name: differences, loss_by_tenth, action_error, joints, and over_time_BAG for the first MOST_BAGS bags.
    """
    whole, arms = findings.whole, looks(findings)
    commanded = {name: look for name, look in arms.items() if name in whole.arms and whole.arms[name].action}
    with mpl.rc_context(style(theme)):
        figures = {
            "differences": differences(findings, arms) if whole.changes else None,
            "loss_by_tenth": loss_by_tenth(whole, arms),
            "action_error": action_error(findings, commanded) if commanded else None,
            "joints": joints(findings, commanded) if commanded else None,
            **{f"over_time_{bag.name}": over_time(records[bag.name], arms) for bag in findings.bags[:MOST_BAGS]},
        }
        return {name: png(figure) for name, figure in figures.items() if figure is not None}


def differences(findings: Findings, arms: Mapping[str, Look]) -> Figure:
    """Each arm against the frozen one, the noise floor as a band about 0."""
    names = list(findings.whole.changes)
    figure = Figure(figsize=(_WIDTH, 1.3 + 0.32 * len(names)))
    noise = findings.whole.noise
    panels = figure.subplots(1, 2, sharey=True)
    for axes, title, floor, changes in (
        (panels[0], "Prediction loss", noise.loss, [findings.whole.changes[name].loss for name in names]),
        (panels[1], "Action error", noise.action, [findings.whole.changes[name].action for name in names]),
    ):
        axes.axvline(0, color=mpl.rcParams["text.color"], linewidth=0.8)
        if floor is not None:
            axes.axvspan(-_PERCENT * floor, _PERCENT * floor, color=mpl.rcParams["text.color"], alpha=_NOISE_SHADE, linewidth=0)
        for row, (name, change) in enumerate(zip(names, changes, strict=True)):
            if change is not None:
                _across(axes, change, row, arms[name])
        if not any(changes):
            axes.text(0.5, 0.5, "no commands in the bags", transform=axes.transAxes, ha="center")
        # Linear up to a tenth, or the controls, which are many times worse by design, would hide the rest.
        axes.set_xscale("symlog", linthresh=_LINEAR_TO)
        axes.xaxis.set_major_formatter("{x:+.0f}")
        axes.set_title(f"{title} against frozen", loc="left")
        axes.set_xlabel("change [%], better to the left" + ("" if floor is None else f"; band: noise floor, {_PERCENT * floor:.2g} %"))
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(names)), labels=[arms[name].label for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def loss_by_tenth(whole: Outcome, arms: Mapping[str, Look]) -> Figure | None:
    """The prediction loss of every arm by tenths of the run, the mean over all bags."""
    known = {name: arm.loss_by_tenth for name, arm in whole.arms.items() if any(loss is not None for loss in arm.loss_by_tenth)}
    if not known:
        return None
    figure = Figure(figsize=(_WIDTH, 2.7))
    axes = figure.subplots()
    for name, losses in known.items():
        points = [(100 * (tenth + 0.5) / TENTHS, loss) for tenth, loss in enumerate(losses) if loss is not None]
        axes.plot(*zip(*points, strict=True), **arms[name].line, marker=arms[name].marker)
    axes.set_xlim(0, 100)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("part of the run [%]")
    axes.set_ylabel("loss")
    axes.set_title("Prediction loss before each update, mean over all bags", loc="left")
    _legend_right(axes)
    return figure


def action_error(findings: Findings, arms: Mapping[str, Look]) -> Figure:
    """The action error of every arm by step of the chunk."""
    figure = Figure(figsize=(_WIDTH, 3.0))
    axes = figure.subplots()
    for name, look in arms.items():
        action = findings.whole.arms[name].action
        if action is None:
            continue
        times = [_MILLISECONDS * findings.period * (step + 1) for step in range(len(action.by_step))]
        axes.plot(times, [step.value for step in action.by_step], **look.line)
        if name not in (FROZEN.name, ADAPTING.name):
            continue
        axes.fill_between(
            times,
            [step.least for step in action.by_step],
            [step.most for step in action.by_step],
            color=look.colour,
            alpha=0.12,
            linewidth=0,
        )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time after the observation [ms]")
    axes.set_ylabel("mean error [rad or m]")
    axes.set_title("Action error by step of the chunk; bands: 95 % intervals of frozen and adapting", loc="left")
    _legend_right(axes)
    return figure


def joints(findings: Findings, arms: Mapping[str, Look]) -> Figure:
    """The action error of every arm by joint, and that of holding still."""
    rows = len(findings.joints)
    figure = Figure(figsize=(_WIDTH, 1.2 + rows * max(0.35, 0.09 * (len(arms) + 1))))
    axes = figure.subplots()
    offsets = np.linspace(-0.36, 0.36, len(arms) + 1)
    errors: dict[str, Mapping[str, JointError]] = {
        name: action.joints for name in arms if (action := findings.whole.arms[name].action) is not None
    }
    first = next(iter(errors.values()))
    still = [first[joint].held.value for joint in findings.joints]
    axes.plot(still, np.arange(rows) + offsets[-1], color=mpl.rcParams["text.color"], marker="|", linestyle="none", label="holding still")
    for offset, (name, by_joint) in zip(offsets, errors.items(), strict=False):
        look = arms[name]
        for row, joint in enumerate(findings.joints):
            _across(axes, by_joint[joint].error, row + offset, look, scale=1.0)
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="none", label=look.label)
    axes.set_yticks(range(rows), labels=findings.joints)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    for row in range(rows - 1):
        axes.axhline(row + 0.5, color=mpl.rcParams["grid.color"], linewidth=0.5)
    axes.set_xlabel("mean error [rad or m]")
    axes.set_title("Action error by joint, with 95 % intervals", loc="left")
    _legend_right(axes)
    return figure


def _across(axes: Axes, estimate: Estimate, row: float, look: Look, *, scale: float = _PERCENT) -> None:
    axes.plot([scale * estimate.least, scale * estimate.most], [row, row], color=look.colour, linewidth=1.4)
    axes.plot(scale * estimate.value, row, color=look.colour, marker=look.marker, markersize=4)


def _legend_right(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
