"""What only real processes show: signals, a process that is killed, and refusals at start."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_policy
from rclpy.lifecycle import TransitionCallbackReturn
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from ttt_ros.msg import ActionChunk

from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.processes import STOP_TIMEOUT, NodeProcess
from ttt_ros.nodes.stamps import nanoseconds

pytestmark = pytest.mark.ros

StartProcess = Callable[..., NodeProcess]


def test_a_process_that_was_never_started_has_nothing_to_end(tmp_path: Path) -> None:
    assert NodeProcess(executable="policy_node", log=tmp_path / "log").stop() == 0


def wait_for_exit(graph: Graph, process: NodeProcess) -> int:
    """The exit code of a process that is about to end."""
    graph.wait_until(lambda: process.exit_code is not None, f"the end of {process.executable}")
    assert process.exit_code is not None
    return process.exit_code


def process_parameters(checkpoint: Path) -> dict[str, object]:
    parameters = policy_parameters(checkpoint)
    del parameters["use_sim_time"]  # an option of NodeProcess
    return parameters


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_active_node_with_exit_code_0_and_the_shutdown_transition(
    graph: Graph, start_process: StartProcess, tiny_checkpoint: Path, tmp_path: Path, number: signal.Signals
) -> None:
    processes = {
        "simulation": start_process("simulation_node", parameters={"image_width": 32, "image_height": 32}, use_sim_time=False),
        "recorder": start_process("recorder_node", parameters={"path": tmp_path / "bag"}),
        "safeguard": start_process("safeguard_node"),
        "policy": start_process("policy_node", parameters=process_parameters(tiny_checkpoint)),
    }
    graph.bring_up("safeguard", "policy")
    for name in ("simulation", "recorder"):
        graph.wait_until(lambda name=name: name in graph.tester.get_node_names(), f"node {name}")

    asked = time.monotonic()
    for process in processes.values():
        os.kill(process.pid, number)
    codes = {name: wait_for_exit(graph, process) for name, process in processes.items()}
    assert time.monotonic() - asked < STOP_TIMEOUT  # after which NodeProcess.stop would have killed them
    logs = {name: process.log.read_text() for name, process in processes.items()}
    assert codes == dict.fromkeys(processes, 0), logs
    assert "[safeguard]: shut down" in logs["safeguard"]
    assert "[policy]: shut down" in logs["policy"]


def test_the_policy_goes_to_base_within_the_validity_when_the_safeguard_is_killed(
    graph: Graph, robot: RobotStandIn, start_process: StartProcess, tiny_checkpoint: Path
) -> None:
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    safeguard = start_process("safeguard_node")
    robot.step()
    graph.bring_up("safeguard")
    start_policy(graph, robot, tiny_checkpoint)
    # At most as fast as real time, which the other process can follow.
    graph.wait_until(
        lambda: bool(chunks.messages) and chunks.latest.weights_version >= 2, "the second version", meanwhile=robot.step, spin=0.01
    )
    killed_at = robot.now
    os.kill(safeguard.pid, signal.SIGKILL)
    assert wait_for_exit(graph, safeguard) == -signal.SIGKILL

    robot.run_until(lambda: chunks.latest.weights_version == 0, "a chunk of the base policy")
    assert nanoseconds(chunks.latest.header.stamp) - killed_at < 1e9
    graph.wait_for_log("policy: mode base: the safeguard is silent", "above 0.14 s")
    base_since = len(chunks)
    robot.run_until(lambda: len(chunks) > base_since + 5, "further chunks")
    assert {chunk.weights_version for chunk in chunks.messages[base_since:]} == {0}


def test_a_policy_can_come_back_after_its_process_was_killed(graph: Graph, start_process: StartProcess, tiny_checkpoint: Path) -> None:
    killed = start_process("policy_node", parameters=process_parameters(tiny_checkpoint))
    graph.bring_up("policy")
    graph.wait_until(lambda: graph.tester.count_publishers("/joint_trajectory") == 1, "its publisher")
    os.kill(killed.pid, signal.SIGKILL)
    wait_for_exit(graph, killed)
    assert graph.tester.count_publishers("/joint_trajectory") == 1  # a ghost: DDS has not noticed yet

    graph.start(PolicyNode, policy_parameters(tiny_checkpoint), remappings={"__node": "new_policy"})
    graph.bring_up("new_policy")


def test_a_second_policy_process_of_the_same_name_is_refused(graph: Graph, start_process: StartProcess, tiny_checkpoint: Path) -> None:
    start_process("policy_node", parameters=process_parameters(tiny_checkpoint))
    graph.bring_up("policy")
    second = graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    assert second.node.trigger_configure() == TransitionCallbackReturn.FAILURE  # the service of that name is the first one's as well
    graph.wait_for_log("policy", "/policy already publishes /joint_trajectory", "stop it", "namespace of its own")


@pytest.mark.parametrize("executable", ["policy_node", "simulation_node"])
def test_an_unknown_key_in_the_parameter_file_ends_the_process_with_exit_code_1_and_its_name(
    graph: Graph, start_process: StartProcess, tmp_path: Path, executable: str
) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    robot:\n      colour: red\n")
    process = start_process(executable, parameter_file=file)
    assert wait_for_exit(graph, process) == 1
    log = process.log.read_text()
    assert "unknown parameter robot.colour" in log
    assert "correct the parameter file" in log
    assert "Traceback" not in log


def test_a_simulation_without_a_gl_library_ends_with_exit_code_1_and_the_packages_to_install(
    graph: Graph, start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    process = start_process("simulation_node", use_sim_time=False)
    assert wait_for_exit(graph, process) == 1
    log = process.log.read_text()
    assert "install the Debian packages libegl1" in log
    assert "Traceback" not in log
