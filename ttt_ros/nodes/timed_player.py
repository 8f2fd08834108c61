"""Playing a bag by the wall clock, as `ros2 bag play --clock` does."""

from collections.abc import Callable, Iterator

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes.quality_of_service import CLOCK, LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import stamp

INPUTS = {
    "sensor_msgs/msg/Image": (Image, SENSOR),
    "sensor_msgs/msg/CompressedImage": (CompressedImage, SENSOR),
    "sensor_msgs/msg/CameraInfo": (CameraInfo, SENSOR),
    "sensor_msgs/msg/JointState": (JointState, SENSOR),
    "std_msgs/msg/String": (String, LATCHED),
}
"""What a robot says; everything else in a bag is what was answered, and is not played."""

COMMANDS = "trajectory_msgs/msg/JointTrajectory"

_WALL_PERIOD = 0.005  # s between two looks at the wall clock
_CLOCK_PERIOD = 10_000_000  # ns of bag time between two messages on /clock


class TimedPlayer:
    """Publishes each message when its time has come, with the bag's time on /clock."""

    def __init__(self, node: Node, reader: BagReader, *, rate: float, commands_topic: str, on_end: Callable[[], None]) -> None:
        """Starts with the first turn of the executor.

        Args:
            rate: played over recorded speed.
            commands_topic: commands to the robot, which are played for a policy that shadows it; empty: none.
            on_end: called after the last message.

        Raises:
            ConfigurationError: the bag has nothing to play, or no such topic of commands.
        """
        self._reader = reader
        self._on_end = on_end
        inputs = {topic.name: INPUTS[topic.message_type] for topic in reader.topics if topic.message_type in INPUTS}
        recorded = ", ".join(topic.name for topic in reader.topics)
        if not inputs:
            raise ConfigurationError(f"the bag has no camera, joint or instruction topic; it has {recorded}")
        if commands_topic:
            commands = [
                topic.name
                for topic in reader.topics
                if topic.message_type == COMMANDS and topic.name.strip("/") == commands_topic.strip("/")
            ]
            if not commands:
                raise ConfigurationError(f"the bag has no {COMMANDS} on '{commands_topic}'; it has {recorded}")
            inputs[commands[0]] = (JointTrajectory, RELIABLE)
        self.topics = tuple(inputs)
        self._publishers = {name: node.create_publisher(kind, name.lstrip("/"), profile) for name, (kind, profile) in inputs.items()}
        self._clock_publisher = node.create_publisher(ClockMessage, "/clock", CLOCK)
        self._messages: Iterator[BagMessage] = reader.messages(topics=self.topics)
        self._next: BagMessage | None = next(self._messages, None)
        self._rate = rate
        self._wall = Clock(clock_type=ClockType.STEADY_TIME)
        self._bag_start = self._next.stamp if self._next is not None else 0
        self._wall_start: int | None = None
        self._told = self._bag_start
        self._finished = False
        node.create_timer(_WALL_PERIOD, self._play, clock=self._wall)

    def _play(self) -> None:
        now = self._wall.now().nanoseconds
        if self._wall_start is None:
            self._wall_start = now
        due = self._bag_start + int((now - self._wall_start) * self._rate)
        while self._next is not None and self._next.stamp <= due:
            self._tell_time(self._next.stamp)
            self._publishers[self._next.topic].publish(self._next.cdr)
            self._next = next(self._messages, None)
        if self._next is None and not self._finished:
            self._finished = True
            self._on_end()
        self._tell_time(due)

    def _tell_time(self, time: int) -> None:
        if time - self._told >= _CLOCK_PERIOD:
            self._told = time
            self._clock_publisher.publish(ClockMessage(clock=stamp(time)))
