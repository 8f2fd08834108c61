"""What the policy node hears: cameras, joints, instruction, the safeguard's state and, in shadow mode, the other controller's commands."""

from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.bags.content import joint_positions
from ttt_ros.control.node_parameters import NodeParameters
from ttt_ros.control.observation import INSTRUCTION, JOINT_STATES
from ttt_ros.control.session import Session
from ttt_ros.errors import ActionError, InstructionError, MessageError, ObservationError
from ttt_ros.msg import SafeguardState
from ttt_ros.nodes import policy_messages
from ttt_ros.nodes.acknowledgement import Acknowledgement
from ttt_ros.nodes.image_input import compressed_image, raw_image
from ttt_ros.nodes.policy_diagnostics import OF_THE_SAFEGUARD
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.specification import CameraSpecification
from ttt_ros.policies.vocabulary import check_length
from ttt_ros.safeguard.configuration import MAX_PERMIT_VALIDITY

COMMANDS = "commands"

_REPLAYED_VALIDITY = 1e9
"""Seconds; an order of a replay may hold for any length of a recording, and is still a number of nanoseconds."""


class PolicyInput:
    """Subscribes, and hands every message to the session; what the session refuses goes to ``refused`` by stream and reason."""

    def __init__(
        self,
        node: Node,
        session: Session,
        parameters: NodeParameters,
        *,
        refused: Callable[[str, str], None],
        acknowledgement: Acknowledgement | None,
    ) -> None:
        """Creates the subscriptions.

        Args:
            acknowledgement: of every message, where a stepped replay waits for it. Nothing may be lost then, so all is latched.
        """
        self._node = node
        self._session = session
        self._refused = refused
        self._acknowledgement = acknowledgement
        self._subscriptions: list[Any] = []
        sensor, commands = (SENSOR, RELIABLE) if acknowledgement is None else (LATCHED, LATCHED)
        for camera in session.policy.specification.cameras:
            source = parameters.cameras[camera.name]
            kind, convert = (CompressedImage, compressed_image) if source.compressed else (Image, raw_image)
            self._subscribe(kind, source.topic, camera.name, self._image_taker(camera, convert), sensor)
        self._subscribe(JointState, "joint_states", JOINT_STATES, self._take_joints, sensor)
        self._subscribe(String, "instruction", INSTRUCTION, self._take_instruction, LATCHED)
        self._subscribe(SafeguardState, f"{parameters.safeguard_node}/state", OF_THE_SAFEGUARD, self._take_order, LATCHED)
        self._measured_counts = parameters.session.shadow and not parameters.commands_topic
        if parameters.session.shadow and parameters.commands_topic:
            self._subscribe(JointTrajectory, parameters.commands_topic, COMMANDS, self._take_command, commands)

    def close(self) -> None:
        """Destroys the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _subscribe(self, kind: type, topic: str, stream: str, take: Callable[[Any], None], profile: QoSProfile) -> None:
        name = self._node.resolve_topic_name(topic)

        def receive(message: Any) -> None:
            try:
                take(message)
            except (ActionError, MessageError, ObservationError) as error:
                self._refused(stream, str(error))
            if self._acknowledgement is not None:
                self._acknowledgement.taken(name, message.header.stamp if hasattr(message, "header") else Time())

        self._subscriptions.append(self._node.create_subscription(kind, topic, receive, profile))

    def _image_taker(self, camera: CameraSpecification, convert: Callable) -> Callable[[Image | CompressedImage], None]:
        def take(message: Image | CompressedImage) -> None:
            try:
                self._session.assembler.add_image(camera.name, nanoseconds(message.header.stamp), convert(message, camera))
            except ObservationError as error:
                raise ObservationError(f"camera '{camera.name}': {error}") from None

        return take

    def _take_joints(self, message: JointState) -> None:
        self._session.assembler.add_joints(nanoseconds(message.header.stamp), message.name, message.position)
        if self._measured_counts:
            self._take_command(message)

    def _take_instruction(self, message: String) -> None:
        try:
            check_length(message.data)
            self._session.policy.check_instruction(message.data)
        except InstructionError as error:
            self._session.assembler.refuse_instruction(str(error))
            self._node.get_logger().error(f"instruction refused, the arm holds until the next one: {error}")
            return
        self._session.assembler.set_instruction(message.data)

    def _take_command(self, message: JointTrajectory | JointState) -> None:
        """Of a trajectory the first point counts, as a controller that is sent one waypoint after the other takes it."""
        self._session.loop.told(joint_positions(message, self._session.policy.specification.joint_names))

    def _take_order(self, message: SafeguardState) -> None:
        if self._acknowledgement is None:
            now, max_validity = self._node.get_clock().now().nanoseconds, MAX_PERMIT_VALIDITY
        else:  # a stepped replay gives the orders itself, dates them by its own clock, and lets them hold over every gap
            now, max_validity = nanoseconds(message.header.stamp), _REPLAYED_VALIDITY
        self._session.loop.orders.receive(policy_messages.order(message, max_validity=max_validity), now)
