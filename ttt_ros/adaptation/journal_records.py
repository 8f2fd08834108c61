"""What the records of a journal hold, checked when one is read: a journal may come from anywhere, and its checksum is no signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from ttt_ros.adaptation.machine import Machine
from ttt_ros.adaptation.sketch import SIZE
from ttt_ros.errors import JournalError

Count = Annotated[int, Field(ge=0, lt=2**63)]
Stamp = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Figure = float | Literal["NaN", "Infinity", "-Infinity"]

_exact = with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))


@_exact
@dataclass(frozen=True, kw_only=True)
class _Machine(Machine):
    """As ``Machine``, and nothing beside it."""


@_exact
@dataclass(frozen=True, kw_only=True)
class _Origin:
    stamp: Stamp
    instruction: str
    sources: Mapping[str, tuple[Stamp, str]]


@_exact
@dataclass(frozen=True, kw_only=True)
class _Sample:
    number: Count
    before: _Origin | None
    after: _Origin | None
    executed: str
    shape: tuple[Count, Count]
    steps: Count


@_exact
@dataclass(frozen=True, kw_only=True)
class _Start:
    kind: str
    format: int
    configuration: Mapping[str, Any]
    base_checksum: str
    version: Count
    checksum: str
    seed: int
    package_version: str
    inference_threads: Annotated[int, Field(ge=1, le=1024)]
    machine: _Machine


@_exact
@dataclass(frozen=True, kw_only=True)
class _Window:
    kind: str
    window_sequence: Count
    epoch: Count
    configuration: Count
    stamps: tuple[Stamp, ...]
    samples: Count
    version_before: Count | None
    checksum_before: str
    trimmed: Count | None
    implausible: Count | None
    prediction_loss: Figure | None
    loss_after: Figure | None
    gradient_norm: Figure | None
    update_norm: Figure
    action_deviation: Figure | None
    committed: bool
    withheld: bool
    reason: str
    version: Count
    checksum: str
    drift_total: Figure
    drift_per_module: Mapping[str, Figure]
    duration: Figure
    queue_depth: Count
    dropped_windows: Count
    permitted: bool
    first: Count
    fresh: Count
    new: tuple[_Sample, ...]
    sketch: Annotated[tuple[Figure, ...], Field(max_length=SIZE)]


@_exact
@dataclass(frozen=True, kw_only=True)
class _Configuration:
    kind: str
    configuration: Mapping[str, Any]


@_exact
@dataclass(frozen=True, kw_only=True)
class _Return:
    kind: str
    epoch: Count
    version: Count
    checksum: str


_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "start": TypeAdapter(_Start),
    "window": TypeAdapter(_Window),
    "configuration": TypeAdapter(_Configuration),
    "reset": TypeAdapter(_Return),
    "rollback": TypeAdapter(_Return),
}


def check_record(record: Mapping[str, Any], text: bytes, *, where: str) -> None:
    """Checks a ``record`` and the JSON ``text`` that it was read from.

    Raises:
        JournalError: its kind is unknown, or a field is missing, unknown, of another type or out of range.
    """
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise JournalError(f"{where} is of kind {kind!r:.60}, but this release knows {', '.join(_KINDS)}; no journal was written that way")
    try:
        _KINDS[kind].validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise JournalError(
            f"{where}, of kind '{kind}', does not fit: '{field:.200}' = {problem['input']!r:.60}: {problem['msg']}; "
            "no journal was written that way"
        ) from None
