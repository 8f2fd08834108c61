"""The policy node beside another controller: it commands nothing, and learns from what that one commands."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray
from example_policies import SPECIFICATION
from policy_under_test import start_safeguarded_policy
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from ttt_ros.msg import ActionChunk, AdaptationStatus

from ttt_ros.nodes.quality_of_service import RELIABLE

pytestmark = pytest.mark.ros


class Teleoperator:
    """Sends a command in every step of the robot's time."""

    def __init__(self, graph: Graph, robot: RobotStandIn) -> None:
        self._publisher = graph.tester.create_publisher(JointTrajectory, "joint_trajectory", RELIABLE)
        self._robot = robot
        robot.each_step = self._command

    def _command(self) -> None:
        positions = np.sin(self._robot.now / 1e9 + np.arange(len(SPECIFICATION.joint_names)))
        point = JointTrajectoryPoint(positions=positions.tolist())
        self._publisher.publish(JointTrajectory(joint_names=list(SPECIFICATION.joint_names), points=[point]))


def test_a_shadow_announces_chunks_learns_from_others_and_commands_nothing(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    Teleoperator(graph, robot)
    start_safeguarded_policy(graph, robot, tiny_checkpoint, control__shadow=True)
    robot.run_until(lambda: bool(statuses.messages) and statuses.latest.committed, "a committed update")
    assert chunks.messages
    publishers = graph.tester.get_publishers_info_by_topic("/joint_trajectory")
    assert [publisher.node_name for publisher in publishers] == ["tester"]
    controls = [each for report in reports.messages for each in report.status if each.name.endswith("control")]
    assert controls[-1].message.startswith("in shadow, ")
    assert {value.key: value.value for value in controls[-1].values}["shadow"] == "True"


def test_without_a_topic_of_commands_a_shadow_learns_from_what_is_measured(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint, control__shadow=True, control__commands_topic="")
    robot.run_until(lambda: bool(statuses.messages), "a window")


def test_a_shadow_learns_nothing_while_nobody_commands(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint, control__shadow=True)
    robot.run_until(lambda: len(chunks) >= 20, "chunks")
    assert not statuses.messages


@pytest.mark.parametrize(
    ("joints", "position", "message"),
    [
        (["elsewhere"], 0.0, "positions of elsewhere, but not of"),
        (list(SPECIFICATION.joint_names), float("nan"), "finite positions; it is left out"),
    ],
)
def test_a_command_that_cannot_be_executed_is_reported_and_left_out(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, joints: list[str], position: float, message: str
) -> None:
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    robot.hold_still = True
    start_safeguarded_policy(graph, robot, tiny_checkpoint, control__shadow=True)
    commands = graph.publisher(JointTrajectory, "joint_trajectory", RELIABLE)
    commands.publish(JointTrajectory(joint_names=joints, points=[JointTrajectoryPoint(positions=[position] * len(joints))]))
    graph.wait_for_log("policy", message)
    robot.run_for(1.0)
    assert not statuses.messages
