"""Playing a bag to a policy node in stepped mode: each message waits until the one before was taken."""

from collections.abc import Callable, Iterator
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Header, String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.bags.content import header_stamp
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.node_parameters import NodeParameters
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.configuration import Clock as BagClock
from ttt_ros.evaluation.bags.permit import permit
from ttt_ros.evaluation.bags.timeline import Sensed, timeline
from ttt_ros.msg import SafeguardState
from ttt_ros.nodes.acknowledgement import CLOCK_TOPIC, TAKEN
from ttt_ros.nodes.policy_messages import state_message
from ttt_ros.nodes.quality_of_service import LATCHED
from ttt_ros.nodes.stamps import nanoseconds, stamp

KINDS = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/JointState": JointState,
    "std_msgs/msg/String": String,
    "trajectory_msgs/msg/JointTrajectory": JointTrajectory,
}

_WATCH_PERIOD = 0.1  # s between two looks at the wall clock


def streams_of(parameters: NodeParameters, *, reader: BagReader) -> StreamMapping:
    """What the topics of a bag mean to a node with these ``parameters``.

    Raises:
        ConfigurationError: the node cannot take the commands as they were recorded.
    """
    commands = _recorded_name(parameters.commands_topic) if parameters.commands_topic else ""
    for topic in reader.topics:
        if topic.name == commands and KINDS.get(topic.message_type) is not JointTrajectory:
            raise ConfigurationError(f"{commands} is a {topic.message_type} in the bag; the node takes trajectory_msgs/msg/JointTrajectory")
    return StreamMapping(
        cameras={name: _recorded_name(camera.topic) for name, camera in parameters.cameras.items()},
        joint_states=_recorded_name("joint_states"),
        commands=commands,
        instruction=_recorded_name("instruction"),
    )


class SteppedPlayer:
    """Sends what the offline evaluation would do, in its order, and gives the permit that it gives: no safeguard is needed.

    Every topic is reliable and latched, so that the one message under way also reaches a node that is discovered late.
    """

    def __init__(
        self,
        node: Node,
        reader: BagReader,
        parameters: NodeParameters,
        *,
        period: float,
        clock: BagClock,
        policy: str,
        timeout: float,
        on_end: Callable[[], None],
    ) -> None:
        """Starts with the first turn of the executor.

        Args:
            parameters: of the policy node.
            period: seconds between two control ticks.
            clock: what the time in the bag is.
            policy: name of the policy node.
            timeout: wall seconds that a message may wait to be taken.
            on_end: called after the last message.
        """
        self._node = node
        self._timeout = timeout
        self._on_end = on_end
        self._publishers: dict[str, Publisher] = {}
        self._safeguard = f"{parameters.safeguard_node}/state"
        streams = streams_of(parameters, reader=reader)
        self.topics = tuple(streams.types_by_topic())
        self._messages = self._in_order(timeline(reader, streams, clock=clock, period=period))
        self._awaited: tuple[str, int] | None = None
        self._wall = Clock(clock_type=ClockType.STEADY_TIME)
        self._sent = 0
        node.create_subscription(Header, f"{policy}/{TAKEN}", self._on_taken, LATCHED)
        self._watch = node.create_timer(_WATCH_PERIOD, self._watch_for_silence, clock=self._wall)

    def _in_order(self, events: Iterator[Any]) -> Iterator[tuple[str, type, Any, int]]:
        """Topic, type, message, plain or serialized, and the stamp that its acknowledgement carries."""
        for event in events:
            if not isinstance(event, Sensed):
                order = state_message(permit(adapts=True), event.now)
                yield self._safeguard, SafeguardState, order, event.now
                yield CLOCK_TOPIC, ClockMessage, ClockMessage(clock=stamp(event.now)), event.now
            elif event.problem:
                self._node.get_logger().warning(f"left out: {event.problem}")
            else:
                yield event.raw.topic.lstrip("/"), KINDS[event.raw.message_type], event.raw.cdr, header_stamp(event.content) or 0

    def _send_next(self) -> None:
        following = next(self._messages, None)
        if following is None:
            self._awaited = None
            self._watch.cancel()
            self._on_end()
            return
        topic, kind, message, taken = following
        if topic not in self._publishers:
            self._publishers[topic] = self._node.create_publisher(kind, topic, LATCHED)
        self._awaited = (self._publishers[topic].topic_name, taken)
        self._sent = self._wall.now().nanoseconds
        self._publishers[topic].publish(message)

    def _on_taken(self, header: Header) -> None:
        if (header.frame_id, nanoseconds(header.stamp)) == self._awaited:
            self._send_next()

    def _watch_for_silence(self) -> None:
        """Sends the first message, and gives up when one is not taken.

        Raises:
            RecordingError: a message was not taken in time.
        """
        if self._awaited is None:
            self._send_next()
            return
        if (self._wall.now().nanoseconds - self._sent) / 1e9 > self._timeout:
            topic, taken = self._awaited
            raise RecordingError(
                f"the message on {topic} with stamp {taken} ns was not taken within {self._timeout:g} s; is the policy node active, in"
                " stepped and shadow mode, and does its policy use that stream?"
            )


def _recorded_name(topic: str) -> str:
    return f"/{topic.lstrip('/')}"
