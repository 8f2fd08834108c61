"""A policy node that was killed comes back in base, says so, and offers what it had learned: over real processes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from policy_under_test import policy_parameters, start_policy, untrained_rules
from robot_stand_in import RobotStandIn
from ros_graph import Graph, Inbox
from std_srvs.srv import Trigger
from ttt_ros.msg import ActionChunk

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.processes import NodeProcess
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.policies.checkpoint import load_policy

pytestmark = pytest.mark.ros

StartProcess = Callable[..., NodeProcess]
REBORN = "reborn"
AS_BEFORE = {"__node": REBORN} | {f"~/{topic}": f"/policy/{topic}" for topic in ("action_chunk", "adaptation_status", "control_status")}
"""For a while the services of a killed process are still there, and would never answer; so its successor has another name."""

PACE = 0.01  # s for each step of the robot: as fast as real time, which other processes can follow


def parameters(checkpoint: Path, folder: Path) -> dict[str, object]:
    given = policy_parameters(checkpoint, adaptation__recovery_directory=str(folder))
    del given["use_sim_time"]  # an option of NodeProcess
    return given


def recover(graph: Graph, name: str = "policy", meanwhile: Callable[[], None] | None = None) -> Trigger.Response:
    return graph.call(Trigger, f"{name}/adaptation/recover", Trigger.Request(), meanwhile=meanwhile)


def status_of_recovery(graph: Graph, name: str, inbox: Inbox[DiagnosticArray], step: Callable[[], None]) -> DiagnosticStatus:
    """The node's newest status, once there is one that was published after this call."""
    seen = len(inbox)

    def found() -> list[DiagnosticStatus]:
        return [
            each
            for message in inbox.messages[seen:]
            for each in message.status
            if each.hardware_id == f"/{name}" and each.name == f"{name}: recovery"
        ]

    graph.wait_until(lambda: bool(found()), "the status of the recovery", meanwhile=step, spin=PACE)
    return found()[-1]


def test_a_killed_policy_comes_back_in_base_and_its_trusted_weights_on_request_alone(
    graph: Graph, robot: RobotStandIn, start_process: StartProcess, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "recovery"
    chunks, health = graph.listen(ActionChunk, "policy/action_chunk"), graph.listen(DiagnosticArray, "/diagnostics")
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": str(untrained_rules(tmp_path))})
    killed = start_process("policy_node", parameters=parameters(tiny_checkpoint, folder))
    robot.step()
    graph.bring_up("safeguard", "policy")
    robot.instruct()
    graph.wait_until((folder / "trusted.safetensors").exists, "trusted weights on disk", meanwhile=robot.step, spin=PACE)
    os.kill(killed.pid, signal.SIGKILL)
    graph.wait_until(lambda: killed.exit_code == -signal.SIGKILL, "the end of the policy")
    policy = load_policy(tiny_checkpoint)
    base = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=1).base
    trusted = snapshot.load(folder / "trusted.safetensors", base=base, base_checksum=policy.checksum, drift_limit=1.0)

    start_process("policy_node", parameters=parameters(tiny_checkpoint, folder), remappings=AS_BEFORE)
    graph.bring_up(REBORN)
    graph.wait_for_log(
        f"came back after a crash and acts in base: the run of process {killed.pid}", "is offered by /reborn/adaptation/recover"
    )
    before = len(chunks)
    graph.wait_until(lambda: len(chunks) > before, "a chunk", meanwhile=robot.step, spin=PACE)
    assert chunks.messages[before].weights_version == 0
    status = status_of_recovery(graph, REBORN, health, robot.step)
    assert status.level == DiagnosticStatus.WARN
    assert f"its version {trusted.number} ({trusted.checksum:.12})" in status.message

    answers: list[Trigger.Response] = []

    def asked() -> bool:
        answers.append(recover(graph, REBORN, robot.step))
        return answers[-1].success

    graph.wait_until(asked, "the recovery", meanwhile=robot.step, spin=PACE)
    assert all("does not permit adapting yet" in answer.message for answer in answers[:-1])
    epoch = int(answers[-1].message.rsplit(" ", 1)[-1])
    graph.wait_until(lambda: chunks.latest.reset_epoch >= epoch, "a chunk after it", meanwhile=robot.step, spin=PACE)
    first = next(chunk for chunk in chunks.messages[before:] if chunk.reset_epoch >= epoch)
    assert (first.reset_epoch, first.weights_checksum) == (epoch, trusted.checksum)
    assert first.weights_version > 0
    assert status_of_recovery(graph, REBORN, health, robot.step).level == DiagnosticStatus.OK
    assert "recovered before" in recover(graph, REBORN, robot.step).message


def test_a_policy_that_a_signal_ended_leaves_nothing_to_tell(
    graph: Graph, start_process: StartProcess, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    ended = start_process("policy_node", parameters=parameters(tiny_checkpoint, tmp_path))
    graph.bring_up("policy")
    assert (tmp_path / "running.json").exists()
    assert ended.stop() == 0
    assert not (tmp_path / "running.json").exists()


def test_a_second_node_on_the_folder_works_on_without_it(
    graph: Graph, robot: RobotStandIn, start_process: StartProcess, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    first = start_process("policy_node", parameters=parameters(tiny_checkpoint, tmp_path), remappings={"__ns": "/first"})
    graph.bring_up("first/policy")
    chunks, health = graph.listen(ActionChunk, "policy/action_chunk"), graph.listen(DiagnosticArray, "/diagnostics")
    start_policy(graph, robot, tiny_checkpoint, adaptation__recovery_directory=str(tmp_path))
    graph.wait_for_log(f"process {first.pid} uses the recovery folder", "give each node a folder of its own")
    robot.run_until(lambda: len(chunks) > 2, "chunks")
    assert status_of_recovery(graph, "policy", health, robot.step).level == DiagnosticStatus.WARN
    assert f"process {first.pid} uses" in recover(graph, meanwhile=robot.step).message


def test_without_a_folder_the_service_says_what_to_set(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    assert graph.transition("policy", "configure")
    answer = recover(graph)
    assert not answer.success
    assert "set adaptation.recovery_directory" in answer.message


def test_an_exception_that_ends_the_process_counts_as_a_crash(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    start_policy(graph, robot, tiny_checkpoint, adaptation__recovery_directory=str(tmp_path))
    node = graph.followers()[0]
    try:
        raise RuntimeError("a callback has failed")
    except RuntimeError:
        node.close()
    assert (tmp_path / "running.json").exists()
