"""Recording a run over DDS into a bag, and playing that bag back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_safeguarded_policy
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.serialization import deserialize_message
from robot_stand_in import CAMERAS, START, RobotStandIn
from ros_domains import free_domain
from ros_graph import DEADLINE, Graph
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState

from ttt_ros.bags.reader import BagReader
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.quality_of_service import CLOCK, LATCHED
from ttt_ros.nodes.recorder_node import DEEP_SENSOR, RecorderNode
from ttt_ros.nodes.replay_node import ReplayNode
from ttt_ros.nodes.stamps import nanoseconds

pytestmark = pytest.mark.ros

DURATION = 2.0  # s


@pytest.fixture
def bag(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A recorded run of policy and safeguard on the stand-in robot."""
    path = tmp_path / "bag"
    recorder = graph.start(RecorderNode, {"use_sim_time": True, "path": str(path)})
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint)
    robot.run_for(DURATION)
    robot.run_until(lambda: bool(statuses.messages) and statuses.latest.committed, "a committed update")
    graph.stop(recorder)
    return path


def test_a_bag_reads_back_with_every_stream_as_it_was_sent(bag: Path, robot: RobotStandIn) -> None:
    with BagReader(bag) as reader:
        topics = {topic.name: topic for topic in reader.topics}
        messages = list(reader.messages())
        assert reader.start > START
        assert DURATION - 0.5 < reader.duration <= (robot.now - START) / 1e9
    types = {
        "/camera/scene/image_raw": "sensor_msgs/msg/Image",
        "/camera/wrist/image_raw": "sensor_msgs/msg/Image",
        "/joint_states": "sensor_msgs/msg/JointState",
        "/instruction": "std_msgs/msg/String",
        "/joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
        "/policy/action_chunk": "ttt_ros/msg/ActionChunk",
        "/policy/adaptation_status": "ttt_ros/msg/AdaptationStatus",
        "/safeguard/state": "ttt_ros/msg/SafeguardState",
    }
    assert {name: topics[name].message_type for name in types} == types
    assert all(topics[name].count > 0 for name in types)
    stamps = [message.stamp for message in messages]
    assert stamps == sorted(stamps)

    for camera in CAMERAS:
        recorded = [deserialize_message(each.cdr, Image) for each in messages if each.topic == f"/camera/{camera}/image_raw"]
        sent = [stamp for name, stamp in robot.frames if name == camera]
        assert len(recorded) >= 0.95 * len(sent) - 1  # best effort, and the first may come before the recorder is known
        for image in recorded:
            assert bytes(image.data) == bytes(robot.frames[camera, nanoseconds(image.header.stamp)].data)
    chunks = [deserialize_message(each.cdr, ActionChunk) for each in messages if each.topic == "/policy/action_chunk"]
    statuses = [deserialize_message(each.cdr, AdaptationStatus) for each in messages if each.topic == "/policy/adaptation_status"]
    states = [deserialize_message(each.cdr, SafeguardState) for each in messages if each.topic == "/safeguard/state"]
    assert [chunk.sequence for chunk in chunks] == sorted(chunk.sequence for chunk in chunks)
    assert [status.window_sequence for status in statuses] == list(range(1, len(statuses) + 1))
    assert states[-1].permit


def test_what_comes_before_the_first_clock_is_stamped_with_it(graph: Graph, robot: RobotStandIn, tmp_path: Path) -> None:
    recorder = graph.start(RecorderNode, {"use_sim_time": True, "path": str(tmp_path / "bag")})
    instructions = graph.publisher(String, "instruction", LATCHED)
    instructions.publish(String(data="touch the red cube"))
    assert instructions.wait_for_all_acked(Duration(seconds=DEADLINE))
    graph.call(GetParameters, "recorder/get_parameters", GetParameters.Request())  # answered after the message was taken
    robot.run_for(0.5)
    graph.stop(recorder)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.start > START
        assert reader.duration <= 0.5
        assert [message.topic for message in reader.messages()].count("/instruction") == 1


@pytest.fixture
def elsewhere(bag: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    """A graph in a domain of its own, away from the robot of which the bag was recorded."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    graph = Graph()
    try:
        yield graph
    finally:
        graph.close()


def test_a_bag_plays_its_inputs_with_their_stamps_and_not_what_was_answered(bag: Path, elsewhere: Graph) -> None:
    joints = elsewhere.listen(JointState, "joint_states", DEEP_SENSOR)
    images = elsewhere.listen(Image, "camera/wrist/image_raw", DEEP_SENSOR)
    clocks = elsewhere.listen(Clock, "/clock", CLOCK)
    instructions = elsewhere.listen(String, "instruction", LATCHED)
    elsewhere.start(ReplayNode, {"bag": str(bag), "rate": 2.0})
    elsewhere.wait_for_log("replay", "end of the bag")
    with BagReader(bag) as reader:
        recorded = [nanoseconds(deserialize_message(each.cdr, JointState).header.stamp) for each in reader.messages(["/joint_states"])]
        frames = [deserialize_message(each.cdr, Image) for each in reader.messages(["/camera/wrist/image_raw"])]
        start, end = reader.start, reader.start + round(reader.duration * 1e9)
    played = [nanoseconds(message.header.stamp) for message in joints.messages]
    assert played == [stamp for stamp in recorded if stamp in set(played)]
    assert len(played) >= 0.9 * len(recorded)
    by_stamp = {nanoseconds(image.header.stamp): bytes(image.data) for image in frames}
    assert len(images) >= 0.9 * len(frames)
    assert all(by_stamp[nanoseconds(image.header.stamp)] == bytes(image.data) for image in images.messages)
    assert instructions.messages
    times = [nanoseconds(clock.clock) for clock in clocks.messages]
    assert times == sorted(times)
    assert start <= times[0] < start + 0.5e9
    assert times[-1] > end - 0.5e9
    for topic in ("/joint_trajectory", "/policy/action_chunk", "/policy/adaptation_status", "/safeguard/state"):
        assert elsewhere.tester.count_publishers(topic) == 0


def test_a_policy_acts_on_a_played_bag_as_on_a_robot(bag: Path, elsewhere: Graph, tiny_checkpoint: Path) -> None:
    chunks = elsewhere.listen(ActionChunk, "policy/action_chunk")
    elsewhere.start(PolicyNode, policy_parameters(tiny_checkpoint, control__max_joint_age=1.0, control__max_camera_age=1.0))
    elsewhere.bring_up("policy")
    elsewhere.start(ReplayNode, {"bag": str(bag)})
    elsewhere.wait_until(lambda: len(chunks) >= 3, "chunks")


@pytest.mark.parametrize(
    ("kind", "parameters", "error", "message"),
    [
        (RecorderNode, {}, ConfigurationError, "parameter 'path' of the recorder is empty; name the folder"),
        (RecorderNode, {"path": "/proc/version/bag"}, RecordingError, "/proc/version/bag"),
        (ReplayNode, {}, ConfigurationError, "parameter 'bag' of the replay node is empty; name the folder"),
        (ReplayNode, {"bag": "/nowhere/at/all"}, RecordingError, "there is no bag at /nowhere/at/all; check the path"),
        (ReplayNode, {"bag": "x", "speed": 2.0}, ConfigurationError, "unknown parameter speed"),
    ],
)
def test_a_recorder_or_player_that_cannot_work_says_why_at_start(
    graph: Graph, kind: type, parameters: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph.start(kind, parameters)


def test_a_recorder_does_not_touch_an_existing_bag(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("precious")
    with pytest.raises(RecordingError, match="exist"):
        graph.start(RecorderNode, {"path": str(tmp_path)})
    assert (tmp_path / "metadata.yaml").read_text() == "precious"
