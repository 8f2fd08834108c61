"""Raw images between two processes, which the default transport loses."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ros_graph import DEADLINE

from ttt_ros.nodes.transport import Transport, transport_environment

pytestmark = pytest.mark.ros

WARM_UP = 15  # frames while both sides discover each other
FRAMES = 330  # 11 s at 30 Hz
TOPIC = "camera/image_raw"


@pytest.fixture
def environment(ros_domain: int) -> Mapping[str, str]:
    """Of processes that exchange large images; Fast DDS reads its profiles once a process, so those of this one do not count."""
    distribution = {"ROS_DISTRO": os.environ["ROS_DISTRO"]}
    return {**os.environ, **transport_environment(distribution, transport=Transport.LARGE_IMAGES)}


@pytest.fixture
def sender(environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen([*program("image_sender"), TOPIC, str(WARM_UP + FRAMES)], env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def program(name: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name(f"{name}.py"))]


@pytest.mark.usefixtures("sender")
def test_raw_images_of_640x480_at_30_hz_reach_another_process(environment: Mapping[str, str]) -> None:
    enough = str(int(0.99 * FRAMES))
    subprocess.run([*program("image_receiver"), TOPIC, str(WARM_UP), enough], env=environment, timeout=DEADLINE, check=True)
