"""One arm on one bag: the session of the policy node, fed from the bag on the bag's clock."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.bags.content import header_stamp as stamp_of
from ttt_ros.bags.content import image_rgb, joint_positions
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.images import DeferredImage
from ttt_ros.control.loop import Command, Outcome
from ttt_ros.control.schedule import Chunk, Positions
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.errors import ActionError, ConfigurationError, InstructionError, ObservationError
from ttt_ros.evaluation.bags.comparison import ChunkComparison
from ttt_ros.evaluation.bags.configuration import BagArm, BagEvaluationConfig, Control
from ttt_ros.evaluation.bags.listener import Listener, Nobody
from ttt_ros.evaluation.bags.permit import permit
from ttt_ros.evaluation.bags.records import ChunkRow, End, ModeRow, WindowRow
from ttt_ros.evaluation.bags.timeline import Role, Sensed, Tick, timeline
from ttt_ros.evaluation.deployments.controls import FlippedPolicy, ShuffledCommands
from ttt_ros.evaluation.run_record import ModeLabel
from ttt_ros.policies.protocol import Policy
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode

Row: TypeAlias = ChunkRow | WindowRow | ModeRow
OnRow: TypeAlias = Callable[[Row], None]

_KINDS_OF_REJECTION = 20
"""Kinds of unusable messages that are told apart: a damaged stream may have a new reason for each."""


def play(
    reader: BagReader,
    policy: Policy,
    arm: BagArm,
    *,
    session: SessionConfig,
    config: BagEvaluationConfig,
    on_row: OnRow,
    journal: Path | None = None,
    on_progress: Callable[[int], None] = lambda now: None,
    listener: Listener | None = None,
) -> End:
    """Plays the whole bag to ``arm`` and gives every row as soon as it is known.

    The policy shadows the robot of the recording: it commands nothing, and what counts as executed is what the bag says was commanded
    (without a topic of commands: what was measured). No decision reads a clock.

    Args:
        session: of the policy node.
        journal: file that the adaptation is recorded in; must not exist.
        on_progress: called with the instant of the bag's clock at every tick, ns.
        listener: hears all that the policy's side gets and says.

    Raises:
        RecordingError: the bag lacks a topic, or is damaged.
        AdaptationError, ConfigurationError, JournalError, SpecificationError: policy and parameters do not fit.
    """
    player = _Player(policy, arm, session=session, config=config, on_row=on_row, journal=journal, listener=listener or Nobody())
    started = time.perf_counter()
    try:
        for event in timeline(reader, config.streams, clock=config.clock, period=policy.specification.period):
            if isinstance(event, Tick):
                player.tick(event.now)
                on_progress(event.now)
            else:
                player.take(event)
        return player.end(seconds=time.perf_counter() - started)
    finally:
        player.close()


class _Player:
    def __init__(
        self,
        policy: Policy,
        arm: BagArm,
        *,
        session: SessionConfig,
        config: BagEvaluationConfig,
        on_row: OnRow,
        journal: Path | None,
        listener: Listener,
    ) -> None:
        if session.open_loop and not config.streams.commands:
            raise ConfigurationError(
                "control.open_loop needs streams.commands: what was measured does not say when a movement began; name the topic"
            )
        specification = policy.specification
        self._messages = 0
        self._outputs = hashlib.sha256()
        self._policy = policy
        self._arm = arm
        self._streams = config.streams
        self._seed = config.seed
        self._on_row = on_row
        self._listener = listener
        self._now = 0
        self._objectives = arm.adaptation(session.adaptation).objectives
        self._names = [self._streams.joints.get(name, name) for name in specification.joint_names]
        self._cameras = {camera.name: camera for camera in specification.cameras}
        self._shuffled = ShuffledCommands(seed=config.seed)
        self._comparison = ChunkComparison(on_row, horizon=specification.horizon, period=specification.period, open_loop=session.open_loop)
        self._windows = 0
        self._instants: tuple[int, int] | None = None
        self._restored = 0
        self._mode: Mode | None = None
        self._ticks: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._session = Session(
            FlippedPolicy(policy) if arm.control is Control.FLIPPED else policy,
            replace(session, adaptation=arm.adaptation(session.adaptation), shadow=True, seed=config.seed),
            on_chunk=self._on_chunk,
            on_report=self._on_report,
            learns_from=self._learnt,
            journal=journal if arm.adapts else None,
            threaded=False,
        )
        if self._streams.text:
            policy.check_instruction(self._streams.text)
            self._session.assembler.set_instruction(self._streams.text)

    def close(self) -> None:
        self._session.close()

    def take(self, event: Sensed) -> None:
        """Hands a message to the session as the node's callbacks do."""
        self._messages += 1
        self._instants = (self._instants[0] if self._instants else event.now, event.now)
        if event.problem:
            self._reject(event, event.problem)
            return
        try:
            if event.role is Role.CAMERA:
                self._take_image(event)
            elif event.role is Role.JOINTS:
                self._take_joints(event)
            elif event.role is Role.COMMANDS:
                self._told(event.now, joint_positions(event.content, self._names))
            else:
                self._take_instruction(str(event.content.data))
        except (ActionError, ObservationError) as error:
            self._reject(event, str(error))

    def tick(self, now: int) -> None:
        """One control tick of the node."""
        session = self._session
        self._now = now
        session.loop.orders.receive(permit(adapts=self._arm.adapts), now)
        self._restore(now)
        command = session.loop.tick(now)
        self._ticks["all"] += 1
        self._ticks["held"] += command.mode >= Mode.HOLD
        self._announce(command, now)
        self._comparison.advance(now)
        self._listener.ticked(now)

    def end(self, *, seconds: float) -> End:
        """Gives the rows that are still open, and the last one."""
        self._comparison.end()
        start, end = self._instants or (0, 0)
        counts = self._session.schedule.counts
        return End(
            start=start,
            end=end,
            messages=self._messages,
            ticks=self._ticks["all"],
            held=self._ticks["held"],
            refused={kind: count for kind, count in counts.items() if kind not in ("accepted", "underrun")},
            rejected=dict(self._rejected),
            outputs=self._outputs.hexdigest(),
            weights=self._session.store.current.checksum,
            seconds=seconds,
        )

    def _take_image(self, event: Sensed) -> None:
        camera = self._cameras.get(event.camera)
        stamp = stamp_of(event.content)
        assert stamp is not None  # both image types have a header
        if camera is None:
            return
        rgb = image_rgb(event.content)
        self._listener.heard_image(camera.name, rgb, stamp=stamp, now=event.now)
        if self._arm.control is Control.NOISE:
            image = DeferredImage(rgb, camera, finish=partial(_noisy, seed=self._seed, stamp=stamp))
        else:
            image = DeferredImage(rgb, camera)
        self._session.assembler.add_image(camera.name, stamp, image)

    def _take_joints(self, event: Sensed) -> None:
        positions = joint_positions(event.content, self._names)
        stamp = stamp_of(event.content)
        assert stamp is not None
        self._listener.heard_joints(self._by_name(positions), stamp=stamp, now=event.now)
        self._session.assembler.add_joints(stamp, self._policy.specification.joint_names, positions)
        if not self._streams.commands:
            self._told(event.now, positions)

    def _told(self, now: int, positions: Positions) -> None:
        self._session.loop.told(positions)
        self._listener.heard_command(self._by_name(positions), now=now)
        self._comparison.told(now, positions)

    def _by_name(self, positions: Positions) -> dict[str, float]:
        return dict(zip(self._policy.specification.joint_names, positions.tolist(), strict=True))

    def _take_instruction(self, text: str) -> None:
        try:
            self._policy.check_instruction(text)
        except InstructionError as error:
            self._session.assembler.refuse_instruction(str(error))
            raise ObservationError(str(error)) from None
        self._session.assembler.set_instruction(text)

    def _reject(self, event: Sensed, reason: str) -> None:
        key = f"{event.camera or event.role.value}: {reason}"
        known = key in self._rejected or len(self._rejected) < _KINDS_OF_REJECTION
        self._rejected[key if known else f"{event.camera or event.role.value}: other reasons"] += 1

    def _restore(self, now: int) -> None:
        """Commits the base anew, without an end of the epoch, so that the chunks stay those of the other arms' observations."""
        if self._arm.reset_every is None:
            return
        if not self._restored or now < self._restored:
            self._restored = now
        if now - self._restored >= self._arm.reset_every * NANOSECONDS:
            self._restored = now
            store = self._session.store
            store.commit(replace(store.base, number=store.next_number), store.epoch)

    def _announce(self, command: Command, now: int) -> None:
        if command.mode != self._mode:
            self._mode = command.mode
            self._on_row(ModeRow(stamp=now, mode=cast(ModeLabel, command.mode.label), reason=command.reasons[0] if command.reasons else ""))

    def _on_chunk(self, chunk: Chunk) -> None:
        self._outputs.update(f"chunk {chunk.sequence} {chunk.stamp} {chunk.version} {chunk.checksum}".encode() + chunk.positions.tobytes())
        self._comparison.add(chunk)
        self._listener.heard_chunk(chunk, now=self._now)

    def _learnt(self, outcome: Outcome) -> Outcome | None:
        """What the arm learns from a transition: the same, one with other commands, or nothing, and then it is only scored."""
        if self._arm.control is Control.SHUFFLED:
            shuffled = self._shuffled.shuffled(outcome.transition)
            return None if shuffled is None else replace(outcome, transition=shuffled)
        if not self._arm.adapts:
            self._score(outcome)
            return None
        return outcome

    @torch.no_grad()
    def _score(self, outcome: Outcome) -> None:
        base = self._session.store.base
        started = time.perf_counter()
        error = float(scored(self._policy, outcome.transition, base.weights, objectives=self._objectives).errors)
        self._windows += 1
        self._window(
            WindowRow(
                stamp=outcome.before.stamp,
                sequence=self._windows,
                loss=error if np.isfinite(error) else None,
                loss_after=error if np.isfinite(error) else None,
                gradient_norm=None,
                update_norm=0.0,
                drift=0.0,
                action_deviation=None,
                samples=1,
                trimmed=0,
                committed=False,
                reason="this arm does not adapt",
                version=base.number,
                checksum=base.checksum,
                seconds=time.perf_counter() - started,
            )
        )

    def _on_report(self, report: WindowReport) -> None:
        self._listener.heard_report(report, now=self._now)
        self._window(
            WindowRow(
                stamp=report.stamps[-1],
                sequence=report.window_sequence,
                loss=_finite(report.prediction_loss),
                loss_after=_finite(report.loss_after),
                gradient_norm=_finite(report.gradient_norm),
                update_norm=report.update_norm,
                drift=report.drift_total,
                action_deviation=_finite(report.action_deviation),
                samples=report.samples,
                trimmed=report.trimmed,
                committed=report.committed,
                reason=report.reason,
                version=report.version,
                checksum=report.checksum,
                seconds=report.duration,
            )
        )

    def _window(self, row: WindowRow) -> None:
        self._outputs.update(repr(replace(row, seconds=0.0)).encode())
        self._on_row(row)


def _noisy(image: Tensor, *, seed: int, stamp: int) -> Tensor:
    """One grey level up or down, or none, at each pixel and channel: below the noise of any camera, and the same for a frame every time."""
    generator = np.random.default_rng([seed, stamp])
    noise = torch.from_numpy(generator.integers(-1, 2, size=tuple(image.shape), dtype=np.int16))
    return (image.to(torch.int16) + noise).clamp(0, 255).to(torch.uint8)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
