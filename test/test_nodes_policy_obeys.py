"""The policy node under a safeguard's orders, and without any."""

import math
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from policy_under_test import start_policy, start_safeguarded_policy
from robot_stand_in import CAMERAS, RobotStandIn
from ros_graph import Graph, Inbox
from safeguard_stand_in import SafeguardStandIn
from std_srvs.srv import Trigger
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, SafeguardState

from ttt_ros.nodes.quality_of_service import LATCHED
from ttt_ros.nodes.stamps import nanoseconds

pytestmark = pytest.mark.ros


class Ordered:
    """The policy node at work under a safeguard that the test plays."""

    def __init__(self, graph: Graph, robot: RobotStandIn, checkpoint: Path, **changes: object) -> None:
        self.graph, self.robot = graph, robot
        self.chunks = graph.listen(ActionChunk, "policy/action_chunk")
        self.statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
        self.diagnostics = graph.listen(DiagnosticArray, "/diagnostics")
        start_policy(graph, robot, checkpoint, **changes)
        self.safeguard = SafeguardStandIn(graph)

    def permit(self, **options: float) -> None:
        """Orders mode adapting for good: one order after a silence is not enough."""
        for _ in range(2):
            self.safeguard.order(SafeguardState.ADAPTING, **options)
            self.robot.run_for(0.05)
        self.robot.each_step = self.safeguard.repeat

    def adapt_until(self, version: int) -> None:
        """Permits adaptation until a chunk is computed with ``version`` or a newer one."""
        self.permit()
        self.robot.run_until(lambda: bool(self.chunks.messages) and self.chunks.latest.weights_version >= version, f"version {version}")

    def new_chunks(self, count: int = 5) -> list[ActionChunk]:
        """The next ``count`` chunks that answer observations made from now on."""
        start = self.robot.now

        def found() -> list[ActionChunk]:
            return [chunk for chunk in self.chunks.messages if nanoseconds(chunk.header.stamp) > start]

        self.robot.run_until(lambda: len(found()) >= count, "new chunks")
        return found()

    def control_status(self) -> DiagnosticStatus:
        """The next status of the control loop on /diagnostics that was made from now on."""
        start = self.robot.now

        def found() -> list[DiagnosticStatus]:
            made = [array for array in self.diagnostics.messages if nanoseconds(array.header.stamp) > start]
            return [status for array in made for status in array.status if status.name == "policy: control"]

        self.robot.run_until(lambda: bool(found()), "diagnostics")
        return found()[0]


@pytest.fixture
def ordered(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> Ordered:
    return Ordered(graph, robot, tiny_checkpoint)


def test_without_a_safeguard_the_base_policy_acts_and_nothing_is_committed(ordered: Ordered) -> None:
    chunks = ordered.new_chunks(12)
    ordered.robot.run_until(lambda: len(ordered.statuses) > 3, "adaptation statuses")
    assert {chunk.weights_version for chunk in chunks} == {0}
    assert not any(status.committed for status in ordered.statuses.messages)
    assert all(status.withheld and "not permitted" in status.reason for status in ordered.statuses.messages)
    status = ordered.control_status()
    assert status.level == DiagnosticStatus.WARN
    assert status.message == "mode base: no safeguard has been heard; start the safeguard node"


def test_adaptation_begins_with_the_permit(ordered: Ordered) -> None:
    ordered.new_chunks(8)
    ordered.adapt_until(2)
    assert ordered.control_status().message == "mode adapting"


def test_one_permit_after_a_silence_is_not_enough(ordered: Ordered) -> None:
    ordered.safeguard.order(SafeguardState.ADAPTING)
    ordered.new_chunks(10)
    assert "heard once since a silence" in ordered.control_status().message
    assert not any(status.committed for status in ordered.statuses.messages)


def test_an_order_expires_after_its_validity_and_base_acts_again(ordered: Ordered) -> None:
    ordered.adapt_until(2)
    ordered.safeguard.order(SafeguardState.ADAPTING, validity=0.2)
    ordered.robot.run_for(0.4)
    assert {chunk.weights_version for chunk in ordered.new_chunks()} == {0}
    message = ordered.control_status().message
    assert message.startswith("mode base: the safeguard is silent")
    assert "above 0.2 s" in message


def test_in_base_version_0_acts_and_adapted_versions_are_gone(ordered: Ordered) -> None:
    ordered.adapt_until(3)
    last = ordered.chunks.latest.weights_version
    ordered.safeguard.order(SafeguardState.BASE, reasons=("drift_total 0.6 above 0.5",))
    chunks = ordered.new_chunks()
    assert {chunk.weights_version for chunk in chunks} == {0}
    assert "drift_total 0.6 above 0.5" in ordered.control_status().message
    ordered.permit()
    ordered.robot.run_until(lambda: ordered.chunks.latest.weights_version > 0, "a new version")
    assert ordered.chunks.latest.weights_version > last  # a number is never given twice


def test_in_frozen_the_trusted_version_acts_and_nothing_is_committed(ordered: Ordered) -> None:
    ordered.adapt_until(5)
    trusted = 2
    ordered.safeguard.order(SafeguardState.FROZEN, trusted_version=trusted)
    chunks = ordered.new_chunks(10)
    assert {chunk.weights_version for chunk in chunks} == {trusted}
    (checksum,) = {chunk.weights_checksum for chunk in chunks}
    assert checksum == next(status.weights_checksum for status in ordered.statuses.messages if status.weights_version == trusted)
    epoch = chunks[0].reset_epoch
    after = [status for status in ordered.statuses.messages if status.reset_epoch == epoch]
    assert after
    assert all(status.withheld and not status.committed for status in after)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (SafeguardState(mode=77, permit_validity=1.0), "orders mode 77, which is none of 0 (adapting), 1 (frozen)"),
        (SafeguardState(mode=SafeguardState.STOP, permit=True, permit_validity=1.0), "permits adaptation in mode stop"),
        (SafeguardState(permit=True, permit_validity=math.nan), "to hold for nan s, outside 0 to 10 s"),
        (SafeguardState(permit=True, permit_validity=1e300), "to hold for 1e+300 s, outside 0 to 10 s"),
        (SafeguardState(permit=True, permit_validity=-1.0), "to hold for -1 s, outside 0 to 10 s"),
        (SafeguardState(mode=SafeguardState.HOLD, permit_validity=1.0, reasons=["x"] * 501), "gives 501 reasons"),
        (SafeguardState(mode=SafeguardState.HOLD, permit_validity=1.0, reasons=["x" * 10**6]), "reasons of up to 1000000 characters"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused_in_words_and_not_obeyed(ordered: Ordered, state: SafeguardState, reason: str) -> None:
    for _ in range(3):
        ordered.safeguard.send(state)
        ordered.robot.run_for(0.05)
    ordered.graph.wait_for_log("policy", reason)
    status = ordered.control_status()
    assert status.message.startswith("mode base")
    assert any(reason in each.key for each in status.values if each.key.startswith("refused safeguard: "))
    ordered.adapt_until(1)


@pytest.mark.parametrize("mode", [SafeguardState.HOLD, SafeguardState.STOP])
def test_hold_and_stop_outlive_their_validity(ordered: Ordered, mode: int) -> None:
    ordered.adapt_until(1)
    ordered.safeguard.order(mode, validity=0.2, reasons=("camera_age 0.6 s above 0.5 s",))
    ordered.robot.run_for(2.0)
    message = ordered.control_status().message
    assert message.startswith("mode hold" if mode == SafeguardState.HOLD else "mode stop")
    assert "camera_age 0.6 s above 0.5 s" in message


def test_a_change_of_mode_is_reported_in_the_tick_that_decides_it(ordered: Ordered) -> None:
    reports = ordered.graph.listen(ControlStatus, "policy/control_status")
    ordered.adapt_until(1)
    ordered.safeguard.order(SafeguardState.HOLD)
    ordered_at = ordered.robot.now
    ordered.robot.run_until(lambda: bool(reports.messages) and reports.latest.mode == SafeguardState.HOLD, "a report of the hold")
    assert nanoseconds(reports.latest.header.stamp) - ordered_at <= 70_000_000  # a control period of 50 ms and two steps of the robot


def test_control_and_adaptation_are_reported_ten_times_a_second(ordered: Ordered) -> None:
    reports = ordered.graph.listen(ControlStatus, "policy/control_status")
    ordered.adapt_until(2)
    before = len(reports)
    ordered.robot.run_for(2.0)
    ordered.robot.run_until(lambda: len(reports) - before >= 20, "the reports")
    latest = reports.latest
    assert (latest.mode, latest.adaptation_alive) == (SafeguardState.ADAPTING, True)
    assert 0.0 <= latest.jitter < 1.0
    assert 0.0 <= latest.underruns <= 1.0


def test_in_hold_one_position_is_commanded_in_every_period_and_no_chunk_is_computed(ordered: Ordered) -> None:
    ordered.adapt_until(1)
    ordered.safeguard.order(SafeguardState.HOLD)
    ordered.robot.run_for(0.2)
    chunks, commands = len(ordered.chunks), len(ordered.robot.commands)
    ordered.robot.run_for(1.0)
    held = {tuple(message.points[0].positions) for _, message in ordered.robot.commands[commands - 1 :]}
    assert len(ordered.robot.commands) - commands in (19, 20, 21)
    assert len(held) == 1
    assert len(ordered.chunks) == chunks


def test_in_stop_an_empty_trajectory_is_sent_once_and_then_nothing(ordered: Ordered) -> None:
    ordered.adapt_until(1)
    ordered.safeguard.order(SafeguardState.STOP)
    ordered.robot.run_until(lambda: not ordered.robot.commands[-1][1].points, "an empty trajectory")
    stopped = len(ordered.robot.commands)
    ordered.robot.run_for(1.0)
    assert len(ordered.robot.commands) == stopped
    ordered.permit()
    ordered.robot.run_until(lambda: len(ordered.robot.commands) > stopped, "commands after the stop was lifted")


def held_for_a_dead_camera(graph: Graph, robot: RobotStandIn, checkpoint: Path) -> tuple[Inbox[ActionChunk], Inbox[SafeguardState]]:
    """The chunks of a policy that has adapted, and the states of its safeguard, which has then ordered hold."""
    chunks = graph.listen(ActionChunk, "policy/action_chunk")
    states = graph.listen(SafeguardState, "safeguard/state", LATCHED)
    start_safeguarded_policy(graph, robot, checkpoint)
    robot.run_until(lambda: bool(chunks.messages) and chunks.latest.weights_version > 0, "an adapted chunk")
    robot.silent.add("scene")
    robot.run_until(lambda: states.latest.mode == SafeguardState.HOLD, "hold")
    return chunks, states


def test_a_dead_camera_holds_the_arm_and_a_reset_of_the_safeguard_lifts_it(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    chunks, states = held_for_a_dead_camera(graph, robot, tiny_checkpoint)
    graph.wait_for_log("policy: mode hold: scene: newest")  # for its own reason, before the safeguard ordered it
    graph.wait_for_log("safeguard: mode hold: camera_age", "(scene) above 0.5 s")

    robot.silent.clear()
    robot.run_for(1.0)
    held = len(chunks)
    robot.run_for(1.0)
    assert (states.latest.mode, len(chunks)) == (SafeguardState.HOLD, held)

    assert graph.call(Trigger, "safeguard/reset", Trigger.Request(), meanwhile=robot.step).success
    robot.run_until(lambda: len(chunks) > held and chunks.latest.weights_version > 0, "adapted chunks after the reset")


def test_a_hold_outlives_the_safeguard_that_ordered_it(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    chunks, states = held_for_a_dead_camera(graph, robot, tiny_checkpoint)
    for transition in ("deactivate", "cleanup"):
        assert graph.transition("safeguard", transition)
    robot.silent.clear()
    graph.bring_up("safeguard")
    robot.run_until(lambda: states.latest.mode == SafeguardState.BASE, "a safeguard that knows nothing of it")
    held = len(chunks)
    robot.run_for(1.0)
    assert len(chunks) == held

    assert graph.call(Trigger, "safeguard/reset", Trigger.Request(), meanwhile=robot.step).success
    robot.run_until(lambda: len(chunks) > held, "chunks after the reset")


def test_what_was_seen_before_the_clock_stood_still_does_not_count_any_more(ordered: Ordered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttt_ros.control.clock_watch.STOOD", 0.5)
    ordered.adapt_until(1)
    end = time.monotonic() + 0.6
    ordered.graph.wait_until(lambda: time.monotonic() > end, "a pause of the clock")
    ordered.robot.silent.update(CAMERAS)  # what they showed last is young enough by the clock that stood
    assert "no frame has come" in ordered.control_status().message


def test_a_gradient_beyond_the_limit_is_never_committed(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint, adaptation__gradient_limit=0.001)
    robot.run_until(lambda: len(statuses) > 10, "statuses")
    assert not any(status.committed for status in statuses.messages)
    assert all("above gradient_limit, 0.001" in status.reason for status in statuses.messages)
    assert all(status.gradient_norm > 0.001 for status in statuses.messages)
