"""What one arm did under one shift, as a file of JSON lines: what was run, then one line per episode.

A figure that could not be computed is None, never NaN.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.run_record import Count
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 1
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class EpisodeOutcome:
    """One episode.

    Attributes:
        task: its name.
        seed: of the layout.
        success: whether the environment said so within the step limit.
        steps: environment steps.
        loss: mean prediction loss of the windows, each before it was learned from; None without adaptation.
        drift: of the fast weights from the base at the end, relative; 0 without adaptation.
        windows: how many were offered to the learner.
        committed: how many of them led to new weights.
    """

    task: str
    seed: Count
    success: bool
    steps: Count
    loss: float | None
    drift: Annotated[float, Field(ge=0)]
    windows: Count
    committed: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Run:
    """The episodes of one arm under one shift, in order.

    Attributes:
        arm: its name.
        condition: name of the shift.
        facts: everything that the episodes follow from, as plain JSON values; runs with the same facts are the same run.
        outcomes: the episodes.
    """

    arm: str
    condition: str
    facts: dict[str, Any]
    outcomes: tuple[EpisodeOutcome, ...] = ()


def path_of(directory: Path, *, condition: str, arm: str) -> Path:
    """Where a run is kept."""
    return directory / condition / f"{arm}.jsonl"


def write_run(path: Path, run: Run) -> None:
    """Writes ``run``; the file appears whole or not at all.

    Raises:
        RecordingError: a figure is NaN or infinite, or the file cannot be written.
    """
    header = {"schema": SCHEMA, "arm": run.arm, "condition": run.condition, "facts": run.facts}
    try:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in (header, *map(asdict, run.outcomes)))
    except ValueError:
        raise RecordingError(f"a figure for {path} is NaN or infinite; a figure that could not be computed must be None") from None
    write_whole(path, text)


def read_matching(path: Path, *, facts: dict[str, Any]) -> Run | None:
    """The run at ``path`` if it is there, whole, and of these facts; otherwise it has to be run again."""
    try:
        header, *outcomes = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        if header.pop("schema") != SCHEMA or header["facts"] != facts:
            return None
        return configuration.validated(Run, {**header, "outcomes": outcomes}, source=str(path))
    except (OSError, ValueError, KeyError, AttributeError, ConfigurationError):
        return None
