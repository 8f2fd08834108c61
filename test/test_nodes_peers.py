"""Finding other nodes that command the same robot."""

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from rclpy.context import Context
from rclpy.node import Node
from ros_graph import DEADLINE
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.nodes.peers import live_publishers

pytestmark = pytest.mark.ros

TOPIC = "joint_trajectory"


@pytest.fixture
def nodes(ros_domain: int) -> Iterator[tuple[Node, Node]]:
    """One that looks and one that may command, each with a DDS participant of its own."""
    contexts = [Context(), Context()]
    for context in contexts:
        context.init(domain_id=ros_domain)
    looking, other = (Node(name, context=context) for name, context in zip(("looking", "other"), contexts, strict=True))
    yield looking, other
    for node in (looking, other):
        node.destroy_node()
    for context in contexts:
        context.shutdown()


def test_one_that_is_discovered_late_is_waited_for(nodes: tuple[Node, Node]) -> None:
    looking, other = nodes
    late = threading.Timer(0.3, other.create_publisher, (JointTrajectory, TOPIC, 1))
    late.start()
    assert live_publishers(looking, TOPIC, own=0, wait=DEADLINE) == ["/other"]
    late.join()


def test_where_nobody_commands_there_is_nobody(nodes: tuple[Node, Node]) -> None:
    assert live_publishers(nodes[0], TOPIC, own=0, wait=0.2) == []


def test_publishers_of_its_own_are_left_out(nodes: tuple[Node, Node]) -> None:
    nodes[0].create_publisher(JointTrajectory, TOPIC, 1)
    assert live_publishers(nodes[0], TOPIC, own=0, wait=DEADLINE) == ["/looking"]
    assert live_publishers(nodes[0], TOPIC, own=1, wait=0.0) == []
