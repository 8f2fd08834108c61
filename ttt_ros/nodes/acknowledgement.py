"""Telling a stepped replay that a message was taken, so that it sends the next one."""

from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header

from ttt_ros.nodes.quality_of_service import LATCHED

CLOCK_TOPIC = "/clock"
TAKEN = "taken"
"""Private topic of the node that takes."""


class Acknowledgement:
    """Publishes a header for each message: its stamp, zero if it has none, and its topic as frame_id."""

    def __init__(self, node: Node) -> None:
        self._node = node
        # Latched, since the one who waits may be discovered after the first message was taken.
        self._publisher = node.create_publisher(Header, f"~/{TAKEN}", LATCHED)

    def taken(self, topic: str, stamp: Time) -> None:
        """Acknowledges the message on ``topic`` (full name) with ``stamp``."""
        self._publisher.publish(Header(stamp=stamp, frame_id=topic))

    def close(self) -> None:
        """Destroys the publisher."""
        self._node.destroy_publisher(self._publisher)
