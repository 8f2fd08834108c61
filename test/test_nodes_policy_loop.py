"""The policy node in closed loop with a robot over DDS."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from example_policies import INSTRUCTIONS, SPECIFICATION

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_policy, start_safeguarded_policy, untrained_rules
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from ttt_ros.msg import ActionChunk, AdaptationStatus

from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.observation import Observation

pytestmark = pytest.mark.ros

PERIOD = SPECIFICATION.period
HORIZON, JOINTS = SPECIFICATION.horizon, len(SPECIFICATION.joint_names)


def test_one_command_is_published_in_every_control_period(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    start_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: len(robot.commands) >= 2, "the first commands")
    for _ in range(30):
        before = len(robot.commands)
        robot.run_for(PERIOD)
        graph.wait_until(lambda before=before: len(robot.commands) > before, "the command of this period")
        assert len(robot.commands) == before + 1


def test_a_command_names_the_joints_and_is_one_waypoint_a_period_ahead(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    start_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: bool(robot.commands), "a command")
    _, command = robot.commands[-1]
    (point,) = command.points
    assert tuple(command.joint_names) == SPECIFICATION.joint_names
    assert len(point.positions) == JOINTS
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, round(PERIOD * 1e9))
    assert nanoseconds(command.header.stamp) == 0  # a controller starts at once


def test_without_blending_every_command_is_a_step_of_a_published_chunk(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    start_policy(graph, robot, tiny_checkpoint, control__blend_steps=0)
    robot.run_until(lambda: len(chunks) > 5, "chunks")
    planned = {row for chunk in chunks.messages for row in map(tuple, np.reshape(chunk.positions, (HORIZON, JOINTS)))}
    commanded = {tuple(message.points[0].positions) for _, message in robot.commands}
    assert len(commanded) > 5
    assert commanded <= planned


def test_the_fields_of_every_chunk_are_consistent(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: len({chunk.weights_version for chunk in chunks.messages}) >= 3, "chunks of three versions")

    checksums = {0: tensor_checksum(load_policy(tiny_checkpoint).base_fast_weights())}
    checksums |= {status.weights_version: status.weights_checksum for status in statuses.messages}
    frames = {stamp for _, stamp in robot.frames}
    for chunk in chunks.messages:
        assert chunk.horizon == HORIZON
        assert tuple(chunk.joint_names) == SPECIFICATION.joint_names
        assert len(chunk.positions) == HORIZON * JOINTS
        assert np.isfinite(chunk.positions).all()
        assert chunk.period == PERIOD
        assert chunk.action_meaning == ActionChunk.ABSOLUTE
        assert chunk.weights_checksum == checksums[chunk.weights_version]
        assert nanoseconds(chunk.header.stamp) in frames
        assert chunk.inference_time > 0.0
    assert all(earlier.sequence < later.sequence for earlier, later in pairwise(chunks.messages))
    assert len({chunk.weights_checksum for chunk in chunks.messages}) == len({chunk.weights_version for chunk in chunks.messages})


def test_every_executed_chunk_is_answered_by_one_adaptation_status(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")

    def answered() -> list[int]:
        return [nanoseconds(status.header.stamp) for status in statuses.messages]

    # The next chunk is asked for early, since a chunk that was played beyond its end makes no transition.
    start_safeguarded_policy(graph, robot, tiny_checkpoint, control__request_at=3, adaptation__queue_size=1000)
    graph.wait_until(lambda: len(chunks) > 30, "chunks", meanwhile=robot.step)
    executed = [nanoseconds(chunk.header.stamp) for chunk in chunks.messages[:-1]]  # the last one still plays
    robot.run_until(lambda: executed[-1] in answered(), "a status for each of them")
    first_window = executed.index(answered()[0])  # before it there are too few transitions to learn from
    assert first_window <= 5
    assert answered()[: len(executed) - first_window] == executed[first_window:]
    assert [status.window_sequence for status in statuses.messages] == list(range(1, len(statuses) + 1))
    assert statuses.latest.dropped_windows == 0


def test_a_chunk_is_what_the_policy_answers_whatever_the_order_of_the_joints(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    robot.joint_order = ("gripper", *reversed(SPECIFICATION.joint_names), "mast")
    robot.positions = np.array([0.1, -0.2, 0.3])
    robot.hold_still = True
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    start_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: len(chunks) > 2, "chunks")

    policy = load_policy(tiny_checkpoint)
    for chunk in chunks.messages:
        stamp = nanoseconds(chunk.header.stamp)
        pictures = {name: np.frombuffer(robot.frames[name, stamp].data, dtype=np.uint8) for name in ("scene", "wrist")}
        observation = Observation(
            stamp=stamp,
            images={name: torch.from_numpy(pixels.reshape(32, 32, 3).copy()) for name, pixels in pictures.items()},
            joint_positions=torch.tensor([0.1, -0.2, 0.3]),
            instruction=INSTRUCTIONS[0],
        )
        expected = policy.act(policy.encode(observation), policy.base_fast_weights())[0]
        np.testing.assert_allclose(np.reshape(chunk.positions, (HORIZON, JOINTS)), expected.numpy(), atol=1e-5)


def test_the_node_works_in_a_namespace(graph: Graph, tiny_checkpoint: Path) -> None:
    robot = RobotStandIn(graph, namespace="left_arm")
    chunks = graph.listen(ActionChunk, "/left_arm/policy/action_chunk")
    rules = str(untrained_rules(tiny_checkpoint.parent))
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": rules}, namespace="left_arm")
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint), namespace="left_arm")
    robot.step()
    graph.bring_up("left_arm/safeguard", "left_arm/policy")
    robot.instruct()
    robot.run_until(lambda: bool(chunks.messages) and chunks.latest.weights_version > 0, "a chunk of adapted weights")
    assert robot.commands


def test_the_topics_can_be_remapped(graph: Graph, tiny_checkpoint: Path) -> None:
    robot = RobotStandIn(graph, namespace="driver")
    chunks = graph.listen(ActionChunk, "/chunks")
    topics = ("joint_states", "joint_trajectory", "instruction", "camera/scene/image_raw", "camera/wrist/image_raw")
    remappings = {topic: f"/driver/{topic}" for topic in topics} | {"~/action_chunk": "/chunks"}
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint), remappings=remappings)
    robot.step()
    graph.bring_up("policy")
    robot.instruct()
    robot.run_until(lambda: len(robot.commands) > 3 and len(chunks) > 1, "commands on the remapped topic")
