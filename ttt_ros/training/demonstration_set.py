"""Reading recorded demonstrations back, as pairs of frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ttt_ros.errors import RecordingError
from ttt_ros.policies.vocabulary import Vocabulary

Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrameBatch:
    """Frames of demonstrations.

    Attributes:
        images: uint8, shape (batch, cameras, height, width, 3).
        positions: measured joint positions, float32, rad, shape (batch, joints).
        words: word indices of the instructions, int64, shape (batch, words).
        commands: the expert's next commands, float32, rad, shape (batch, horizon, joints).
        executed: what was commanded instead, with noise; like ``commands``.
        landmarks: privileged facts for training alone, float32, shape (batch, landmarks); in the simulation x and y of the named cube and
            of the mark, m; of other origins there are none.
    """

    images: Tensor
    positions: Tensor
    words: Tensor
    commands: Tensor
    executed: Tensor
    landmarks: Tensor


@dataclass(frozen=True, kw_only=True)
class History:
    """What a robot did before each frame of a batch: its transitions from one chunk to the next, oldest first.

    It reaches back over the demonstrations before, in the order in which they were recorded. Where it is shorter than ``length``, it begins
    with transitions of 0 steps.

    Attributes:
        positions: before each transition, float32, shape (batch, length, joints).
        executed: float32, shape (batch, length, horizon, joints).
        next_positions: like ``positions``.
        steps: control steps from the one to the other, int64, shape (batch, length).
    """

    positions: Tensor
    executed: Tensor
    next_positions: Tensor
    steps: Tensor


_FRAME_COLUMNS = tuple(field.name for field in fields(FrameBatch))


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """Pairs of frames of one demonstration, ``steps`` control steps apart (int64, shape (batch,)).

    Attributes:
        history: before all frames, in the order of ``frames()``; None if it was not asked for.
    """

    before: FrameBatch
    after: FrameBatch
    steps: Tensor
    history: History | None = None

    def frames(self) -> FrameBatch:
        """All frames: those before, then those after."""
        return FrameBatch(**{name: torch.cat([getattr(self.before, name), getattr(self.after, name)]) for name in _FRAME_COLUMNS})


class DemonstrationSet:
    """All frames of some shards; the files stay mapped, so that the images need not fit into memory at once."""

    def __init__(
        self, paths: Sequence[Path], *, instructions: Sequence[str], vocabulary: Vocabulary, instruction_length: int, frame_interval: int
    ) -> None:
        """Opens the shards at ``paths``.

        Args:
            paths: safetensors files with the columns of ``FrameBatch``, but ``instruction`` (int64) in place of the words, and with
                ``goal`` (int64), different for each demonstration.
            instructions: what ``instruction`` counts.
            vocabulary: of the policy.
            instruction_length: words that the policy reads.
            frame_interval: control steps from one frame to the next.

        Raises:
            RecordingError: a shard cannot be read, or there is no frame at all.
        """
        self._shards = [_loaded(path) for path in paths]
        self._words = torch.tensor([vocabulary.encode(text, length=instruction_length) for text in instructions])
        self._index = np.array([(shard, row) for shard, frames in enumerate(self._shards) for row in range(len(frames["goal"]))])
        if len(self._index) == 0:
            raise RecordingError(f"the {len(paths)} shards hold no frame; record more episodes")
        goals = np.concatenate([frames["goal"].numpy() for frames in self._shards])
        self._frame_interval = frame_interval
        # What one chunk of executed commands spans.
        self._longest_gap = self._shards[0]["executed"].shape[1] // frame_interval
        self._frames_left = _frames_left(goals)
        self._frames_before = _frames_left(goals[::-1])[::-1]
        self._with_successor = np.flatnonzero(self._frames_left)
        if len(self._with_successor) == 0:
            raise RecordingError("no demonstration has two frames; record more episodes")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._index)

    def column(self, name: str) -> Tensor:
        """One small column of all frames: ``positions``, ``commands``, ``executed`` or ``landmarks``."""
        return torch.cat([frames[name] for frames in self._shards])

    def pairs(self, count: int, generator: np.random.Generator, *, history: int = 0) -> PairBatch:
        """Draws ``count`` pairs with a gap of one frame up to the horizon, each frame with up to ``history`` transitions before it."""
        first = generator.choice(self._with_successor, size=count)
        gap = 1 + np.floor(generator.random(count) * np.minimum(self._frames_left[first], self._longest_gap)).astype(np.int64)
        steps = torch.from_numpy(gap * self._frame_interval)
        return PairBatch(
            before=self._frames(first),
            after=self._frames(first + gap),
            steps=steps,
            history=self._history(np.concatenate([first, first + gap]), history, generator) if history else None,
        )

    def batches(self, size: int, *, every: int = 1) -> Iterator[FrameBatch]:
        """All frames in order, or one in ``every``, ``size`` at a time."""
        chosen = np.arange(0, len(self), every)
        for first in range(0, len(chosen), size):
            yield self._frames(chosen[first : first + size])

    @cached_property
    def _positions(self) -> Tensor:
        return self.column("positions")

    @cached_property
    def _executed(self) -> Tensor:
        return self.column("executed")

    def _history(self, numbers: Numbers, length: int, generator: np.random.Generator) -> History:
        """Of each frame, as long as drawn, so that a memory learns its beginning too."""
        gap = self._longest_gap
        lengths = generator.integers(0, length + 1, size=len(numbers))
        befores, afters = [], []
        for step in range(length):
            # The frames before the first chunk of a demonstration are none: go on from the end of the demonstration before.
            jump = self._frames_before[numbers] < gap
            numbers = np.where(jump, numbers - self._frames_before[numbers] - 1, numbers)
            seen = (numbers >= 0) & (step < lengths)
            seen &= self._frames_before[np.maximum(numbers, 0)] >= gap
            numbers = np.where(seen, numbers, 0)
            befores.append(np.where(seen, numbers - gap, 0))
            afters.append(numbers)
            numbers = befores[-1]
        before, after = (torch.from_numpy(np.stack(each[::-1], axis=1)) for each in (befores, afters))
        return History(
            positions=self._positions[before],
            executed=self._executed[before],
            next_positions=self._positions[after],
            steps=(after - before) * self._frame_interval,
        )

    def _frames(self, numbers: Numbers) -> FrameBatch:
        rows = [(self._shards[shard], row) for shard, row in self._index[numbers]]

        def stacked(name: str) -> Tensor:
            return torch.stack([frames[name][row] for frames, row in rows])

        return FrameBatch(
            images=stacked("images"),
            positions=stacked("positions"),
            words=self._words[stacked("instruction")],
            commands=stacked("commands"),
            executed=stacked("executed"),
            landmarks=stacked("landmarks"),
        )


def _loaded(path: Path) -> Mapping[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise RecordingError(f"the shard {path} cannot be read ({error}); delete it and record again") from None


def _frames_left(goals: Numbers) -> Numbers:
    """How many frames of the same goal follow each frame."""
    own = np.arange(len(goals))
    last: Numbers = np.append(np.flatnonzero(np.diff(goals)), len(goals) - 1)
    left: Numbers = last[np.searchsorted(last, own)] - own
    return left
