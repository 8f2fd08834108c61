"""A calibration as one page that needs no other file."""

from collections.abc import Mapping

from ttt_ros.evaluation.calibration.findings import Findings, RuleFindings
from ttt_ros.evaluation.calibration.levels import NOT_FINITE
from ttt_ros.evaluation.calibration.plots import named
from ttt_ros.evaluation.calibration.poisson import Rate
from ttt_ros.evaluation.web_page import templates
from ttt_ros.safeguard.signals import signal_named

CAPTIONS = {
    "levels": "A dot is a run. Right of the line the rule would have tripped in it. Only rules that these runs can say anything about; "
    "what lies outside is drawn at the ends of the axis.",
}


def rendered(findings: Findings, *, light: Mapping[str, bytes], dark: Mapping[str, bytes]) -> str:
    """The page as HTML, with plots by name for light and dark screens."""
    return (
        templates()
        .get_template("calibration.html")
        .render(
            findings=findings,
            verdict=verdict(findings),
            judged=[_row(rule) for rule in findings.rules if rule.judged == "judged"],
            others=[_row(rule) for rule in findings.rules if rule.judged != "judged"],
            shipped=in_words(findings.shipped),
            proposed=in_words(findings.proposed),
            captions=CAPTIONS,
            light=light,
            dark=dark,
        )
    )


def verdict(findings: Findings) -> str:
    """The result in one sentence."""
    if not findings.holds:
        kept = "do not keep to"
    elif findings.shipped.upper <= findings.stated:
        kept = "keep to"
    else:
        kept = "were not seen to exceed, in too few hours to be sure,"
    return f"The shipped limits {kept} {findings.stated:g} false alarms per hour: {in_words(findings.shipped)}."


def in_words(rate: Rate) -> str:
    """A rate with its interval."""
    alarms = "alarm" if rate.count == 1 else "alarms"
    return (
        f"{rate.count} {alarms} in {rate.hours:.1f} hours of held-out runs, {rate.value:.3g} per hour "
        f"(95 % interval {rate.lower:.3g} to {rate.upper:.3g})"
    )


def _row(rule: RuleFindings) -> dict[str, str]:
    unit = signal_named(rule.shape.signal).unit
    return {
        "rule": named(rule),
        "unit": unit or "1",
        "judged": rule.judged,
        "shipped": f"{rule.shipped:g} / {rule.shipped_clear:g}",
        "proposed": f"{rule.proposed:g} / {rule.proposed_clear:g}",
        "tail": "" if rule.tail is None else f"{rule.tail:+.2f}",
        "calibration": _span(rule.calibration_levels),
        "held_out": _span(rule.held_out_levels),
        "alarms": f"{rule.alarms_shipped} / {rule.alarms_proposed}" if rule.judged == "judged" else "",
    }


def _span(levels: tuple[float, ...]) -> str:
    if not levels:
        return "none"
    least, greatest = (_figure(value) for value in (min(levels), max(levels)))
    return least if least == greatest else f"{least} to {greatest}"


def _figure(value: float) -> str:
    return "not finite" if abs(value) >= NOT_FINITE else f"{value:.3g}"
