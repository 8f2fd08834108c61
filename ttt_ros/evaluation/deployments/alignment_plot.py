"""The picture of an alignment: one point per robot, cosine across and gain upwards."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_ros.evaluation.deployments.alignment_record import Alignment
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.deployments.targets import ratio
from ttt_ros.evaluation.plots import LIGHT, png, style

_COLOUR = "#d55e00"


def drawn(alignment: Alignment) -> bytes:
    """A PNG file with the gradients on the left and the steps taken on the right."""
    with mpl.rc_context(style(LIGHT)):
        figure = Figure(figsize=(9.0, 3.6))
        left, right = figure.subplots(1, 2, sharey=True)
        pairs = [(each.gradient, each.gain) for each in alignment.deployments if each.gradient is not None]
        _scatter(left, pairs, alignment.gradient, alignment.gradient_with_gain)
        left.set_xlabel("cosine: reconstruction gradient and action gradient")
        pairs = [(each.step, each.gain) for each in alignment.deployments if each.step is not None]
        _scatter(right, pairs, alignment.step, alignment.step_with_gain)
        right.set_xlabel("cosine: step taken and step that the action error asks for")
        left.set_ylabel("success, adapting minus frozen")
        return png(figure)


def _scatter(axes: Axes, pairs: list[tuple[float, float]], mean: Estimate | None, correlation: Estimate | None) -> None:
    axes.axhline(0, color=mpl.rcParams["text.color"], linewidth=0.8)
    axes.axvline(0, color=mpl.rcParams["text.color"], linewidth=0.8)
    axes.plot([across for across, _ in pairs], [gain for _, gain in pairs], color=_COLOUR, marker="o", linestyle="none", alpha=0.6)
    across, upwards = (ratio(each) if each else "not known" for each in (mean, correlation))
    axes.set_title(f"mean cosine {across}\nrank correlation with the gain {upwards}", loc="left")
