"""A program of its own: publishes raw images as a camera driver does, numbered in their frame_id, once somebody listens.

python image_sender.py TOPIC COUNT
"""

import sys

import numpy as np
import rclpy
from sensor_msgs.msg import Image

from ttt_ros.nodes.quality_of_service import SENSOR

HEIGHT, WIDTH, RATE = 480, 640, 30.0


def main() -> None:
    """Publishes and stays until it is ended, because a middleware may drop what it has not sent when it ends."""
    topic, count = sys.argv[1], int(sys.argv[2])
    rclpy.init()
    node = rclpy.create_node("image_sender")
    publisher = node.create_publisher(Image, topic, SENSOR)
    image = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    image.data = np.random.default_rng(0).integers(0, 256, HEIGHT * WIDTH * 3, dtype=np.uint8).tobytes()
    sent = 0

    def send() -> None:
        nonlocal sent
        if sent < count and publisher.get_subscription_count() > 0:
            image.header.frame_id = str(sent)
            image.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(image)
            sent += 1

    node.create_timer(1.0 / RATE, send)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
