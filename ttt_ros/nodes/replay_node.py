"""Plays the sensor topics of a bag, with the bag's time on /clock."""

import signal
from collections.abc import Iterator
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String

from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes import lifecycle
from ttt_ros.nodes.parameters import declare, optional_path, refuse_unknown, value
from ttt_ros.nodes.quality_of_service import CLOCK, LATCHED, SENSOR
from ttt_ros.nodes.stamps import stamp

INPUTS = {
    "sensor_msgs/msg/Image": (Image, SENSOR),
    "sensor_msgs/msg/CompressedImage": (CompressedImage, SENSOR),
    "sensor_msgs/msg/CameraInfo": (CameraInfo, SENSOR),
    "sensor_msgs/msg/JointState": (JointState, SENSOR),
    "std_msgs/msg/String": (String, LATCHED),
}
"""What a robot says; everything else in a bag is what was answered, and is not played."""

_WALL_PERIOD = 0.005  # s between two looks at the wall clock
_CLOCK_PERIOD = 10_000_000  # ns of bag time between two messages on /clock


class ReplayNode(Node):
    """Publishes each message when its time has come; ``finished`` once the bag is played."""

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("replay", **options)
        declare(self, "bag", "", "folder of the rosbag2")
        declare(self, "rate", 1.0, "played over recorded speed", minimum=0.01, maximum=100.0)
        declare(self, "exit_at_end", False, "end the process after the last message")
        refuse_unknown(self)
        path = optional_path(self, "bag")
        if path is None:
            raise ConfigurationError("parameter 'bag' of the replay node is empty; name the folder of a rosbag2")
        self._reader = BagReader(path)
        inputs = [topic for topic in self._reader.topics if topic.message_type in INPUTS]
        if not inputs:
            recorded = ", ".join(topic.name for topic in self._reader.topics)
            raise ConfigurationError(f"{path} has no camera, joint or instruction topic; it has {recorded}")
        self._publishers_by_topic = {}
        for topic in inputs:
            kind, profile = INPUTS[topic.message_type]
            self._publishers_by_topic[topic.name] = self.create_publisher(kind, topic.name.lstrip("/"), profile)
        self._clock_publisher = self.create_publisher(ClockMessage, "/clock", CLOCK)
        self._messages: Iterator[BagMessage] = self._reader.messages(topics=list(self._publishers_by_topic))
        self._next: BagMessage | None = next(self._messages, None)
        self._rate = value(self, "rate")
        self._wall = Clock(clock_type=ClockType.STEADY_TIME)
        self._bag_start = self._next.stamp if self._next is not None else 0
        self._wall_start: int | None = None
        self._exit_at_end = value(self, "exit_at_end")
        self._told = self._bag_start
        self.finished = False
        self.create_timer(_WALL_PERIOD, self._play, clock=self._wall)
        self.get_logger().info(f"playing {', '.join(self._publishers_by_topic)} of {path}, {self._reader.duration:.1f} s")

    def _play(self) -> None:
        now = self._wall.now().nanoseconds
        if self._wall_start is None:
            self._wall_start = now
        due = self._bag_start + int((now - self._wall_start) * self._rate)
        while self._next is not None and self._next.stamp <= due:
            self._tell_time(self._next.stamp)
            self._publishers_by_topic[self._next.topic].publish(self._next.cdr)
            self._next = next(self._messages, None)
        if self._next is None and not self.finished:
            self.finished = True
            self.get_logger().info("end of the bag")
            if self._exit_at_end:
                signal.raise_signal(signal.SIGINT)
        self._tell_time(due)

    def _tell_time(self, time: int) -> None:
        if time - self._told >= _CLOCK_PERIOD:
            self._told = time
            self._clock_publisher.publish(ClockMessage(clock=stamp(time)))

    def close(self) -> None:
        """Closes the bag."""
        self._reader.close()


def main() -> None:
    """Entry point of ``ros2 run ttt_ros replay_node``."""
    raise SystemExit(lifecycle.run(ReplayNode, close=ReplayNode.close))


if __name__ == "__main__":
    main()
