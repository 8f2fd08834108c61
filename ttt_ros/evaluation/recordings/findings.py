"""The figures of an evaluation on recorded demonstrations, as a JSON file and as a table."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ttt_ros.configuration import strict
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.intervals import Estimate
from ttt_ros.evaluation.recordings.configuration import RecordingsConfig
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 1
"""Version of the layout of the file; raised when a field is added, removed or changes its meaning."""

PREDICTION = "next observation"


@strict
@dataclass(frozen=True, kw_only=True)
class Figure:
    """One error of the arms in one condition.

    Attributes:
        frozen, adapting: means over the frames.
        change: of the adapting arm against the frozen one, relative; below 0 is better.
        flipped_change: of the arm whose every step goes the wrong way, likewise.
    """

    frozen: Estimate
    adapting: Estimate
    change: Estimate
    flipped_change: Estimate


@strict
@dataclass(frozen=True, kw_only=True)
class Condition:
    """All figures in one condition.

    Attributes:
        name: of the corruption; ``clean``, or ``corrupted`` for the mean over all corruptions, frame by frame.
        figures: PREDICTION (squared error in units of the variance in training, summed over the objectives) and, by title, each joint
            group's mean absolute action error.
        no_change: the prediction error of always predicting that nothing changes.
        windows, committed, drift: of the adapting arm; the means over the conditions for ``corrupted``.
    """

    name: str
    figures: Mapping[str, Figure]
    no_change: Estimate
    windows: float
    committed: float
    drift: float


@strict
@dataclass(frozen=True, kw_only=True)
class Findings:
    """The whole evaluation.

    Attributes:
        dataset: name of its folder.
        checksum: of the policy.
        frames: observations in the stream.
        blocks: of neighbouring frames, which the intervals rest on.
        config: what was asked for.
        conditions: clean, the mean over the corruptions, and each corruption.
    """

    dataset: str
    checksum: str
    frames: int
    blocks: int
    config: RecordingsConfig
    conditions: tuple[Condition, ...]


def write_findings(findings: Findings, path: Path) -> None:
    """Writes ``findings`` as JSON; the file appears whole or not at all.

    Raises:
        RecordingError: a figure is not finite, or the file cannot be written.
    """
    try:
        text = json.dumps({"schema": SCHEMA, **asdict(findings)}, indent=1, allow_nan=False)
    except ValueError:
        raise RecordingError(f"a figure for {path} is not finite: the policy's predictions or actions diverged") from None
    write_whole(path, text)


def table(findings: Findings) -> str:
    """The figures as a Markdown table, a row for each condition; bold where the interval of the change excludes 0."""
    titles = list(findings.conditions[0].figures)
    lines = [
        "| camera | " + " | ".join(f"{title}: frozen | adapting | change, %" for title in titles) + " |",
        "|---" * (1 + 3 * len(titles)) + "|",
    ]
    for condition in findings.conditions:
        cells = [cell for title in titles for cell in _cells(condition.figures[title])]
        lines.append(f"| {condition.name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cells(figure: Figure) -> tuple[str, str, str]:
    change = percent(figure.change)
    return f"{figure.frozen.value:.3g}", f"{figure.adapting.value:.3g}", f"**{change}**" if figure.change.excludes_zero else change


def percent(change: Estimate) -> str:
    """A relative change with its interval, in per cent."""
    return f"{100 * change.value:+.1f} ({100 * change.lower:+.1f} to {100 * change.upper:+.1f})"
