"""What one deployment under one attack recorded, as one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros import configuration
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.run_record import Count
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 2
"""Version of the layout of the files; raised when a field is added, removed or changes its meaning."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Header:
    """What was run: two deployments with the same header are the same deployment.

    Attributes:
        attack: its name.
        share: of the goals that were poisoned.
        defence: name of the line of defence.
        policy: checksum of the policy.
        adaptation: how the fast weights adapted; None: not at all.
        safeguard: checksum of the safeguard's configuration; empty without one.
        patch: checksum of the printed patch.
        repetition: of the same robot, layouts and goals, with other sensor noise.
        condition: name of the condition that the robot was drawn under.
        seed: of the robot, the layouts, the goals and the attack.
        foreign_seed: of the robot whose streams are swapped in.
        goals: how many.
        probes: observations that the final weights were tried on.
    """

    attack: str
    share: float
    defence: str
    policy: str
    adaptation: AdaptationConfig | None
    safeguard: str
    patch: str
    repetition: Count
    condition: str
    seed: Count
    foreign_seed: Count
    goals: Count
    probes: Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal.

    Attributes:
        success: whether the fingertip ended within the tolerance, by the physics state.
        distance: from the cube at the end of the pointing chunk, m; None if that is not finite.
        poisoned: whether the attacker changed what was observed.
        committed: whether the fast weights changed.
        reason: why not, where a window was worked on.
    """

    success: bool
    distance: Annotated[float, Field(ge=0)] | None
    poisoned: bool
    committed: bool
    reason: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class PoisonRecord:
    """One deployment.

    Attributes:
        header: what was run.
        goals: each goal in order.
        actions: of the final weights on the clean probes, the last position of each chunk, rad: (probes, joints).
        base_actions: the base policy's on the same.
        modes: windows worked on in each mode of the safeguard; empty without one.
    """

    header: Header
    goals: tuple[Goal, ...]
    actions: tuple[tuple[float, ...], ...]
    base_actions: tuple[tuple[float, ...], ...]
    modes: Mapping[str, Count]

    @property
    def successes(self) -> NDArray[np.float64]:
        """Of each goal, float64 (goals,)."""
        return np.array([goal.success for goal in self.goals], dtype=np.float64)


def path_of(header: Header, directory: Path) -> Path:
    """Where the record of a deployment lies below ``directory``."""
    return directory / header.attack / header.defence / f"{header.seed}.json"


def write_record(path: Path, record: PoisonRecord) -> None:
    """Writes ``record``; the file appears whole or not at all.

    Raises:
        RecordingError: a figure is NaN or infinite, or the file cannot be written.
    """
    try:
        text = json.dumps({"schema": SCHEMA, **asdict(record)}, allow_nan=False)
    except ValueError:
        raise RecordingError(f"a figure for {path} is NaN or infinite; a figure that could not be computed must be None") from None
    write_whole(path, text + "\n")


def read_matching(path: Path, header: Header) -> PoisonRecord | None:
    """The record at ``path`` if it is there, whole, and of just this deployment; otherwise it has to be run again."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("schema", None) != SCHEMA:
            return None
        record = configuration.validated(PoisonRecord, values, source=str(path))
    except (OSError, ValueError, AttributeError, ConfigurationError):
        return None
    return record if record.header == header and len(record.goals) == header.goals else None
