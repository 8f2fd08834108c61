"""The services of the policy node and what they change in the messages that follow."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_safeguarded_policy
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from std_srvs.srv import SetBool, Trigger
from ttt_ros.msg import ActionChunk, AdaptationStatus

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.checkpoint import load_policy

pytestmark = pytest.mark.ros


class Adapting:
    """The policy node, which has adapted for some versions under a real safeguard."""

    def __init__(self, graph: Graph, robot: RobotStandIn, checkpoint: Path, **changes: object) -> None:
        self.graph, self.robot = graph, robot
        self.chunks = graph.listen(ActionChunk, "policy/action_chunk")
        self.statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
        start_safeguarded_policy(graph, robot, checkpoint, **changes)
        self.run_until(lambda chunk: chunk.weights_version >= 4, "the fourth version")

    def run_until(self, condition: Callable[[ActionChunk], bool], what: str) -> ActionChunk:
        """Lets time pass until a chunk fulfils ``condition``; returns it."""
        self.robot.run_until(lambda: bool(self.chunks.messages) and condition(self.chunks.latest), what)
        return self.chunks.latest

    def trigger(self, service: str) -> Trigger.Response:
        """Calls a Trigger service of the adaptation."""
        return self.graph.call(Trigger, f"policy/adaptation/{service}", Trigger.Request())

    def enable(self, enabled: bool) -> None:
        """Calls the enable service."""
        assert self.graph.call(SetBool, "policy/adaptation/enable", SetBool.Request(data=enabled)).success


@pytest.fixture
def adapting(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> Adapting:
    return Adapting(graph, robot, tiny_checkpoint)


def test_reset_brings_the_base_back_in_a_new_epoch(adapting: Adapting) -> None:
    epoch, last = adapting.chunks.latest.reset_epoch, adapting.chunks.latest.weights_version
    answer = adapting.trigger("reset")
    assert answer.success
    assert "version 0" in answer.message
    chunk = adapting.run_until(lambda chunk: chunk.reset_epoch > epoch, "a chunk of the new epoch")
    assert (chunk.weights_version, chunk.reset_epoch) == (0, epoch + 1)
    assert adapting.run_until(lambda chunk: chunk.weights_version > 0, "a new version").weights_version > last


def test_rollback_brings_the_version_before_the_newest_back(adapting: Adapting) -> None:
    adapting.enable(False)
    adapting.robot.run_for(0.5)
    epoch, newest = adapting.chunks.latest.reset_epoch, adapting.statuses.latest.weights_version
    for earlier in (newest - 1, newest - 2):
        answer = adapting.trigger("rollback")
        assert answer.success
        assert answer.message == f"version {earlier}"
    chunk = adapting.run_until(lambda chunk: chunk.reset_epoch == epoch + 2, "a chunk after two rollbacks")
    assert chunk.weights_version == newest - 2
    committed = {status.weights_version: status.weights_checksum for status in adapting.statuses.messages if status.committed}
    assert chunk.weights_checksum == committed[newest - 2]


def test_disabled_adaptation_reports_no_window_and_keeps_the_weights_and_goes_on_when_enabled(adapting: Adapting) -> None:
    adapting.enable(False)
    disabled = adapting.robot.now
    adapting.robot.run_for(1.5)
    adapting.run_until(lambda chunk: chunk.weights_version == adapting.statuses.latest.weights_version, "a chunk of the last version")
    version = adapting.statuses.latest.weights_version
    # A window that was handed over before may still be reported; none may hold what came after.
    assert all(nanoseconds(status.header.stamp) < disabled for status in adapting.statuses.messages)
    adapting.enable(True)
    adapting.run_until(lambda chunk: chunk.weights_version > version, "a new version")


def test_disabled_adaptation_stays_disabled_when_another_parameter_changes(adapting: Adapting) -> None:
    adapting.enable(False)
    (result,) = adapting.graph.set_parameters("policy", {"adaptation.learning_rate": 0.01})
    assert result.successful, result.reason
    adapting.robot.run_for(0.5)  # what was handed over before is reported
    reported = len(adapting.statuses)
    adapting.robot.run_for(1.5)
    assert len(adapting.statuses) == reported


def test_saved_weights_are_those_in_force_and_a_new_node_can_begin_with_them(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "saved.safetensors"
    adapting = Adapting(graph, robot, tiny_checkpoint, adaptation__save_path=str(path))
    adapting.enable(False)
    adapting.robot.run_for(0.5)
    answer = adapting.trigger("save")
    assert answer.success
    assert str(path) in answer.message

    policy = load_policy(tiny_checkpoint)
    base = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=1).base
    saved = snapshot.load(path, base=base, base_checksum=policy.checksum, drift_limit=1.0)
    assert saved.checksum == adapting.statuses.latest.weights_checksum

    assert graph.transition("policy", "deactivate")
    assert graph.transition("policy", "cleanup")
    parameters = policy_parameters(tiny_checkpoint, adaptation__initial_weights=str(path), adaptation__enabled=False)
    graph.start(PolicyNode, parameters, remappings={"__node": "second"})
    chunks = graph.listen(ActionChunk, "second/action_chunk")
    graph.bring_up("second")
    robot.run_until(lambda: bool(chunks.messages) and chunks.latest.weights_version > 0, "a chunk of the weights to begin with")
    assert chunks.latest.weights_checksum == saved.checksum


def test_a_snapshot_that_cannot_be_written_is_an_answer_that_says_why(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "saved.safetensors"
    adapting = Adapting(graph, robot, tiny_checkpoint, adaptation__save_path=str(path))
    answer = adapting.trigger("save")
    assert not answer.success
    assert f"cannot write snapshot {path}" in answer.message
    before = len(adapting.chunks)
    adapting.robot.run_until(lambda: len(adapting.chunks) > before + 2, "chunks as before")


def test_the_services_are_there_from_configure_to_cleanup(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    client = graph.tester.create_client(Trigger, "policy/adaptation/reset")
    assert not client.service_is_ready()
    assert graph.transition("policy", "configure")
    graph.wait_until(client.service_is_ready, "the service")
    assert graph.transition("policy", "cleanup")
    graph.wait_until(lambda: not client.service_is_ready(), "the service's end")
