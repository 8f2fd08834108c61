"""Bytes that are no message, from a publisher that obeys no type: the policy node leaves them out and goes on."""

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from example_policies import INSTRUCTIONS
from policy_under_test import start_policy
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from ttt_ros.msg import ActionChunk, SafeguardState

from ttt_ros.nodes.quality_of_service import LATCHED, SENSOR
from ttt_ros.nodes.stamps import nanoseconds

pytestmark = pytest.mark.ros

STREAMS: tuple[tuple[object, str, QoSProfile], ...] = (
    (JointState(name=["shoulder", "elbow"], position=[0.1, 0.2]), "joint_states", SENSOR),
    (Image(encoding="rgb8", height=2, width=2, step=6, data=bytes(12)), "camera/scene/image_raw", SENSOR),
    (String(data="touch the red cube"), "instruction", LATCHED),
    (SafeguardState(mode=SafeguardState.FROZEN, permit_validity=0.2, reasons=["why"]), "safeguard/state", LATCHED),
)


def garbled(random: Random, sound: bytes) -> bytes:
    """Cut off, with a length of nearly 2^32, with another encoding, or with bytes that are no text."""
    place = 4 * random.randrange(1, len(sound) // 4)
    return random.choice(
        (
            sound[:4],
            sound[:place],
            sound[:place] + b"\xfe\xff\xff\xff" + sound[place + 4 :],
            b"\x00\x0b" + sound[2:],
            sound[:place] + b"\xff\xc0\x80\x00" + sound[place + 4 :],
        )
    )


def test_the_policy_node_outlives_garbled_bytes_on_every_topic(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    random = Random(0)
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    start_policy(graph, robot, tiny_checkpoint)
    for message, topic, profile in STREAMS:
        publisher = graph.publisher(type(message), topic, profile)
        for _ in range(25):
            publisher.publish(garbled(random, serialize_message(message)))
            robot.run_for(0.01)
        graph.tester.destroy_publisher(publisher)
    robot.instruct(INSTRUCTIONS[1])
    start = robot.now
    robot.run_until(lambda: bool(chunks.messages) and nanoseconds(chunks.latest.header.stamp) > start, "a chunk for what is seen now")
