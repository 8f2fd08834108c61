"""An evaluation on bags as one page that needs no other file: the verdict first, then figures, plots, the input and the hashes."""

from collections.abc import Callable, Mapping

from ttt_ros.evaluation.bags.figures import ArmFigures, Estimate, Outcome, Spread
from ttt_ros.evaluation.bags.plots import MOST_BAGS
from ttt_ros.evaluation.bags.policy_causes import percent
from ttt_ros.evaluation.bags.results import Results
from ttt_ros.evaluation.bags.statistics import FEWEST_BLOCKS
from ttt_ros.evaluation.intervals import DRAWS
from ttt_ros.evaluation.web_page import templates

_MILLISECONDS = 1000

CAPTIONS = {
    "differences": "Paired: the same windows and chunks of the same bags. Where the mark lies in the band, or its bar crosses it, "
    "the arm cannot be told from the frozen one.",
    "loss_by_tenth": "Each window is scored before it is trained on, so this is a prediction error. A falling loss is not success.",
    "action_error": "Against what the robot was told, averaged over the joints. These intervals hold how parts of the bags differ; "
    "the paired differences above do not.",
    "joints": "The bar is the error of keeping the command in force: what any policy must beat.",
}
_OVER_TIME = "Bag {}: running means over 5 % of the run."

_ORDER = (False, True, None)  # what failed comes first

Cell = Callable[[ArmFigures], str]


def rendered(results: Results, *, light: Mapping[str, bytes], dark: Mapping[str, bytes]) -> str:
    """The page as HTML, with plots by name for light and dark screens."""
    findings = results.findings
    return (
        templates()
        .get_template("bags.html")
        .render(
            results=results,
            findings=findings,
            labels=findings.labels,
            lines=sorted(results.verdict.lines, key=lambda line: _ORDER.index(line.passed)),
            draws=DRAWS,
            fewest_blocks=FEWEST_BLOCKS,
            most_bags=MOST_BAGS,
            arm_rows=arm_rows(findings.whole),
            change_rows=_change_rows(findings.whole),
            percent=_percent,
            captions={name: CAPTIONS.get(name, _OVER_TIME.format(name.removeprefix("over_time_"))) for name in light},
            light=light,
            dark=dark,
        )
    )


def arm_rows(outcome: Outcome) -> list[tuple[str, list[str]]]:
    """What the main table says of every arm: a name, and a cell for each arm."""
    rows: list[tuple[str, Cell]] = [
        ("Prediction loss before each update", lambda arm: _figure(arm.loss)),
        ("Action error, mean absolute [rad or m]", lambda arm: _figure(arm.action.error if arm.action else None)),
        ("Action error, root mean square [rad or m]", lambda arm: _figure(arm.action.root_mean_square if arm.action else None)),
        ("Action error against holding still", lambda arm: _percent(arm.action.against_held if arm.action else None)),
        ("Seam jump, median / 95 % [rad or m]", lambda arm: _spread(arm.seam)),
        ("Roughness, median / 95 %", lambda arm: _spread(arm.roughness)),
        ("Windows, of them committed", lambda arm: f"{arm.adapting.windows}, {_share(arm.adapting.committed)}"),
        ("Transitions, of them trimmed", lambda arm: f"{arm.adapting.samples}, {arm.adapting.trimmed}"),
        ("Drift, last / greatest", lambda arm: f"{_number(arm.adapting.drift_last)} / {_number(arm.adapting.drift_greatest)}"),
        ("Gradient norm, median / greatest", lambda arm: _greatest(arm.adapting.gradient_norm)),
        ("Length of committed updates, median / greatest", lambda arm: _greatest(arm.adapting.update_norm)),
        ("Change of an action on the probes, greatest [rad]", lambda arm: _number(arm.adapting.action_deviation)),
        ("Ticks in hold, changes of mode", lambda arm: f"{_share(arm.modes.held)}, {arm.modes.changes}"),
        ("Time for each inference, median / 95 % [ms]", lambda arm: _spread(arm.inference_seconds, scale=_MILLISECONDS)),
        ("Time for each window, median / 95 % [ms]", lambda arm: _spread(arm.update_seconds, scale=_MILLISECONDS)),
    ]
    return [(name, [cell(arm) for arm in outcome.arms.values()]) for name, cell in rows]


def _change_rows(whole: Outcome) -> list[tuple[str, str, str]]:
    """Arm, change of the loss, change of the action error."""
    return [(arm, _percent(change.loss), _percent(change.action)) for arm, change in whole.changes.items()]


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if estimate.lower is None or estimate.upper is None:
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3g} ({estimate.lower:.3g} to {estimate.upper:.3g})"


def _percent(estimate: Estimate | None) -> str:
    return "" if estimate is None else percent(estimate)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _spread(spread: Spread | None, *, scale: float = 1.0) -> str:
    return "" if spread is None else f"{scale * spread.median:.3g} / {scale * spread.p95:.3g}"


def _greatest(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.3g} / {spread.greatest:.3g}"
