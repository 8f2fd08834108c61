"""Arm, policy and safeguard on one virtual clock."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.configuration import load_yaml
from ttt_ros.control.figures import chunk_figures, window_figures
from ttt_ros.control.health import CONTROL_STATUS_PERIOD, ControlHealthMeter
from ttt_ros.control.loop import Command
from ttt_ros.control.orders import Order
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.control.schedule import Chunk, Positions
from ttt_ros.control.session import Session
from ttt_ros.errors import ConfigurationError, ObservationError
from ttt_ros.evaluation.closed_loop.configuration import ClosedLoopConfig
from ttt_ros.evaluation.closed_loop.course import CONTACT, POINTING, Course
from ttt_ros.evaluation.closed_loop.disturbance import Disturbance, Undisturbed
from ttt_ros.evaluation.closed_loop.film import Film, LookingPolicy
from ttt_ros.evaluation.closed_loop.listened import ListenedSafeguard, OnReading
from ttt_ros.policies.checkpoint import check_specification
from ttt_ros.policies.factory import create_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Verdict
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.pictures import content_digest, saturated_share
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import IMAGE_EVERY, JOINT_STATE_EVERY, STEPS_PER_SECOND, Simulation
from ttt_ros.simulation.tasks import parse

_JOINT_STATE_RATE = STEPS_PER_SECOND / JOINT_STATE_EVERY


class ClosedLoop:
    """The demonstration's nodes as one loop over physics steps.

    No decision reads a clock, and messages take no time: at each instant the sensors speak first, then the control loop decides, then the
    safeguard judges. So the ages of streams are those of a machine that is infinitely fast.

    Attributes:
        simulation: the arm; its goal is set by ``instruct``.
        session: the core of the policy node.
        safeguard: that of the safeguard node.
        verdict: its newest one.
        course: what this policy can be asked for.
    """

    def __init__(
        self,
        config: ClosedLoopConfig,
        *,
        policy: Policy | None = None,
        rules: SafeguardConfig | None = None,
        disturbance: Disturbance | None = None,
        on_reading: OnReading = lambda _now, _reading: None,
        on_report: Callable[[WindowReport], None] = lambda _report: None,
        on_command: Callable[[int, Command], None] = lambda _now, _command: None,
        on_verdict: Callable[[int, Verdict], None] = lambda _now, _verdict: None,
        journal: Path | None = None,
    ) -> None:
        """Brings the arm to its first pose, at rest.

        Args:
            policy: already loaded, instead of that of ``config``.
            rules: instead of those of ``config``.
            disturbance: between the robot and those who listen to it; None for none.
            on_reading: takes every reading that the safeguard gets.
            on_report: takes the report on every window.
            on_command: takes what every control tick decided.
            on_verdict: takes the verdict of every heartbeat, and every change of mode between two.
            journal: file to record the adaptation in; must not exist.

        Raises:
            CheckpointError, ConfigurationError, SimulationError, SpecificationError: something does not fit.
        """
        parameters = load_parameter_file(config.parameters)
        policy = policy or create_policy(
            config.policy or parameters.policy_path, device=parameters.policy_device, factory=parameters.policy_factory
        )
        specification = policy.specification
        check_specification(specification, joint_names=parameters.joint_names, cameras=parameters.cameras, control_rate=parameters.rate)
        rules = rules or load_yaml(config.rules, SafeguardConfig)
        self._control_every = _steps(specification.period, "the policy's period")
        self._heartbeat_every = _steps(rules.heartbeat_period, "heartbeat_period")
        self._status_every = _steps(CONTROL_STATUS_PERIOD, "the period of the control status")
        self._validity = rules.permit_validity
        self._specification = specification
        self._disturbance = disturbance or Undisturbed()
        self._on_command, self._on_verdict, self._on_report = on_command, on_verdict, on_report
        self._steps = 0
        self._frames: dict[str, Tensor] = {}
        self._reports: list[WindowReport] = []
        self.course: Course = POINTING if parameters.session.open_loop else CONTACT
        self.simulation = Simulation(
            cameras={camera.name: (camera.height, camera.width) for camera in specification.cameras}, shifts=config.robot.shifts(0)
        )
        self.simulation.reset(config.seed, pose=self.course.pose)
        self.simulation.rearrange(config.seed, mark=self.course.mark)
        self._film = Film(self.simulation, self._disturbance)
        self.session = Session(
            LookingPolicy(policy, self._film),
            replace(parameters.session, seed=config.seed),
            on_chunk=self._heard_chunk,
            on_report=self._reports.append,
            journal=journal,
            threaded=False,
        )
        self.safeguard = ListenedSafeguard(
            rules,
            cameras=[camera.name for camera in specification.cameras],
            now=0,
            camera_rates={name: camera.rate for name, camera in parameters.cameras.items()},
            joint_state_rate=_JOINT_STATE_RATE,
            on_reading=on_reading,
        )
        self.verdict = self.safeguard.judge()
        self._health = ControlHealthMeter(self.session, specification.period)
        self._give_order(self.verdict)

    @property
    def now(self) -> int:
        """The virtual time, ns."""
        return self._steps * NANOSECONDS // STEPS_PER_SECOND

    def instruct(self, instruction: str) -> None:
        """Gives a goal in words, to the arm's referee and to the policy.

        Raises:
            InstructionError: the policy cannot read it.
            SimulationError: it is not a goal of the simulation.
        """
        self.session.policy.check_instruction(instruction)
        self.simulation.start(parse(instruction))
        self.session.assembler.set_instruction(instruction)

    def advance(self, duration: float) -> None:
        """Lets ``duration`` seconds pass."""
        for _ in range(round(duration * STEPS_PER_SECOND)):
            self.step()

    def step(self) -> None:
        """Advances by one physics step, and by all that is due then."""
        self._film.expire()
        self.simulation.step()
        self._steps += 1
        if self._steps % JOINT_STATE_EVERY == 0:
            self._feel()
        if self._steps % IMAGE_EVERY == 0:
            self._see()
        if self._steps % self._control_every == 0:
            self._control()
        if self._steps % self._status_every == 0:
            self.safeguard.control.heard(self._health.taken(), self.now)
        if self._steps % self._heartbeat_every == 0:
            self._heartbeat()

    def close(self) -> None:
        """Ends the session and frees the renderer."""
        self.session.close()
        self.simulation.close()

    def _feel(self) -> None:
        for stamp, positions in self._disturbance.joints(self.simulation.joint_positions(), self.now):
            self.safeguard.heard_joints(dict(zip(JOINT_NAMES, positions.tolist(), strict=True)), stamp=stamp, now=self.now)
            with suppress(ObservationError):  # which the policy node logs, and goes on with what it has
                self.session.assembler.add_joints(stamp, JOINT_NAMES, positions)

    def _see(self) -> None:
        for camera in self._specification.cameras:
            for stamp in self._disturbance.frame(camera.name, self.now):
                frame = self._film.expose(camera, self.now)
                self.session.assembler.add_image(camera.name, stamp, frame)
                self.safeguard.heard_camera(camera.name, stamp=stamp, now=self.now)
                self._frames[camera.name] = frame

    def _control(self) -> None:
        now = self.now
        self._health.ticked(now)
        command = self.session.loop.tick(now)
        self._on_command(now, command)
        if command.positions is not None:
            self._obey(command.positions)
        while self._reports:
            report = self._reports.pop(0)
            self.safeguard.heard_window(window_figures(report), now)
            self._on_report(report)
        self._announce_change()

    def _obey(self, positions: Positions) -> None:
        """The safeguard hears what was commanded, whatever then comes to the robot."""
        names = self._specification.joint_names
        self.safeguard.sensors.commanded(dict(zip(names, positions.tolist(), strict=True)), now=self.now)
        told = self._disturbance.command(positions, self.now)
        if told is not None:
            self.simulation.command([told[names.index(name)] for name in JOINT_NAMES])

    def _heard_chunk(self, chunk: Chunk) -> None:
        self.safeguard.heard_chunk(chunk_figures(chunk), self.now)

    def _heartbeat(self) -> None:
        for camera, frame in self._frames.items():
            self._film.develop(camera, frame)
            pixels = frame.numpy()
            self.safeguard.sensors.saw(camera, digest=content_digest(pixels.tobytes()), saturation=saturated_share(pixels))
        self._frames.clear()
        self._publish(self.safeguard.tick(self.now))

    def _announce_change(self) -> None:
        """A changed mode does not wait for the next heartbeat."""
        verdict = self.safeguard.judge()
        if verdict.mode != self.verdict.mode:
            self._publish(verdict)

    def _publish(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self._give_order(verdict)
        self._on_verdict(self.now, verdict)

    def _give_order(self, verdict: Verdict) -> None:
        order = Order(
            mode=Mode(verdict.mode),
            permit=verdict.permit,
            validity=self._validity,
            trusted_version=verdict.trusted_version,
            reasons=verdict.reasons,
            reset=verdict.reset,
        )
        self.session.loop.orders.receive(order, self.now)


def _steps(seconds: float, what: str) -> int:
    """Physics steps in ``seconds``, a multiple of those between two frames: whoever looks at a frame does so at its instant."""
    steps = round(seconds * STEPS_PER_SECOND)
    if steps < 1 or steps % IMAGE_EVERY or abs(steps - seconds * STEPS_PER_SECOND) > 1e-6:
        raise ConfigurationError(
            f"{what} {seconds:g} s must be a multiple of {IMAGE_EVERY / STEPS_PER_SECOND:.4f} s, the period of the simulated cameras"
        )
    return steps
