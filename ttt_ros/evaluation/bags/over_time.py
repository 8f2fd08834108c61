"""One bag over time: losses, errors, drift, gradient norm, commits and modes of every arm on one axis."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ttt_ros.evaluation.bags.action_error import mean_error
from ttt_ros.evaluation.bags.looks import Look
from ttt_ros.evaluation.bags.records import ArmRecord
from ttt_ros.evaluation.plots import MODE_COLOURS

_WIDTH = 9.0  # inches
_NANOSECONDS = 1e9
_AVERAGED = 0.05  # share of the run that a running mean covers
_ROW = 0.16  # inches for an arm's commits or modes

Points = list[tuple[float, float]]


def over_time(records: Sequence[ArmRecord], arms: Mapping[str, Look]) -> Figure:
    """Draws the arms of one bag; a panel without anything to show is left out."""
    learning = [record for record in records if record.header.arm.adapts]
    lines: list[tuple[str, Sequence[ArmRecord], Callable[[ArmRecord], Points], bool]] = [
        ("loss, running mean", records, _losses, True),
        ("action error,\nrunning mean", records, _errors, True),
        ("drift", learning, _drifts, False),
        ("gradient norm,\nrunning mean", learning, _gradients, True),
    ]
    shown = [each for each in lines if any(each[2](record) for record in each[1])]
    heights = [1.35] * len(shown) + ([0.45 + _ROW * len(learning)] if learning else []) + [0.45 + _ROW * len(records)]
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.6))
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (label, which, points, smooth) in zip(panels, shown, strict=False):
        for record in which:
            _line(axes, points(record), arms[record.header.arm.name], smooth=smooth)
        axes.set_ylabel(label)
        if which is records:  # the controls are many times worse by design
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.set_ylim(bottom=0)
    if learning:
        _commits(panels[-2], learning, arms)
    _modes(panels[-1], records, arms)
    panels[-1].set_xlabel("time since the bag began [s]")
    panels[-1].set_xlim(0, max(_seconds(record, record.end.end) for record in records) or 1)
    looks = [arms[record.header.arm.name] for record in records]
    lines_of_arms = [Line2D([], [], **look.line) for look in looks]
    modes = [Patch(color=colour, label=f"mode {mode}") for mode, colour in MODE_COLOURS.items()]
    figure.legend(handles=[*lines_of_arms, *modes], loc="outside lower center", ncols=6)
    return figure


def _line(axes: Axes, points: Points, look: Look, *, smooth: bool) -> None:
    if not points:
        return
    times, values = (np.array(each) for each in zip(*points, strict=True))
    width = max(1, round(_AVERAGED * len(values)))
    if smooth and width > 1:
        values = np.convolve(values, np.ones(width) / width, mode="valid")
        times = np.convolve(times, np.ones(width) / width, mode="valid")
    axes.plot(times, values, **look.line, marker="." if len(values) == 1 else None)


def _commits(axes: Axes, records: Sequence[ArmRecord], arms: Mapping[str, Look]) -> None:
    """A stroke for each window: in the arm's colour where it was committed, red and lower where it was refused."""
    for row, record in enumerate(records):
        committed = [_seconds(record, window.stamp) for window in record.windows if window.committed]
        refused = [_seconds(record, window.stamp) for window in record.windows if not window.committed]
        axes.vlines(committed, row - 0.36, row + 0.36, color=arms[record.header.arm.name].colour, linewidth=0.7)
        axes.vlines(refused, row, row + 0.36, color=MODE_COLOURS["stop"], linewidth=0.9)
    axes.set_title("Windows: committed in the arm's colour, refused red", loc="left", fontweight="normal")
    _rows(axes, records, arms)


def _modes(axes: Axes, records: Sequence[ArmRecord], arms: Mapping[str, Look]) -> None:
    for row, record in enumerate(records):
        ends = [change.stamp for change in record.modes[1:]] + [record.end.end]
        for change, end in zip(record.modes, ends, strict=False):
            start = _seconds(record, change.stamp)
            axes.broken_barh([(start, _seconds(record, end) - start)], (row - 0.36, 0.72), color=MODE_COLOURS[change.mode], linewidth=0)
    axes.set_title("Modes", loc="left", fontweight="normal")
    _rows(axes, records, arms)


def _rows(axes: Axes, records: Sequence[ArmRecord], arms: Mapping[str, Look]) -> None:
    axes.set_yticks(range(len(records)), labels=[arms[record.header.arm.name].label for record in records])
    axes.set_ylim(len(records) - 0.5, -0.5)
    axes.set_axisbelow(True)
    axes.grid(visible=False, axis="y")


def _losses(record: ArmRecord) -> Points:
    return [(_seconds(record, row.stamp), row.loss) for row in record.windows if row.loss is not None]


def _errors(record: ArmRecord) -> Points:
    return [(_seconds(record, row.stamp), error) for row in record.chunks if (error := mean_error(row)) is not None]


def _drifts(record: ArmRecord) -> Points:
    return [(_seconds(record, row.stamp), row.drift) for row in record.windows]


def _gradients(record: ArmRecord) -> Points:
    return [(_seconds(record, row.stamp), row.gradient_norm) for row in record.windows if row.gradient_norm is not None]


def _seconds(record: ArmRecord, stamp: int) -> float:
    return (stamp - record.end.start) / _NANOSECONDS
