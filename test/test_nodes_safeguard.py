"""The safeguard node over real topics, with a robot and a policy that are played by the test."""

import math
from collections.abc import Callable

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from example_policies import SPECIFICATION
from policy_stand_in import PolicyStandIn
from rclpy.serialization import serialize_message
from robot_stand_in import RobotStandIn
from ros_graph import Graph, Inbox
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, ModuleDrift, SafeguardState

from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.safeguard.signals import SIGNALS

pytestmark = pytest.mark.ros

HEARTBEAT = 0.1  # s, as shipped


class Watched:
    """The safeguard at work on healthy streams, in mode adapting."""

    def __init__(self, graph: Graph, robot: RobotStandIn) -> None:
        self.graph, self.robot = graph, robot
        self.states: Inbox[SafeguardState] = graph.listen(SafeguardState, "safeguard/state", LATCHED)
        self.chunks_stopped = False
        graph.start(SafeguardNode, {"use_sim_time": True, "rules": "safeguard_reactive.yaml"})
        robot.step()
        graph.bring_up("safeguard")
        self.policy = PolicyStandIn(graph)
        self.run_until_mode(SafeguardState.ADAPTING)

    def run_for(self, duration: float) -> None:
        """Lets time pass; the policy acts and adapts cleanly every 0.2 s unless told otherwise."""
        for _ in range(round(duration / 0.2)):
            self.live()

    def run_until_mode(self, mode: int, live: Callable[[], None] | None = None) -> SafeguardState:
        """Lets time pass until the safeguard orders ``mode``."""
        self.graph.wait_until(lambda: self._mode() == mode, f"mode {mode}", meanwhile=live or self.live)
        return self.states.latest

    def live(self) -> None:
        """Lets 0.2 s pass in which the policy does what it should."""
        if not self.chunks_stopped:
            self.policy.act()
            self.policy.adapt()
        self.robot.run_for(0.2)

    def reset(self) -> Trigger.Response:
        """Calls the reset service."""
        return self.graph.call(Trigger, "safeguard/reset", Trigger.Request())

    def _mode(self) -> int | None:
        return self.states.latest.mode if self.states.messages else None


@pytest.fixture
def watched(graph: Graph, robot: RobotStandIn) -> Watched:
    return Watched(graph, robot)


def test_it_starts_in_base_and_permits_adaptation_once_every_stream_has_proven_good(graph: Graph, robot: RobotStandIn) -> None:
    states = Watched(graph, robot).states.messages
    first, last = states[0], states[-1]
    assert (first.mode, first.permit) == (SafeguardState.BASE, False)
    assert all("starting: " in reason for reason in first.reasons)
    assert (last.mode, last.permit, list(last.reasons)) == (SafeguardState.ADAPTING, True, [])
    assert nanoseconds(last.header.stamp) - nanoseconds(first.header.stamp) >= 9 * HEARTBEAT * 1e9


@pytest.mark.parametrize(
    ("figures", "windows", "mode", "reason"),
    [
        pytest.param({"gradient_norm": math.nan}, 2, SafeguardState.FROZEN, "gradient_norm nan is not finite", id="NaN gradient"),
        pytest.param({"gradient_norm": math.inf}, 2, SafeguardState.FROZEN, "gradient_norm inf is not finite", id="infinite gradient"),
        pytest.param({"gradient_norm": 25.0}, 2, SafeguardState.FROZEN, "gradient_norm 25 above 4", id="gradient limit"),
        pytest.param({"drift": 0.3}, 2, SafeguardState.FROZEN, "drift_total 0.3 above 0.25", id="drift limit"),
        pytest.param({"drift": 0.6}, 1, SafeguardState.BASE, "drift_total 0.6 above 0.5", id="drift far beyond"),
        pytest.param({"action_deviation": 0.4}, 2, SafeguardState.BASE, "action_deviation 0.4 rad above 0.3 rad", id="other actions"),
        pytest.param({"prediction_loss": 6.0}, 3, SafeguardState.FROZEN, "prediction_loss 6 above 5", id="prediction loss"),
    ],
)
def test_a_bad_window_leads_down_at_once_with_signal_value_and_limit(
    watched: Watched, figures: dict[str, float], windows: int, mode: int, reason: str
) -> None:
    trusted = watched.policy.version
    for _ in range(windows):
        watched.policy.adapt(**figures)
    # The clock stands still: the state comes with the message, not with the next heartbeat.
    state = watched.run_until_mode(mode, live=watched.graph.spin)
    assert nanoseconds(state.header.stamp) == watched.robot.now
    assert not state.permit
    assert reason in state.reasons[0]
    assert state.trusted_version == trusted
    assert nanoseconds(state.since) == watched.robot.now


def test_a_single_glitched_window_changes_nothing(watched: Watched) -> None:
    before = len(watched.states)
    watched.policy.adapt(gradient_norm=math.nan)
    watched.run_for(1.0)
    assert {state.mode for state in watched.states.messages[before:]} == {SafeguardState.ADAPTING}


def test_frozen_lasts_until_as_many_good_windows_as_the_rule_demands(watched: Watched) -> None:
    for _ in range(2):
        watched.policy.adapt(gradient_norm=25.0)
    watched.run_until_mode(SafeguardState.FROZEN, live=watched.graph.spin)
    for _ in range(4):
        watched.live()
        assert watched.states.latest.mode == SafeguardState.FROZEN
    watched.run_until_mode(SafeguardState.ADAPTING)


def test_windows_refused_without_a_figure_count_as_rejected_and_as_nothing_else(watched: Watched) -> None:
    unknown = dict.fromkeys(("gradient_norm", "drift", "action_deviation", "prediction_loss"), -1.0)
    for _ in range(8):
        watched.policy.adapt(committed=False, **(unknown | {"drift": 0.0}))
    state = watched.run_until_mode(SafeguardState.FROZEN, live=watched.graph.spin)
    assert len(state.reasons) == 1
    assert "rejected 1 above 0.5" in state.reasons[0]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [("wrist", ("camera_age", "(wrist)", "above 0.5 s")), ("joint_states", ("joint_state_age", "above 0.2 s"))],
)
def test_a_silent_stream_leads_to_hold_which_only_a_reset_with_the_stream_back_lifts(
    watched: Watched, stream: str, reason: tuple[str, ...]
) -> None:
    watched.robot.silent.add(stream)
    silent_since = watched.robot.now
    state = watched.run_until_mode(SafeguardState.HOLD)
    assert all(part in state.reasons[0] for part in reason)
    assert nanoseconds(state.since) - silent_since < 1.5e9

    answer = watched.reset()
    assert not answer.success
    assert reason[0] in answer.message

    watched.robot.silent.clear()
    watched.run_for(2.0)
    assert watched.states.latest.mode == SafeguardState.HOLD

    answer = watched.reset()
    assert answer.success
    watched.run_until_mode(SafeguardState.ADAPTING)


def test_actions_far_from_the_base_latch_hold_until_a_reset(watched: Watched) -> None:
    watched.policy.adapt(action_deviation=1.5)
    watched.run_until_mode(SafeguardState.HOLD, live=watched.graph.spin)
    watched.run_for(2.0)
    assert watched.states.latest.mode == SafeguardState.HOLD
    assert watched.reset().success
    watched.run_until_mode(SafeguardState.ADAPTING)


def test_joints_that_jump_again_and_again_latch_hold(watched: Watched) -> None:
    def jump() -> None:
        watched.robot.positions = watched.robot.positions + 1.0
        watched.live()

    state = watched.run_until_mode(SafeguardState.HOLD, live=jump)
    assert "joint_speed" in state.reasons[0]


def test_a_position_that_is_not_a_number_latches_hold(watched: Watched) -> None:
    watched.robot.positions[0] = math.nan
    assert "joint_speed nan rad/s" in watched.run_until_mode(SafeguardState.HOLD).reasons[0]


def test_an_arm_that_was_stopped_by_an_empty_trajectory_may_be_moved_by_hand(watched: Watched) -> None:
    watched.robot.hold_still = True
    commands = watched.graph.publisher(JointTrajectory, "joint_trajectory")
    names = list(SPECIFICATION.joint_names)
    for positions in ([JointTrajectoryPoint(positions=watched.robot.positions.tolist())], []):
        commands.publish(JointTrajectory(joint_names=names, points=positions))
        watched.run_for(1.2)
    for _ in range(20):
        watched.robot.positions = watched.robot.positions + 0.05
        watched.live()
    watched.run_for(1.0)
    assert watched.states.latest.mode == SafeguardState.ADAPTING


def serialized(message: object, *, bytes_kept: int | None = None) -> bytes:
    return serialize_message(message)[:bytes_kept]


@pytest.mark.parametrize(
    ("topic", "kind", "message", "reason"),
    [
        ("camera/scene/image_raw", Image, b"", "a message of 0 bytes ends before its stamp"),
        ("camera/scene/image_raw", Image, serialized(Image(), bytes_kept=11), "a message of 11 bytes ends before its stamp"),
        ("joint_states", JointState, JointState(name=["elbow"], position=[1.0, 2.0]), "carries 2 positions for 1 joints"),
        ("joint_states", JointState, JointState(name=["j"] * 5000, position=[0.0] * 5000), "names 5000 joints, and at most 1000"),
        (
            "joint_trajectory",
            JointTrajectory,
            JointTrajectory(joint_names=["elbow"], points=[JointTrajectoryPoint()]),
            "carries 0 positions for 1 joints",
        ),
        (
            "policy/adaptation_status",
            AdaptationStatus,
            AdaptationStatus(module_drift=[ModuleDrift(module="m" * 10_000)]),
            "names 1 modules with up to 10000 characters",
        ),
    ],
)
def test_a_malformed_message_is_refused_in_words_and_the_safeguard_goes_on(
    watched: Watched, topic: str, kind: type, message: object, reason: str
) -> None:
    watched.robot.hold_still = True
    publisher = watched.graph.publisher(kind, topic, SENSOR if topic in ("camera/scene/image_raw", "joint_states") else RELIABLE)
    publisher.publish(message)
    watched.graph.wait_for_log("safeguard", topic, reason)
    watched.graph.tester.destroy_publisher(publisher)
    watched.run_for(1.0)
    assert nanoseconds(watched.states.latest.header.stamp) > watched.robot.now - 1e9


@pytest.mark.parametrize(
    ("topic", "kind", "message"),
    [
        ("policy/action_chunk", ActionChunk, ActionChunk(base_deviation=math.nan, positions=[math.nan] * 10_000, horizon=2**32 - 1)),
        ("policy/control_status", ControlStatus, ControlStatus(mode=255, jitter=math.inf, underruns=-math.inf, adaptation_alive=True)),
        (
            "policy/adaptation_status",
            AdaptationStatus,
            AdaptationStatus(samples=1, samples_trimmed=2**32 - 1, drift=math.nan, weights_version=2**64 - 1, committed=True),
        ),
    ],
)
def test_figures_that_cannot_be_meant_count_against_the_policy_and_do_not_end_the_safeguard(
    watched: Watched, topic: str, kind: type, message: object
) -> None:
    publisher = watched.graph.publisher(kind, topic)
    for _ in range(10):
        publisher.publish(message)
        watched.robot.run_for(0.2)
    assert watched.states.latest.mode > SafeguardState.ADAPTING
    assert not watched.states.latest.permit


def test_a_black_picture_latches_hold(watched: Watched) -> None:
    black = watched.robot.picture()
    black.data = bytes(len(black.data))
    watched.robot.picture = lambda: black  # type: ignore[method-assign]
    assert "camera_saturation 1" in watched.run_until_mode(SafeguardState.HOLD).reasons[0]


def test_a_picture_that_stays_while_the_arm_moves_latches_hold(watched: Watched) -> None:
    same = watched.robot.picture()
    watched.robot.picture = lambda: same  # type: ignore[method-assign]

    def move() -> None:
        watched.robot.positions = watched.robot.positions + 0.02
        watched.live()

    assert "camera_stuck" in watched.run_until_mode(SafeguardState.HOLD, live=move).reasons[0]


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ({"adaptation_alive": False}, "adaptation_busy inf s"),
        ({"adaptation_alive": True, "adaptation_busy": 9.0}, "adaptation_busy 9 s above 2 s"),
    ],
)
def test_an_adaptation_that_hangs_or_is_dead_is_frozen(watched: Watched, health: dict[str, object], reason: str) -> None:
    control = watched.graph.publisher(ControlStatus, "policy/control_status")

    def live() -> None:
        control.publish(ControlStatus(**health))
        watched.live()

    assert reason in watched.run_until_mode(SafeguardState.FROZEN, live=live).reasons[0]


def test_a_policy_node_that_was_heard_and_is_silent_leads_to_base(watched: Watched) -> None:
    control = watched.graph.publisher(ControlStatus, "policy/control_status")
    control.publish(ControlStatus(adaptation_alive=True))
    assert "policy_age" in watched.run_until_mode(SafeguardState.BASE).reasons[0]


def test_a_clock_that_stands_still_is_noticed_by_the_wall_clock(watched: Watched) -> None:
    assert "clock_stall" in watched.run_until_mode(SafeguardState.BASE, live=watched.graph.spin).reasons[0]


def test_without_a_simulated_clock_none_stands_still(graph: Graph) -> None:
    arrays = graph.listen(DiagnosticArray, "/diagnostics")
    graph.start(SafeguardNode)
    graph.bring_up("safeguard")
    graph.wait_until(lambda: bool(arrays.messages), "the diagnostics")
    assert {each.key: each.value for each in arrays.latest.status[1].values}["clock_stall [s]"] == "0"


def test_a_second_publisher_on_a_sensor_topic_leads_to_base(watched: Watched) -> None:
    watched.graph.tester.create_publisher(JointState, "joint_states", SENSOR)
    assert "sensor_publishers 2 (joint_states) above 1.5" in watched.run_until_mode(SafeguardState.BASE).reasons[0]


def test_actions_far_from_those_of_the_frozen_policy_lead_to_base(watched: Watched) -> None:
    chunks = watched.graph.publisher(ActionChunk, "policy/action_chunk")

    def live() -> None:
        chunks.publish(ActionChunk(base_deviation=2.0, feature_deviation=-1.0))
        watched.robot.run_for(0.1)

    assert "base_deviation 2 rad" in watched.run_until_mode(SafeguardState.BASE, live=live).reasons[0]


def test_a_silent_policy_leads_to_base_and_is_taken_back_when_it_speaks(watched: Watched) -> None:
    watched.chunks_stopped = True
    state = watched.run_until_mode(SafeguardState.BASE)
    assert "chunk_age" in state.reasons[0]
    watched.chunks_stopped = False
    watched.run_until_mode(SafeguardState.ADAPTING)


def test_a_late_subscriber_learns_the_state_at_once(watched: Watched) -> None:
    watched.policy.adapt(drift=0.6)
    watched.run_until_mode(SafeguardState.BASE, live=watched.graph.spin)
    late = watched.graph.listen(SafeguardState, "safeguard/state", LATCHED)
    watched.graph.wait_until(lambda: bool(late.messages), "the latched state, with the clock standing still")
    assert late.messages[0].mode == SafeguardState.BASE


def test_the_heartbeat_beats_ten_times_a_second_of_ros_time_and_each_is_told_twice(watched: Watched) -> None:
    before = len(watched.states)
    start = watched.robot.now
    watched.run_for(2.0)
    watched.graph.wait_until(lambda: len(watched.states) - before >= 40, "the last heartbeat")
    stamps = [nanoseconds(state.header.stamp) for state in watched.states.messages[before:]]
    assert stamps == [start + round(beat * HEARTBEAT / 2 * 1e9) + (stamps[0] - start) for beat in range(40)]
    assert watched.states.latest.permit_validity > HEARTBEAT


def test_diagnostics_tell_mode_and_ages_once_a_second(watched: Watched) -> None:
    arrays = watched.graph.listen(DiagnosticArray, "/diagnostics")
    watched.run_for(2.0)
    watched.graph.wait_until(lambda: len(arrays) == 2, "two diagnostics in two seconds")
    status, signals = arrays.latest.status
    values = {each.key: each.value for each in status.values}
    assert (status.name, status.level, status.message) == ("safeguard: mode", DiagnosticStatus.OK, "mode adapting")
    assert values["mode"] == "adapting"
    read = {each.key: each.value for each in signals.values}
    assert signals.name == "safeguard: signals"
    assert set(read) == {f"{name} [{signal.unit or 1}]" for name, signal in SIGNALS.items()}
    assert read["prediction_loss [1]"] == "0.5"
    assert float(read["camera_age [s]"].split()[0]) < 0.3
    assert read["feature_deviation [1]"] == "not read"
    watched.policy.adapt(action_deviation=1.5)
    watched.graph.wait_until(lambda: arrays.latest.status[0].level == DiagnosticStatus.ERROR, "an error", meanwhile=watched.live)
    assert "mode hold: action_deviation 1.5 rad above 0.5 rad" in arrays.latest.status[0].message


def test_a_deactivated_safeguard_is_silent_and_starts_in_base_again(watched: Watched) -> None:
    assert watched.graph.transition("safeguard", "deactivate")
    before = len(watched.states)
    watched.robot.run_for(0.5)
    assert len(watched.states) == before
    assert watched.graph.transition("safeguard", "activate")
    watched.graph.wait_until(lambda: len(watched.states) > before, "a state")
    assert watched.states.messages[before].mode == SafeguardState.BASE
