"""Writing the findings as poison.html, which needs no other file, and the plot and the patch as PNG files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ttt_ros.evaluation.deployments.statistics import DRAWS, FEWEST_SEEDS
from ttt_ros.evaluation.deployments.targets import points
from ttt_ros.evaluation.plots import DARK, LIGHT
from ttt_ros.evaluation.poison import plots
from ttt_ros.evaluation.poison.defences import GUARDED
from ttt_ros.evaluation.poison.findings import PoisonFindings
from ttt_ros.evaluation.web_page import templates
from ttt_ros.evaluation.whole_file import write_whole

_ENLARGED = 8


def write_page(findings: PoisonFindings, out: Path, *, patch: NDArray[np.uint8]) -> None:
    """Writes ``poison.html``, ``poison.png`` and ``patch.png`` into ``out``.

    Args:
        patch: RGB (side, side, 3).

    Raises:
        RecordingError: the folder cannot be written.
    """
    light, dark, printed = plots.drawn(findings, theme=LIGHT), plots.drawn(findings, theme=DARK), _picture(patch)
    page = (
        templates()
        .get_template("poison.html")
        .render(
            findings=findings,
            held=sum(verdict.holds is True for verdict in findings.verdicts),
            judged=sum(verdict.holds is not None for verdict in findings.verdicts),
            points=points,
            draws=DRAWS,
            fewest_seeds=FEWEST_SEEDS,
            light=light,
            dark=dark,
            patch=printed,
            side=len(patch),
        )
    )
    write_whole(out / "poison.png", light)
    write_whole(out / "patch.png", printed)
    write_whole(out / "poison.html", page)


def table(findings: PoisonFindings) -> str:
    """Success in % by attack and line of defence as a Markdown table, with what all defences gain over the frozen policy."""
    head = ["attack", "robots", *findings.labels.values(), "against frozen", "noise floor"]
    rows = [
        [
            attack.label,
            str(attack.robots),
            *(f"{100 * attack.success[name].value:.1f}" for name in findings.labels),
            *(points(each) if each else "" for each in (attack.against_frozen.get(GUARDED), attack.noise_floor)),
        ]
        for attack in findings.attacks
    ]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _picture(patch: NDArray[np.uint8]) -> bytes:
    enlarged = patch.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(enlarged, cv2.COLOR_RGB2BGR))
    return bytes(encoded)
