"""One picture of a demonstration: what the camera saw, and the plots that tell what came of it."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import imread

from ttt_ros.evaluation import plots
from ttt_ros.evaluation.demo_report import Limits
from ttt_ros.evaluation.run_record import Arm, Picture, RunRecord

_PICTURES_HEIGHT = 1.95  # inches


def overview(*, runs: Sequence[RunRecord], limits: Limits, pictures: Mapping[Arm, Sequence[tuple[Picture, bytes]]]) -> bytes:
    """Draws the pictures of all arms in a row above success, distance and drift over time; returns a PNG file."""
    draw: Sequence[Callable[[Axes], None]] = (
        lambda axes: plots.success(axes, runs),
        lambda axes: plots.distance(axes, runs, limits),
        lambda axes: plots.drift(axes, runs, limits),
    )
    shown = [(f"{arm}\n{picture.moment}", png) for arm, taken in pictures.items() for picture, png in taken]
    with mpl.rc_context(plots.style(plots.LIGHT)):
        figure = Figure(figsize=(plots.WIDTH, _PICTURES_HEIGHT + len(draw) * plots.HEIGHT))
        top, bottom = figure.subfigures(2, 1, height_ratios=(_PICTURES_HEIGHT, len(draw) * plots.HEIGHT))
        _draw_pictures(top, shown)
        for plot, axes in zip(draw, bottom.subplots(len(draw)), strict=True):
            plot(axes)
        return plots.png(figure)


def _draw_pictures(figure: SubFigure, pictures: Sequence[tuple[str, bytes]]) -> None:
    for index, (title, png) in enumerate(pictures):
        axes = figure.add_subplot(1, len(pictures), index + 1)
        axes.imshow(imread(BytesIO(png)), interpolation="nearest")
        axes.set_title(title, fontsize=7, loc="left")
        axes.set_axis_off()
