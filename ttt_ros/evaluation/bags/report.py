"""Writing an evaluation on bags: results.json, report.html, plots/*.png and signals/BAG; each file appears whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttt_ros.evaluation.bags import plots
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.page import rendered
from ttt_ros.evaluation.bags.records import ArmRecord
from ttt_ros.evaluation.bags.results import results, write_results
from ttt_ros.evaluation.bags.signals import write_signals
from ttt_ros.evaluation.bags.verdict import Verdict
from ttt_ros.evaluation.plots import DARK, LIGHT
from ttt_ros.evaluation.whole_file import write_whole


def write_report(
    findings: Findings,
    verdict: Verdict,
    examinations: Sequence[Examination],
    records: Mapping[str, Sequence[ArmRecord]],
    out: Path,
    *,
    failures: Sequence[str] = (),
) -> None:
    """Writes everything into ``out``, which is made if missing; the figures come first, so that they are kept if a plot cannot be drawn.

    Args:
        findings: the figures.
        verdict: pass or fail, line by line.
        examinations: of the bags.
        records: of the arms, by bag.
        out: the folder.
        failures: bags and arms that could not be evaluated, in words.

    Raises:
        RecordingError: a figure is not finite or does not fit the schema, or the folder cannot be written.
    """
    found = results(findings, verdict, examinations, failures=failures)
    write_results(out / "results.json", found)
    light = plots.drawn(findings, records, theme=LIGHT)
    dark = plots.drawn(findings, records, theme=DARK)
    for name, png in light.items():
        write_whole(out / "plots" / f"{name}.png", png)
    for bag in findings.bags:
        write_signals(out / "signals" / bag.name, records[bag.name])
    write_whole(out / "report.html", rendered(found, light=light, dark=dark))
