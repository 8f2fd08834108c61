"""The policy node: wires cameras, joints and an instruction to a session, and its actions and figures to topics."""

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.clock_watch import ClockWatch
from ttt_ros.control.health import CONTROL_STATUS_PERIOD, ControlHealthMeter
from ttt_ros.control.loop import Command
from ttt_ros.control.schedule import Chunk
from ttt_ros.control.session import Session
from ttt_ros.errors import CheckpointError, ConfigurationError, TttRosError
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus
from ttt_ros.nodes import diagnostics, lifecycle, policy_messages
from ttt_ros.nodes.acknowledgement import CLOCK_TOPIC, Acknowledgement
from ttt_ros.nodes.mode_log import ModeLog
from ttt_ros.nodes.parameters import optional_path, refuse_unknown, value
from ttt_ros.nodes.peers import live_publishers
from ttt_ros.nodes.policy_diagnostics import PolicyDiagnostics
from ttt_ros.nodes.policy_input import PolicyInput
from ttt_ros.nodes.policy_parameters import ADAPTATION, adaptation_config, declare_parameters, journal_path, policy_parameters
from ttt_ros.nodes.policy_recovery import PolicyRecovery
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.checkpoint import check_specification
from ttt_ros.policies.factory import create_policy
from ttt_ros.safeguard.ladder import Mode

_THROTTLE = 1.0  # s between two logs of the same kind


class PolicyNode(LifecycleNode):
    """Callbacks store the latest message; the control timer ticks the session's loop; two threads infer and adapt.

    In stepped mode there is neither timer nor thread: every message on /clock is a tick, and everything taken is acknowledged.
    """

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("policy", **options)
        self._created = time.monotonic()
        declare_parameters(self)
        refuse_unknown(self)
        self._session: Session | None = None
        self._entities: list[Callable[[], object]] = []
        self._running: list[Callable[[], object]] = []
        self._reconfigure = self._crashing = False
        self.add_on_set_parameters_callback(self._on_parameters)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the policy, checks that it fits the robot, and creates subscriptions, publishers and services."""
        result = lifecycle.guarded(self, self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            self._free()
            return result
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the control timer."""
        result = lifecycle.guarded(self, self._activate)
        return result if result != TransitionCallbackReturn.SUCCESS else super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops commanding and ends the episode."""
        result = lifecycle.guarded(self, self._deactivate)
        return result if result != TransitionCallbackReturn.SUCCESS else super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Frees the policy and ends the threads."""
        return lifecycle.guarded(self, self._free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup, from any state."""
        return lifecycle.guarded(self, self._free)

    def close(self) -> None:
        """Runs the shutdown transition; while an exception ends the process, the run under way stays marked as crashed."""
        self._crashing = sys.exc_info()[0] is not None
        lifecycle.shut_down(self)

    def _configure(self) -> None:
        parameters = policy_parameters(self)
        policy = create_policy(parameters.policy_path, device=parameters.policy_device, factory=parameters.policy_factory)
        check_specification(
            policy.specification, joint_names=parameters.joint_names, cameras=parameters.cameras, control_rate=parameters.rate
        )
        self._shadow = parameters.session.shadow
        self._refuse_second_policy(own=0)
        self._joint_names = policy.specification.joint_names
        self._period = policy.specification.period
        self._reports: deque[WindowReport] = deque()
        self._modes = ModeLog(self)
        self._acknowledgement = self._stepped() if value(self, "control.stepped") else None
        self._session = Session(
            policy,
            parameters.session,
            on_chunk=self._publish_chunk,
            on_report=self._reports.append,
            journal=journal_path(self),
            initial_weights=optional_path(self, "adaptation.initial_weights"),
            clock=None if self._acknowledgement else lambda: self.get_clock().now().nanoseconds,
            threaded=self._acknowledgement is None,
        )
        self._session.enabled = value(self, "adaptation.enabled")
        self._diagnostics = PolicyDiagnostics(self, self._session, parameters.cameras, modes=self._modes, shadow=self._shadow)
        self._recovery = PolicyRecovery(self, self._session, optional_path(self, "adaptation.recovery_directory"))
        self._entities.append(self._recovery.close)
        self._create_publishers()
        inputs = PolicyInput(
            self,
            self._session,
            parameters,
            refused=self._refuse,
            acknowledgement=self._acknowledgement,
        )
        self._entities.append(inputs.close)
        self._create_services()
        self.get_logger().info(
            f"policy {policy.checksum[:12]} with {len(self._session.store.base.weights)} fast tensors on {parameters.policy_device}"
            f"{', in shadow of ' + (parameters.commands_topic or 'what is measured') if self._shadow else ''}"
        )

    def _stepped(self) -> Acknowledgement:
        torch.set_num_threads(1)  # as the threads of a session, so that sums are the same
        acknowledgement = Acknowledgement(self)
        self._entities.append(acknowledgement.close)
        return acknowledgement

    def _create_publishers(self) -> None:
        self._chunk_publisher = self.create_lifecycle_publisher(ActionChunk, "~/action_chunk", RELIABLE)
        self._status_publisher = self.create_lifecycle_publisher(AdaptationStatus, "~/adaptation_status", RELIABLE)
        self._control_publisher = self.create_lifecycle_publisher(ControlStatus, "~/control_status", RELIABLE)
        self._diagnostics_publisher = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        publishers = [self._chunk_publisher, self._status_publisher, self._control_publisher, self._diagnostics_publisher]
        if not self._shadow:
            self._trajectory_publisher = self.create_lifecycle_publisher(JointTrajectory, "joint_trajectory", RELIABLE)
            publishers.append(self._trajectory_publisher)
        for publisher in publishers:
            self._entities.append(lambda publisher=publisher: self.destroy_lifecycle_publisher(publisher))

    def _create_services(self) -> None:
        for kind, name, callback in (
            (SetBool, "~/adaptation/enable", self._on_enable),
            (Trigger, "~/adaptation/rollback", self._on_rollback),
            (Trigger, "~/adaptation/reset", self._on_reset),
            (Trigger, "~/adaptation/save", self._on_save),
        ):
            service = self.create_service(kind, name, callback)
            self._entities.append(lambda service=service: self.destroy_service(service))

    def _activate(self) -> None:
        self._refuse_second_policy(own=1)
        self._session.begin()
        self._diagnostics.start()
        self._health = ControlHealthMeter(self._session, self._period)
        reporting = self.create_timer(diagnostics.PERIOD, self._on_diagnostics)
        telling = self.create_timer(CONTROL_STATUS_PERIOD, self._on_control_status)
        self._recovery.begin()
        self._running = [
            lambda: self.destroy_timer(reporting),
            lambda: self.destroy_timer(telling),
            self._start_ticking(),
            self._end_run,
        ]

    def _start_ticking(self) -> Callable[[], object]:
        """Returns what ends it."""
        if self._acknowledgement is None:
            watch = ClockWatch()
            control = self.create_timer(self._period, lambda: self._tick_by_the_clock(watch))
            return lambda: self.destroy_timer(control)
        clock = self.create_subscription(Clock, CLOCK_TOPIC, self._on_clock, LATCHED)
        return lambda: self.destroy_subscription(clock)

    def _end_run(self) -> None:
        if not self._crashing:
            self._recovery.end()

    def _deactivate(self) -> None:
        while self._running:
            self._running.pop()()
        self._session.reset()

    def _free(self) -> None:
        while self._running:
            self._running.pop()()
        while self._entities:
            self._entities.pop()()
        if self._session is not None and not self._session.close():
            self.get_logger().warning("the adaptation thread did not end in time; it is left to end with the process")
        self._session = None

    def _refuse_second_policy(self, *, own: int) -> None:
        """Two policies on one arm would fight; the topic is the arm, whatever the nodes are called. A shadow fights nobody."""
        if self._shadow:
            return
        undiscovered = self._created + value(self, "control.discovery_time") - time.monotonic()
        others = live_publishers(self, "joint_trajectory", own=own, wait=undiscovered)
        if others:
            raise ConfigurationError(
                f"{', '.join(others)} already publishes {self.resolve_topic_name('joint_trajectory')}; stop it, or give this node"
                " a namespace of its own"
            )

    def _on_clock(self, message: Clock) -> None:
        self._tick(nanoseconds(message.clock))
        self._acknowledgement.taken(CLOCK_TOPIC, message.clock)

    def _tick_by_the_clock(self, watch: ClockWatch) -> None:
        now = self.get_clock().now().nanoseconds
        if watch.broken(now, wall=time.monotonic()):
            self._session.assembler.forget()
        self._tick(now)

    def _tick(self, now: int) -> None:
        self._diagnostics.ticked(now)
        self._health.ticked(now)
        if self._reconfigure:
            self._apply_parameters()
        command = self._session.loop.tick(now)
        self._announce(command)
        if command.positions is not None:
            message = policy_messages.trajectory_message(command.positions, self._joint_names, period=self._period)
            self._trajectory_publisher.publish(message)
        while self._reports:
            report = self._reports.popleft()
            self._diagnostics.reported(report)
            self._status_publisher.publish(policy_messages.status_message(report))

    def _announce(self, command: Command) -> None:
        self._diagnostics.commanded(command)
        if not self._modes.entered(command.mode, command.reasons):
            return
        self._on_control_status()
        if command.mode == Mode.STOP and not self._shadow:
            # A joint_trajectory_controller answers an empty trajectory by dropping its goal.
            self._trajectory_publisher.publish(JointTrajectory(joint_names=list(self._joint_names)))

    def _publish_chunk(self, chunk: Chunk) -> None:
        self._chunk_publisher.publish(policy_messages.chunk_message(chunk, self._joint_names))

    def _refuse(self, stream: str, reason: str) -> None:
        self._diagnostics.refused(stream, reason)
        self.get_logger().error(reason, throttle_duration_sec=_THROTTLE)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._session.enabled = request.data
        self.set_parameters([Parameter("adaptation.enabled", value=request.data)])  # or the next change of another one would undo it
        response.success, response.message = True, "adaptation enabled" if request.data else "adaptation disabled"
        return response

    def _on_rollback(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        version = self._session.rollback()
        response.success, response.message = True, f"version {version.number}"
        return response

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        version = self._session.reset()
        response.success, response.message = True, f"version {version.number}, epoch {self._session.store.epoch}"
        return response

    def _on_save(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        path = optional_path(self, "adaptation.save_path")
        try:
            version = self._session.save(path)
            response.success, response.message = True, f"version {version.number} written to {path.absolute()}"
        except CheckpointError as error:
            response.success, response.message = False, str(error)
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Validates only; what was set is read again at the next tick, since another callback may still refuse it."""
        changes = {each.name: each.value for each in parameters if each.name.startswith(ADAPTATION)}
        if changes:
            try:
                adaptation_config(self, changes)
            except TttRosError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._reconfigure = True
        return SetParametersResult(successful=True)

    def _apply_parameters(self) -> None:
        self._reconfigure = False
        self._session.enabled = value(self, "adaptation.enabled")
        config = adaptation_config(self)
        if config != self._session.learner.config:
            self._session.reconfigure(config)

    def _on_control_status(self) -> None:
        now = self.get_clock().now().nanoseconds
        self._recovery.keep(now)
        mode = self._diagnostics.mode
        if mode is not None:
            lost = self._diagnostics.ticks_lost
            self._control_publisher.publish(policy_messages.control_message(self._health.taken(), mode, now, ticks_lost=lost))

    def _on_diagnostics(self) -> None:
        self._diagnostics_publisher.publish(diagnostics.array(self, [*self._diagnostics.statuses(), *self._recovery.statuses()]))


def main() -> None:
    """Entry point of ``ros2 run ttt_ros policy_node``."""
    raise SystemExit(lifecycle.run(PolicyNode, close=PolicyNode.close))


if __name__ == "__main__":
    main()
