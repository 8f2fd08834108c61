"""The policy node: wires cameras, joints and an instruction to a session, and its actions and figures to topics."""

from collections import deque
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.loop import Command
from ttt_ros.control.observation import JOINT_STATES
from ttt_ros.control.schedule import Chunk
from ttt_ros.control.session import Session
from ttt_ros.errors import CheckpointError, ConfigurationError, InstructionError, ObservationError, TttRosError
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState
from ttt_ros.nodes import diagnostics, lifecycle, policy_messages
from ttt_ros.nodes.image_input import compressed_image_tensor, raw_image_tensor
from ttt_ros.nodes.mode_log import log_mode
from ttt_ros.nodes.parameters import optional_path, refuse_unknown, value
from ttt_ros.nodes.peers import live_publishers
from ttt_ros.nodes.policy_diagnostics import PolicyDiagnostics
from ttt_ros.nodes.policy_parameters import (
    ADAPTATION,
    CameraParameters,
    adaptation_config,
    camera_parameters,
    declare_parameters,
    journal_path,
    policy_path,
    session_config,
)
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.checkpoint import check_specification
from ttt_ros.policies.factory import create_policy
from ttt_ros.policies.specification import CameraSpecification
from ttt_ros.safeguard.ladder import Mode

_THROTTLE = 1.0  # s between two logs of the same kind


class PolicyNode(LifecycleNode):
    """Callbacks store the latest message; the control timer ticks the session's loop; two threads infer and adapt."""

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("policy", **options)
        declare_parameters(self)
        refuse_unknown(self)
        self._session: Session | None = None
        self._entities: list[Callable[[], object]] = []
        self._running: list[Callable[[], object]] = []
        self._reconfigure = False
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
        """Runs the shutdown transition."""
        lifecycle.shut_down(self)

    def _configure(self) -> None:
        policy = create_policy(policy_path(self), device=value(self, "policy.device"), factory=value(self, "policy.factory"))
        cameras = camera_parameters(self)
        check_specification(
            policy.specification,
            joint_names=value(self, "robot.joint_names"),
            cameras=cameras,
            control_rate=value(self, "control.rate"),
        )
        self._refuse_second_policy(own=0)
        self._joint_names = policy.specification.joint_names
        self._period = policy.specification.period
        self._reports: deque[WindowReport] = deque()
        self._mode: Mode | None = None
        self._session = Session(
            policy,
            session_config(self),
            on_chunk=self._publish_chunk,
            on_report=self._reports.append,
            journal=journal_path(self),
            initial_weights=optional_path(self, "adaptation.initial_weights"),
        )
        self._session.enabled = value(self, "adaptation.enabled")
        self._diagnostics = PolicyDiagnostics(self, self._session, cameras)
        self._create_publishers()
        self._create_subscriptions({camera.name: camera for camera in policy.specification.cameras}, cameras)
        self._create_services()
        self.get_logger().info(
            f"policy {policy.checksum[:12]} with {len(self._session.store.base.weights)} fast tensors on {value(self, 'policy.device')}"
        )

    def _create_publishers(self) -> None:
        self._chunk_publisher = self.create_lifecycle_publisher(ActionChunk, "~/action_chunk", RELIABLE)
        self._trajectory_publisher = self.create_lifecycle_publisher(JointTrajectory, "joint_trajectory", RELIABLE)
        self._status_publisher = self.create_lifecycle_publisher(AdaptationStatus, "~/adaptation_status", RELIABLE)
        self._diagnostics_publisher = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        for publisher in (self._chunk_publisher, self._trajectory_publisher, self._status_publisher, self._diagnostics_publisher):
            self._entities.append(lambda publisher=publisher: self.destroy_lifecycle_publisher(publisher))

    def _create_subscriptions(self, expected: dict[str, CameraSpecification], cameras: dict[str, CameraParameters]) -> None:
        def subscribe(kind: type, topic: str, callback: Callable[..., None], profile) -> None:
            subscription = self.create_subscription(kind, topic, callback, profile)
            self._entities.append(lambda: self.destroy_subscription(subscription))

        for name, specification in expected.items():
            kind, convert = (CompressedImage, compressed_image_tensor) if cameras[name].compressed else (Image, raw_image_tensor)
            subscribe(kind, cameras[name].topic, self._image_callback(specification, convert), SENSOR)
        subscribe(JointState, "joint_states", self._on_joints, SENSOR)
        subscribe(String, "instruction", self._on_instruction, LATCHED)
        subscribe(SafeguardState, f"{value(self, 'safeguard_node')}/state", self._on_safeguard, LATCHED)

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
        self._session.reset()
        self._diagnostics.start()
        control = self.create_timer(self._period, self._on_tick)
        reporting = self.create_timer(diagnostics.PERIOD, self._on_diagnostics)
        self._running = [lambda: self.destroy_timer(control), lambda: self.destroy_timer(reporting)]

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
        """Two policies on one arm would fight; the topic is the arm, whatever the nodes are called."""
        others = live_publishers(self, "joint_trajectory", own=own)
        if others:
            raise ConfigurationError(
                f"{', '.join(others)} already publishes {self.resolve_topic_name('joint_trajectory')}; stop it, or give this node"
                " a namespace of its own"
            )

    def _on_tick(self) -> None:
        self._diagnostics.ticked()
        if self._reconfigure:
            self._apply_parameters()
        command = self._session.loop.tick(self.get_clock().now().nanoseconds)
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
        if command.mode == self._mode:
            return
        entering_stop = command.mode == Mode.STOP
        self._mode = command.mode
        log_mode(self, command.mode, command.reasons)
        if entering_stop:
            # A joint_trajectory_controller answers an empty trajectory by dropping its goal.
            self._trajectory_publisher.publish(JointTrajectory(joint_names=list(self._joint_names)))

    def _publish_chunk(self, chunk: Chunk) -> None:
        self._chunk_publisher.publish(policy_messages.chunk_message(chunk, self._joint_names))

    def _image_callback(self, camera: CameraSpecification, convert: Callable) -> Callable[[Image | CompressedImage], None]:
        def store(message: Image | CompressedImage) -> None:
            try:
                self._session.assembler.add_image(camera.name, nanoseconds(message.header.stamp), convert(message, camera))
            except ObservationError as error:
                self._refuse(camera.name, f"camera '{camera.name}': {error}")

        return store

    def _on_joints(self, message: JointState) -> None:
        try:
            self._session.assembler.add_joints(nanoseconds(message.header.stamp), message.name, message.position)
        except ObservationError as error:
            self._refuse(JOINT_STATES, str(error))

    def _on_instruction(self, message: String) -> None:
        try:
            self._session.policy.check_instruction(message.data)
        except InstructionError as error:
            self._session.assembler.refuse_instruction(str(error))
            self.get_logger().error(f"instruction refused, the arm holds until the next one: {error}")
            return
        self._session.assembler.set_instruction(message.data)

    def _refuse(self, stream: str, reason: str) -> None:
        self._diagnostics.refused(stream, reason)
        self.get_logger().error(reason, throttle_duration_sec=_THROTTLE)

    def _on_safeguard(self, message: SafeguardState) -> None:
        self._session.loop.orders.receive(policy_messages.order(message), self.get_clock().now().nanoseconds)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._session.enabled = request.data
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
        self._session.reconfigure(adaptation_config(self))

    def _on_diagnostics(self) -> None:
        self._diagnostics_publisher.publish(diagnostics.array(self, self._diagnostics.statuses()))


def main() -> None:
    """Entry point of ``ros2 run ttt_ros policy_node``."""
    raise SystemExit(lifecycle.run(PolicyNode, close=PolicyNode.close))


if __name__ == "__main__":
    main()
