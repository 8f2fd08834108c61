"""Raw images between two processes, which the default transport loses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ros_graph import Graph
from sensor_msgs.msg import Image

from ttt_ros.nodes.recorder_node import DEEP_SENSOR
from ttt_ros.nodes.transport import transport_environment

pytestmark = pytest.mark.ros

WARM_UP = 15  # frames while both sides discover each other
FRAMES = 330  # 11 s at 30 Hz
SENDER = Path(__file__).with_name("image_sender.py")


@pytest.fixture
def ros_domain(ros_domain: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """With the transport for large images instead."""
    for name, value in transport_environment({"ROS_DISTRO": os.environ["ROS_DISTRO"]}, large_images=True).items():
        monkeypatch.setenv(name, value)
    return ros_domain


@pytest.fixture
def sender(graph: Graph) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, str(SENDER), "camera/image_raw", str(WARM_UP + FRAMES)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("sender")
def test_raw_images_of_640x480_at_30_hz_reach_another_process(graph: Graph) -> None:
    received: set[int] = set()
    # A deep queue, so that frames are lost by the transport alone and not by a test that a busy machine does not let read them.
    graph.tester.create_subscription(Image, "camera/image_raw", lambda image: received.add(int(image.header.frame_id)), DEEP_SENSOR)
    graph.wait_until(lambda: len(received.difference(range(WARM_UP))) >= 0.99 * FRAMES, f"99 % of {FRAMES} frames")
