"""A program of its own: ends once it has received so many different raw images of those that are numbered from FIRST on.

python image_receiver.py TOPIC FIRST COUNT
"""

import sys

import rclpy
from sensor_msgs.msg import Image

from ttt_ros.nodes.recorder_node import DEEP_SENSOR


def main() -> None:
    """Receives with a deep queue, so that frames are lost by the transport alone and not by a machine that is too busy to read them."""
    topic, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rclpy.init()
    node = rclpy.create_node("image_receiver")
    received: set[int] = set()
    node.create_subscription(Image, topic, lambda image: received.add(int(image.header.frame_id)), DEEP_SENSOR)
    while sum(number >= first for number in received) < count:
        rclpy.spin_once(node)


if __name__ == "__main__":
    main()
