"""The shipped policies and configurations with the simulation, over DDS in one process."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ament_index_python.packages import get_package_share_directory
from ros_graph import Graph
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState

from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.quality_of_service import LATCHED
from ttt_ros.nodes.recorder_node import DEEP_SENSOR
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.nodes.simulation_node import SimulationNode
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.tasks import POINT_TOLERANCE

pytestmark = pytest.mark.ros

SPEED = 0.3  # of real time, since one process and perhaps a busy machine do the work of three


def start(graph: Graph, suffix: str, *, namespace: str = "") -> None:
    """Starts the three nodes with the parameter files whose names end in ``suffix``."""
    config = Path(get_package_share_directory("ttt_ros"), "config")
    for kind, parameters in (
        (SimulationNode, {"real_time_factor": SPEED}),
        (SafeguardNode, {"use_sim_time": True}),
        (PolicyNode, {"use_sim_time": True, "control.max_inference_time": 60.0, "control.discovery_time": 0.0}),
    ):
        name = kind.__name__.removesuffix("Node").lower()
        graph.start(kind, parameters, namespace=namespace or None, parameter_file=config / f"{name}_node{suffix}.yaml")


@pytest.mark.parametrize("namespace", ["", "left_arm"])
def test_the_reactive_policy_moves_the_simulated_arm_and_adapts(graph: Graph, namespace: str) -> None:
    prefix = f"/{namespace}" if namespace else ""
    joints = graph.listen(JointState, f"{prefix}/joint_states", DEEP_SENSOR)
    commands = graph.listen(JointTrajectory, f"{prefix}/joint_trajectory")
    chunks = graph.listen(ActionChunk, f"{prefix}/policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, f"{prefix}/policy/adaptation_status")
    states = graph.listen(SafeguardState, f"{prefix}/safeguard/state", LATCHED)

    start(graph, "_reactive", namespace=namespace)
    graph.wait_until(lambda: bool(joints.messages), "the simulation")
    graph.bring_up(f"{prefix}/safeguard", f"{prefix}/policy")
    graph.publisher(String, f"{prefix}/instruction", LATCHED).publish(String(data="touch the red cube"))

    graph.wait_until(lambda: bool(chunks.messages) and chunks.latest.weights_version >= 2, "a chunk of the second version")
    assert states.latest.mode == SafeguardState.ADAPTING
    assert tuple(commands.latest.joint_names) == JOINT_NAMES
    moved = np.ptp([message.position for message in joints.messages], axis=0)
    assert moved[:4].max() > 0.1  # rad; the joints that carry the hand
    assert any(status.committed for status in statuses.messages)

    epoch = chunks.latest.reset_epoch
    assert graph.call(Trigger, f"{prefix}/simulation/reset", Trigger.Request()).success
    assert graph.call(Trigger, f"{prefix}/policy/adaptation/reset", Trigger.Request()).success
    graph.wait_until(lambda: chunks.latest.reset_epoch > epoch, "a chunk of the new episode")
    assert chunks.latest.weights_version == 0


def test_the_shipped_policy_points_with_one_chunk_for_each_instruction_and_learns_from_where_its_hand_ended(graph: Graph) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    states = graph.listen(SafeguardState, "safeguard/state", LATCHED)
    settled = graph.listen(Float64, "simulation/settled")
    joints = graph.listen(JointState, "joint_states", DEEP_SENSOR)
    start(graph, "")
    graph.wait_until(lambda: bool(joints.messages), "the simulation")
    graph.bring_up("safeguard", "policy")
    instructions = graph.publisher(String, "instruction", LATCHED)

    for goal in range(3):
        for words in ("point at the red cube", "return to rest"):
            told = len(settled)
            instructions.publish(String(data=words))
            graph.wait_until(lambda told=told: len(settled) > told, "the arm at rest")
        assert settled.messages[2 * goal].data <= POINT_TOLERANCE
        assert graph.call(Trigger, "simulation/rearrange", Trigger.Request()).success
    assert len(chunks) == 6
    assert states.latest.mode == SafeguardState.ADAPTING
    graph.wait_until(lambda: any(status.committed for status in statuses.messages), "an update")
    assert chunks.latest.weights_version > 0
    assert len(statuses) == 3  # there is nothing to learn from the way back to rest
