"""Playing action chunks out at the control rate, with the next chunk asked for early and its seam blended."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import ActionError, ConfigurationError
from ttt_ros.safeguard.clock import NANOSECONDS

Positions = NDArray[np.float64]
"""Joint positions in radians, absolute: (joints,) for one step, (steps, joints) for several."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """One answer of the policy.

    Attributes:
        sequence: of the request that it answers.
        epoch: reset epoch in which it was computed.
        stamp: nanoseconds of the observation; step i is meant for ``stamp`` + i periods.
        positions: float64, (horizon, joints), radians, absolute.
        period: seconds between two steps.
        version: of the fast weights that computed it.
        checksum: of those weights.
        inference_time: seconds that it took.
        base_deviation: see ``Inference``; None where it was not computed.
        feature_deviation: likewise.

    Raises:
        ActionError: the positions are not a finite table.
    """

    sequence: int
    epoch: int
    stamp: int
    positions: Positions
    period: float
    version: int
    checksum: str
    inference_time: float
    base_deviation: float | None = None
    feature_deviation: float | None = None

    def __post_init__(self) -> None:
        if self.positions.ndim != 2 or not np.isfinite(self.positions).all():
            raise ActionError(
                f"chunk {self.sequence}: positions of shape {self.positions.shape} must be finite and (steps, joints); check the policy"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What to command in one control tick: ``position`` (joints,), and which step of which chunk it is."""

    position: Positions
    index: int
    sequence: int
    version: int


@dataclass(frozen=True, kw_only=True)
class Seam:
    """How a chunk was joined on: ``skipped`` steps had elapsed (its latency in control steps), ``blended`` steps were mixed."""

    skipped: int
    blended: int


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a chunk was not scheduled: ``kind`` is the name under which it is counted."""

    kind: str
    reason: str


class ChunkSchedule:
    """Plays one step per control tick and joins each new chunk on to what is still scheduled.

    The next chunk is requested while steps remain, so that inference runs beside the motion (asynchronous inference; real-time
    chunking, arXiv 2506.07339). A new chunk was computed from an older observation, so its steps that have elapsed since are
    skipped. The next steps mix both chunks for the same instant, as in ACT's temporal ensembling (arXiv 2304.13705), here with
    weights that move linearly from the old chunk to the new one: with b blended steps, step i has the weight (i + 1) / (b + 1)
    for the new chunk. Two consecutive commands therefore differ by at most the largest step within either chunk plus
    1 / (b + 1) of the difference between the chunks. Past its last step, the old chunk counts as holding that step.

    In open loop a robot at rest has waited for the chunk: it is played whole, from its first step, and then its last step is held.
    """

    def __init__(self, *, horizon: int, request_at: int, blend_steps: int, open_loop: bool = False) -> None:
        """Sets the sizes, all in control steps.

        Args:
            horizon: length of every chunk.
            request_at: the next chunk is wanted once no more steps than this remain.
            blend_steps: most steps that a seam is spread over; 0 switches over at once.

        Raises:
            ConfigurationError: ``request_at`` or ``blend_steps`` is negative or not less than ``horizon``.
        """
        for name, value in (("request_at", request_at), ("blend_steps", blend_steps)):
            if not 0 <= value < horizon:
                raise ConfigurationError(f"{name} {value} must be at least 0 and less than the chunk's {horizon} steps")
        self._horizon = horizon
        self._request_at = request_at
        self._blend_steps = blend_steps
        self.open_loop = open_loop
        self._sequence = 0
        self._counts: Counter[str] = Counter()
        self.reset(epoch=0)

    def reset(self, *, epoch: int, position: Positions | None = None, finish: bool = False) -> None:
        """Drops all steps and the request; chunks of other epochs are refused from now on.

        Args:
            epoch: the reset epoch that begins.
            position: where the robot stands, so that the first chunk is blended from there; None starts with its own first step.
            finish: keep the steps, so that the movement under way is finished.
        """
        self._epoch = epoch
        self._requested: int | None = None
        self._accepted = self._sequence
        if not finish:
            self._steps: deque[Step] = deque()
            self._last = position
            self._started = False

    @property
    def remaining(self) -> int:
        """Steps still scheduled."""
        return len(self._steps)

    @property
    def needs_next(self) -> bool:
        """Whether the next chunk should be asked for now."""
        return self._requested is None and len(self._steps) <= self._request_at

    @property
    def seam_step(self) -> float:
        """Share of the difference between two chunks by which a seam takes the first step further."""
        return 1.0 / (self._blend_steps + 1)

    @property
    def counts(self) -> dict[str, int]:
        """How often a chunk was "accepted", or refused as "old epoch", "old sequence", "late" or "unsafe", and "underrun" ticks."""
        return dict(self._counts)

    def request(self) -> int:
        """Notes that the next chunk was asked for; returns the sequence number that the chunk must carry."""
        self._sequence += 1
        self._requested = self._sequence
        return self._sequence

    def withdraw_request(self) -> None:
        """Notes that no chunk will answer the request, because there was no observation or inference failed."""
        self._requested = None

    def accept(self, chunk: Chunk, now: int, *, check: Callable[[Positions], None] | None = None) -> Seam | Refusal:
        """Joins ``chunk`` on at ``now`` (nanoseconds), just before the next step is played.

        Args:
            chunk: the answer to a request.
            now: the instant that the next step is meant for.
            check: called with the positions that would be commanded, blended, (steps, joints); raises ActionError to refuse all of them.

        Raises:
            ActionError: the chunk has another length than the horizon, or ``check`` refused it; the schedule plays on without it.
        """
        outdated = self._outdated(chunk)
        if outdated is not None:
            return self._counted(outdated)
        self._requested = None
        self._accepted = chunk.sequence
        if len(chunk.positions) != self._horizon:
            raise ActionError(f"chunk {chunk.sequence} has {len(chunk.positions)} steps instead of {self._horizon}; check the policy")
        skipped = 0 if self.open_loop else _elapsed_steps(chunk, now)
        if skipped >= self._horizon:
            reason = f"chunk {chunk.sequence} came {skipped} steps after its observation and has only {self._horizon}"
            return self._counted(Refusal(kind="late", reason=reason))
        positions, blended = self._blend(chunk.positions[skipped:])
        self._check(positions, check)
        self._steps = deque(
            Step(position=position, index=skipped + offset, sequence=chunk.sequence, version=chunk.version)
            for offset, position in enumerate(positions)
        )
        self._counts["accepted"] += 1
        self._started = True
        return Seam(skipped=skipped, blended=blended)

    def next(self) -> Step | None:
        """The step to command in this control tick, or None: hold the last position, which is an underrun unless in open loop."""
        if not self._steps:
            if self._started and not self.open_loop:
                self._counts["underrun"] += 1
            return None
        step = self._steps.popleft()
        self._last = step.position
        return step

    def _outdated(self, chunk: Chunk) -> Refusal | None:
        if chunk.epoch != self._epoch:
            return Refusal(kind="old epoch", reason=f"chunk {chunk.sequence} is of epoch {chunk.epoch}, now is epoch {self._epoch}")
        if chunk.sequence <= self._accepted:
            return Refusal(kind="old sequence", reason=f"chunk {chunk.sequence} came after chunk {self._accepted}")
        return None

    def _counted(self, refusal: Refusal) -> Refusal:
        self._counts[refusal.kind] += 1
        return refusal

    def _check(self, positions: Positions, check: Callable[[Positions], None] | None) -> None:
        if check is None:
            return
        try:
            check(positions)
        except ActionError:
            self._counts["unsafe"] += 1
            raise

    def _blend(self, incoming: Positions) -> tuple[Positions, int]:
        """The steps to schedule and over how many of them the seam is spread."""
        if self._last is None:
            return incoming.copy(), 0
        steps = min(self._blend_steps, len(incoming))
        scheduled = [step.position for step in self._steps][:steps]
        held = scheduled[-1] if scheduled else self._last
        outgoing = np.array(scheduled + [held] * (steps - len(scheduled))).reshape(steps, incoming.shape[1])
        weights = (np.arange(1, steps + 1) / (steps + 1))[:, None]
        blended = (1.0 - weights) * outgoing + weights * incoming[:steps]
        return np.concatenate([blended, incoming[steps:]]), steps


def _elapsed_steps(chunk: Chunk, now: int) -> int:
    """Steps meant for instants before ``now``, to the nearest, so that jitter around a tick changes nothing.

    An observation stamped ahead of ``now``, within the tolerance of its assembly, counts as taken now.
    """
    return max(0, round((now - chunk.stamp) / NANOSECONDS / chunk.period))
