"""The picture of what gates judge: for each of them the share of the figures above a limit, over the limit."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ttt_ros.evaluation.plots import LIGHT, png, style

_COLOUR = "#0072b2"
_LIMIT = "#d55e00"


def drawn(gates: Sequence[tuple[str, float, Sequence[float]]]) -> bytes:
    """A PNG file with a panel for each gate: its name, its limit (0 for none) and its figures, at least one."""
    with mpl.rc_context(style(LIGHT)):
        figure = Figure(figsize=(3.6 * len(gates), 3.2))
        panels = np.atleast_1d(figure.subplots(1, len(gates), sharey=True))
        for axes, (name, limit, values) in zip(panels, gates, strict=True):
            ordered = np.sort(np.asarray(values))
            axes.step(ordered, 1.0 - np.arange(len(ordered)) / len(ordered), where="pre", color=_COLOUR)
            if limit:
                axes.axvline(limit, color=_LIMIT, linewidth=1.2)
                axes.annotate("limit", (limit, 1.0), xytext=(3, -2), textcoords="offset points", color=_LIMIT, va="top")
            axes.set(xscale="log", yscale="log", xlabel=name)
        panels[0].set_ylabel("share at or above")
        return png(figure)
