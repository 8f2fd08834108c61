"""Writing a demonstration as report.html, which needs no other file, report.json with every figure, and the plots as PNG files."""

from pathlib import Path

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation import plots
from ttt_ros.evaluation.demo_report import DemoReport
from ttt_ros.evaluation.json_file import write_json
from ttt_ros.evaluation.overview import overview
from ttt_ros.evaluation.run_record import Arm, Goal, Picture
from ttt_ros.evaluation.summary import ArmSummary, Successes, Thirds
from ttt_ros.evaluation.web_page import templates

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

OVERVIEW = "overview.png"
"""File with the pictures and the plots that tell the story, for a README."""

CAPTIONS = {
    "success": "Success is judged by the physics state, not by the policy.",
    "distance": "Between the fingertip and the middle of the named cube, horizontally, once the arm has come to rest.",
    "prediction_loss": "Each window is scored before it is trained on, so this is a prediction error. A falling loss is not success.",
    "gradient_norm": "The norm that the safeguard sees. Larger gradients are clipped, far larger ones are rejected.",
    "drift": "How far the fast weights have moved, relative to the size of the base weights.",
    "mode": "From best to worst: adapting, frozen, base, hold, stop.",
    "latency": "Left: time to encode an observation and compute a chunk. Right: how late the control loop sent its commands.",
}


def write_report(report: DemoReport, directory: Path) -> None:
    """Writes ``report.json``, ``plots/*.png``, OVERVIEW and ``report.html`` into ``directory``, which is made if missing.

    The JSON comes first, so that the figures are kept even if a picture cannot be read.

    Raises:
        RecordingError: a figure is NaN, a camera picture is missing or no PNG, or the folder cannot be written.
    """
    try:
        (directory / "plots").mkdir(parents=True, exist_ok=True)
        write_json(directory / "report.json", report)
        pictures = {run.arm: [(picture, _camera_picture(picture, directory)) for picture in run.pictures] for run in report.arms}
        light = plots.drawn(runs=report.arms, limits=report.limits, theme=plots.LIGHT)
        dark = plots.drawn(runs=report.arms, limits=report.limits, theme=plots.DARK)
        for name, png in light.items():
            (directory / "plots" / f"{name}.png").write_bytes(png)
        (directory / OVERVIEW).write_bytes(overview(runs=report.arms, limits=report.limits, pictures=pictures))
        html = rendered(report, light=light, dark=dark, pictures=pictures)
        (directory / "report.html").write_text(html, encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"cannot write the report into {directory}: {error.strerror}; choose a folder that can be written") from None


def rendered(
    report: DemoReport, *, light: dict[str, bytes], dark: dict[str, bytes], pictures: dict[Arm, list[tuple[Picture, bytes]]]
) -> str:
    """The page as HTML: plots by name for light and dark screens, and camera pictures by arm, all as PNG files."""
    return (
        templates()
        .get_template("report.html")
        .render(
            report=report,
            same_seed=len({run.seed for run in report.arms}) == 1,
            shifts=list(dict.fromkeys(run.shift for run in report.arms if run.shift)),
            summary_rows=_summary_rows(report.summary),
            goal_rows=_goal_rows(report),
            captions=CAPTIONS,
            light=light,
            dark=dark,
            pictures=pictures,
        )
    )


def _summary_rows(summary: tuple[ArmSummary, ...]) -> list[tuple[str, list[str]]]:
    return [
        ("Goals met before the shift", [_successes(arm.success_before) for arm in summary]),
        ("the same by thirds", [_by_thirds(arm.thirds_before) for arm in summary]),
        ("Goals met after the shift", [_successes(arm.success_after) for arm in summary]),
        ("the same by thirds", [_by_thirds(arm.thirds_after) for arm in summary]),
        ("Distance from the cube before the shift, median", [_centimetres(arm.distance_before) for arm in summary]),
        ("Distance from the cube after the shift, median", [_centimetres(arm.distance_after) for arm in summary]),
        ("Prediction loss before the shift, median", [_number(arm.prediction_loss_before) for arm in summary]),
        ("Prediction loss after the shift, median", [_number(arm.prediction_loss_after) for arm in summary]),
        ("Largest drift from the base, relative", [_number(arm.drift_max) for arm in summary]),
        ("Inference time, p50 / p99", [_milliseconds(arm.inference_p50, arm.inference_p99) for arm in summary]),
        ("Lateness of a control tick, p50 / p99", [_milliseconds(arm.lateness_p50, arm.lateness_p99) for arm in summary]),
        ("Updates committed / rejected", [f"{arm.windows_committed} / {arm.windows_rejected}" for arm in summary]),
        ("Control ticks without a step to play", [str(arm.underruns) for arm in summary]),
    ]


def _goal_rows(report: DemoReport) -> list[tuple[int, str, list[str]]]:
    by_arm = [{goal.index: goal for goal in run.goals} for run in report.arms]
    instructions = {goal.index: goal.instruction for run in report.arms for goal in run.goals}
    return [(index, instruction, [_outcome(goals.get(index)) for goals in by_arm]) for index, instruction in sorted(instructions.items())]


def _outcome(goal: Goal | None) -> str:
    if goal is None:
        return "not reached"
    outcome = "met" if goal.succeeded else "missed"
    return f"{outcome}, did not come to rest" if goal.distance is None else f"{outcome}, {_centimetres(goal.distance)} off"


def _successes(successes: Successes) -> str:
    return f"{successes.succeeded} of {successes.goals}" if successes.goals else "no goal"


def _by_thirds(thirds: Thirds) -> str:
    return ", ".join(_successes(third) for third in thirds)


def _centimetres(value: float | None) -> str:
    return "not recorded" if value is None else f"{100 * value:.1f} cm"


def _number(value: float | None) -> str:
    return "not recorded" if value is None else f"{value:.3g}"


def _milliseconds(median: float | None, tail: float | None) -> str:
    return "not recorded" if median is None or tail is None else f"{1000 * median:.1f} / {1000 * tail:.1f} ms"


def _camera_picture(picture: Picture, directory: Path) -> bytes:
    path = directory / picture.path
    try:
        png = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"cannot read the camera picture {path}: {error.strerror}; take it out of the record or put it back") from None
    if not png.startswith(_PNG_SIGNATURE):
        raise RecordingError(f"the camera picture {path} is no PNG file; store camera pictures as PNG")
    return png
