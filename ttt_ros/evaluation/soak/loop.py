"""Robot, session and safeguard on one virtual clock, with faults at every seam."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.recovery import Recovery
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.configuration import load_yaml
from ttt_ros.control.figures import chunk_figures, window_figures
from ttt_ros.control.health import ControlHealthMeter
from ttt_ros.control.limits import JointLimit, JointLimitsConfig
from ttt_ros.control.loop import Outcome
from ttt_ros.control.orders import Order
from ttt_ros.control.schedule import Chunk
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.errors import CheckpointError, InstructionError, ObservationError
from ttt_ros.evaluation.closed_loop.disturbance import Pixels
from ttt_ros.evaluation.soak.configuration import SoakConfig
from ttt_ros.evaluation.soak.faults import Fault, Faults, FaultyPolicy
from ttt_ros.evaluation.soak.invariants import Invariants
from ttt_ros.evaluation.soak.policy import CAMERA, INSTRUCTIONS, SPECIFICATION, SoakPolicy
from ttt_ros.evaluation.soak.robot import FollowingRobot
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard, Verdict
from ttt_ros.safeguard.ladder import LATCHING, Mode
from ttt_ros.safeguard.pictures import content_digest, saturated_share

CONFIG = SessionConfig(
    limits=JointLimitsConfig(
        joint_limits={name: JointLimit(lower=-2.0, upper=2.0, max_velocity=3.0, max_step=0.12) for name in SPECIFICATION.joint_names}
    ),
    adaptation=AdaptationConfig(objectives={"joints": 1.0}, window=4, minimum_samples=1, momentum=0.5, versions=8),
    request_at=5,
    blend_steps=2,
)

_TICK = round(SPECIFICATION.period * NANOSECONDS)
_HEARTBEAT_EVERY = 2
_VALIDITY = 0.25  # s
_NEW_INSTRUCTION = 0.02
"""Chance in each tick of another instruction, so that the robot keeps moving."""

_CLOCK_JUMP = 10 * NANOSECONDS
_IDLE_SHARE = 0.9
"""Of the ticks of a threaded run that wait for the adaptation; in the others windows pile up."""

_WAIT = 0.0002  # s


class SoakLoop:
    """One tick after the other; every tick is checked.

    Attributes:
        faults: begun and ended by the caller.
        chunks: scheduled so far.
        mode: of the last tick.
        verdict: of the safeguard.
    """

    def __init__(self, config: SoakConfig, *, folder: Path) -> None:
        """Brings all up.

        Args:
            folder: for saved weights.
        """
        self._generator = np.random.default_rng(config.seed)
        self.faults = Faults(self._generator)
        self.chunks = 0
        self.mode = Mode.BASE
        self._folder = folder
        self._threaded = config.threaded
        self._now, self._ticks = NANOSECONDS, 0
        self._reports: list[WindowReport] = []
        policy = SoakPolicy()
        self._invariants = Invariants(policy, CONFIG)
        self._robot = FollowingRobot(self._generator)
        self._session = Session(
            FaultyPolicy(policy, self.faults),
            CONFIG,
            on_chunk=self._heard_chunk,
            on_report=self._reports.append,
            learns_from=self._learnt,
            threaded=config.threaded,
        )
        self._safeguard = Safeguard(
            load_yaml(config.rules, SafeguardConfig),
            cameras=[CAMERA],
            now=self._now,
            camera_rates={CAMERA: 1 / SPECIFICATION.period},
            joint_state_rate=1 / SPECIFICATION.period,
        )
        self.verdict = self._safeguard.judge()
        self._delivered = _order(self.verdict)
        self._health = ControlHealthMeter(self._session, SPECIFICATION.period)
        self._recovery = Recovery(
            folder / "recovery", base=self._session.store.base, base_checksum=policy.checksum, config=CONFIG.adaptation
        )
        self._recovery.begin()
        self._seen: Pixels | None = None
        self._instruct()

    def tick(self) -> None:
        """One control period passes.

        Raises:
            ViolationError: something does not hold that must always hold.
        """
        self._ticks += 1
        self._now += _TICK
        self._meddle()
        self._robot.move()
        self._feel()
        self._see()
        self._health.ticked(self._now)
        self._ordered = self._session.loop.orders.in_force(self._now)
        command = self._session.loop.tick(self._now)
        self.mode = command.mode
        self._invariants.command(command, ordered=self._delivered)
        if command.positions is not None:
            self._safeguard.sensors.commanded(dict(zip(SPECIFICATION.joint_names, command.positions.tolist(), strict=True)), now=self._now)
            told = self.faults.command(command.positions, self._now)
            if told is not None:
                self._robot.command(told)
        if self._threaded:
            self._wait()
        self._take_reports()
        if self._ticks % _HEARTBEAT_EVERY == 0:
            self._heartbeat()
        self._invariants.sizes(self._session)

    def reset_latched(self) -> None:
        """As a person would after hold, whoever has ordered it: resets the safeguard."""
        if self.verdict.latched or self._session.loop.orders.in_force(self._now).mode >= LATCHING:
            self._publish(self._safeguard.reset(self._now))

    def mend(self) -> None:
        """All faults end, and a person puts right what they have changed for good."""
        self.faults.end()
        self._session.enabled = True
        self._session.reconfigure(CONFIG.adaptation)
        self._instruct()

    def check_thoroughly(self) -> None:
        """What is too slow for every tick.

        Raises:
            ViolationError: see ``tick``.
        """
        self._invariants.base(self._session)
        self._invariants.histories({"session": self._session, "safeguard": self._safeguard, "recovery": self._recovery})

    def close(self) -> bool:
        """Ends all; says whether the adaptation has ended in time."""
        self._recovery.end()
        self._recovery.close()
        return self._session.close()

    @property
    def version(self) -> int:
        """Number of the version in force."""
        return self._session.store.current.number

    def _meddle(self) -> None:
        """The faults that are no matter of sensors, once each time they are looked at, at random ticks while they last."""
        for fault in self.faults.active:
            action = self._actions.get(fault)
            if action is not None and self._generator.random() < 0.3:
                action(self)
        if not self.faults.active and self._generator.random() < _NEW_INSTRUCTION:
            self._instruct()

    def _instruct(self) -> None:
        self._session.assembler.set_instruction(str(self._generator.choice(INSTRUCTIONS)))

    def _garble(self) -> None:
        garbage = "".join(chr(int(each)) for each in self._generator.integers(1, 0x2FF, size=int(self._generator.integers(0, 40))))
        try:
            self._session.policy.check_instruction(garbage)
        except InstructionError as error:
            self._session.assembler.refuse_instruction(str(error))

    def _jump(self, sign: int) -> None:
        self._now = max(NANOSECONDS, self._now + sign * int(self._generator.integers(_CLOCK_JUMP)))

    def _order_anything(self) -> None:
        self._deliver(
            Order(
                mode=Mode(int(self._generator.integers(len(Mode)))),
                permit=bool(self._generator.integers(2)),
                validity=_VALIDITY,
                trusted_version=int(self._generator.integers(self.version + 2)),
                reasons=("a fault of the safeguard",),
            )
        )

    def _save(self) -> None:
        self._session.save(self._folder / "saved.safetensors")

    def _adopt(self) -> None:
        with suppress(CheckpointError):  # nothing was saved yet
            store = self._session.store
            saved = snapshot.load(
                self._folder / "saved.safetensors",
                base=store.base,
                base_checksum=self._session.policy.checksum,
                drift_limit=CONFIG.adaptation.drift_limit,
            )
            self._session.adopt(saved)

    def _reconfigure(self) -> None:
        rate = float(self._generator.uniform(0.0, 0.5))
        self._session.reconfigure(replace(CONFIG.adaptation, learning_rate=rate, gate_factor=float(self._generator.uniform(1.0, 5.0))))

    def _disable(self) -> None:
        self._session.enabled = False

    def _reset_safeguard(self) -> None:
        self._publish(self._safeguard.reset(self._now))

    _actions: ClassVar[Mapping[Fault, Callable[["SoakLoop"], object]]] = {
        Fault.CLOCK_FORWARD: lambda loop: loop._jump(1),
        Fault.CLOCK_BACK: lambda loop: loop._jump(-1),
        Fault.GARBAGE_INSTRUCTION: _garble,
        Fault.CHANGED_INSTRUCTION: _instruct,
        Fault.ANY_ORDER: _order_anything,
        Fault.RESET: lambda loop: loop._session.reset(),
        Fault.ROLLBACK: lambda loop: loop._session.rollback(),
        Fault.SAVE: _save,
        Fault.RECOVER: _adopt,
        Fault.SAFEGUARD_RESET: _reset_safeguard,
        Fault.PARAMETERS: _reconfigure,
        Fault.DISABLED: _disable,
    }

    def _feel(self) -> None:
        names = SPECIFICATION.joint_names[1:] if Fault.MISSING_JOINT in self.faults.active else SPECIFICATION.joint_names
        for stamp, positions in self.faults.joints(self._robot.positions, self._now):
            sent = positions[-len(names) :]
            self._safeguard.heard_joints(dict(zip(names, sent.tolist(), strict=True)), stamp=stamp, now=self._now)
            with suppress(ObservationError):  # which the policy node logs, and goes on with what it has
                self._session.assembler.add_joints(stamp, names, sent)

    def _see(self) -> None:
        for stamp in self.faults.frame(CAMERA, self._now):
            self._seen = self.faults.image(CAMERA, self._robot.picture(), self._now)
            self._session.assembler.add_image(CAMERA, stamp, torch.from_numpy(self._seen))
            self._safeguard.heard_camera(CAMERA, stamp=stamp, now=self._now)

    def _learnt(self, outcome: Outcome) -> Outcome:
        return self._invariants.outcome(outcome, self._ordered)

    def _heard_chunk(self, chunk: Chunk) -> None:
        self.chunks += 1
        self._invariants.chunk(chunk)
        self._safeguard.heard_chunk(chunk_figures(chunk), self._now)

    def _wait(self) -> None:
        """Until the threads have done what a robot's pace would leave them time for; a deadlock is the watchdog's to notice."""
        pause = threading.Event()
        while self._session.loop.waits_for_inference:
            pause.wait(_WAIT)
        if self._generator.random() < _IDLE_SHARE:
            while self._session.adaptation.waiting or self._session.adaptation.busy_since is not None:
                pause.wait(_WAIT)

    def _take_reports(self) -> None:
        while self._reports:
            report = self._reports.pop(0)
            self._invariants.report(report, self._session)
            self._safeguard.heard_window(window_figures(report), self._now)

    def _heartbeat(self) -> None:
        self._safeguard.control.heard(self._health.taken(), self._now)
        if self._seen is not None:
            self._safeguard.sensors.saw(CAMERA, digest=content_digest(self._seen.tobytes()), saturation=saturated_share(self._seen))
        self._publish(self._safeguard.tick(self._now))
        if not self._ordered.silence:
            self._recovery.keep(self._ordered.trusted_version, self._session.store, self._session.learner.config)

    def _publish(self, verdict: Verdict) -> None:
        self.verdict = verdict
        if Fault.SILENT_SAFEGUARD not in self.faults.active:
            self._deliver(_order(verdict))

    def _deliver(self, order: Order) -> None:
        self._delivered = order
        self._session.loop.orders.receive(order, self._now)


def _order(verdict: Verdict) -> Order:
    return Order(
        mode=verdict.mode,
        permit=verdict.permit,
        validity=_VALIDITY,
        trusted_version=verdict.trusted_version,
        reasons=verdict.reasons,
        reset=verdict.reset,
    )
