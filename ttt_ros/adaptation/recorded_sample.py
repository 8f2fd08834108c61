"""A transition as the journal holds it: its commands as numbers, and the messages that a recording must hold for the rest."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttt_ros.adaptation.origin import Origin, Passage, Source
from ttt_ros.adaptation.window import Window
from ttt_ros.errors import JournalError

_EXECUTED = np.dtype("<f4")


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedSample:
    """One transition.

    The commands are in the journal and not taken from a recording, because what was commanded may be lost on its way to a recorder.

    Attributes:
        number: among all transitions of the run.
        passage: where it comes from; None if that was not known.
        executed: as in ``Transitions``, float32, (horizon, joints).
        steps: as in ``Transitions``.
    """

    number: int
    passage: Passage | None
    executed: Tensor
    steps: int

    def to_json(self) -> dict[str, Any]:
        """The commands as base64 of little-endian float32, which is shorter than digits and exact."""
        executed = np.ascontiguousarray(self.executed.numpy(), dtype=_EXECUTED)
        return {
            "number": self.number,
            "before": asdict(self.passage.before) if self.passage else None,
            "after": asdict(self.passage.after) if self.passage else None,
            "executed": base64.b64encode(executed.tobytes()).decode(),
            "shape": list(executed.shape),
            "steps": self.steps,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RecordedSample":
        """What ``to_json`` gave.

        Raises:
            JournalError: a field is missing or of another type, or they do not fit each other.
        """
        try:
            (rows, columns), raw = values["shape"], base64.b64decode(values["executed"], validate=True)
            before, after = (None if values[end] is None else _origin(values[end]) for end in ("before", "after"))
            number, steps = values["number"], values["steps"]
            fits = len(raw) == rows * columns * _EXECUTED.itemsize and 1 <= steps <= rows and (before is None) == (after is None)
        # Everything: a journal is anybody's, and each of these steps has errors of its own for what it does not expect.
        except Exception as error:
            raise JournalError(f"a journal holds a transition that cannot be read ({type(error).__name__}: {error})") from None
        if not fits:
            raise JournalError(
                f"transition {number} of a journal has {len(raw)} bytes of commands for {rows} steps of {columns} joints, {steps} of them "
                "executed, or only one of its two observations; no journal was written that way"
            )
        return cls(
            number=number,
            passage=None if before is None or after is None else Passage(before, after),
            executed=torch.from_numpy(np.frombuffer(raw, dtype=_EXECUTED).reshape(rows, columns).astype(np.float32)),
            steps=steps,
        )


def samples_from(window: Window, *, first: int) -> list[RecordedSample]:
    """Those of the window whose number is at least ``first``."""
    executed, steps = window.transitions.executed.cpu(), window.transitions.steps.tolist()
    return [
        RecordedSample(
            number=window.first + place,
            passage=window.passages[place] if window.passages else None,
            executed=executed[place],
            steps=steps[place],
        )
        for place in range(max(first - window.first, 0), len(window.transitions))
    ]


def _origin(values: Mapping[str, Any]) -> Origin:
    sources = {name: Source(*source) for name, source in values["sources"].items()}
    return Origin(stamp=values["stamp"], instruction=values["instruction"], sources=sources)
