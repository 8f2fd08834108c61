"""Spoiled bytes on every topic that the nodes hear: both stay active, whatever they make of it."""

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from fuzz_mutations import mutated
from policy_under_test import start_safeguarded_policy
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, ModuleDrift, SafeguardState

from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR

pytestmark = pytest.mark.ros

MESSAGES = 40

HEARD: tuple[tuple[str, object, QoSProfile], ...] = (
    ("camera/scene/image_raw", Image(encoding="rgb8", height=32, width=32, step=96, data=bytes(3072)), SENSOR),
    ("joint_states", JointState(name=["shoulder", "elbow", "wrist"], position=[0.0, 0.0, 0.0]), SENSOR),
    ("instruction", String(data="touch the red cube"), LATCHED),
    ("joint_trajectory", JointTrajectory(joint_names=["elbow"], points=[JointTrajectoryPoint(positions=[0.0])]), RELIABLE),
    ("safeguard/state", SafeguardState(mode=1, permit_validity=0.2, reasons=["because"]), LATCHED),
    ("policy/action_chunk", ActionChunk(joint_names=["elbow"], positions=[0.0] * 4), RELIABLE),
    ("policy/adaptation_status", AdaptationStatus(module_drift=[ModuleDrift(module="late.0", relative=0.1)]), RELIABLE),
    ("policy/control_status", ControlStatus(jitter=0.1, adaptation_alive=True), RELIABLE),
)


@pytest.mark.parametrize(("topic", "message", "profile"), HEARD, ids=[topic for topic, _, _ in HEARD])
def test_spoiled_bytes_on_a_topic_end_no_node(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, topic: str, message: object, profile: QoSProfile
) -> None:
    start_safeguarded_policy(graph, robot, tiny_checkpoint)
    robot.hold_still = True
    publisher, sound = graph.publisher(type(message), topic, profile), serialize_message(message)
    for number in range(MESSAGES):
        publisher.publish(mutated(Random(number), sound[:200]) + sound[200:])
        robot.step()
    robot.run_for(0.3)
    assert graph.state("policy") == graph.state("safeguard") == "active"
