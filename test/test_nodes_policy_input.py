"""Bad and unusual input of the policy node: it holds, says why on /diagnostics, and goes on once the input is good again."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from example_policies import INSTRUCTIONS, SPECIFICATION

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from policy_under_test import start_policy
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from sensor_msgs.msg import CompressedImage, Image
from ttt_ros.msg import ActionChunk

from ttt_ros.nodes.quality_of_service import SENSOR
from ttt_ros.nodes.stamps import nanoseconds, stamp

pytestmark = pytest.mark.ros


class Running:
    """The policy node on the stand-in robot, without a safeguard."""

    def __init__(self, graph: Graph, robot: RobotStandIn, checkpoint: Path, **changes: object) -> None:
        self.graph, self.robot = graph, robot
        self.chunks = graph.listen(ActionChunk, "policy/action_chunk")
        self._diagnostics = graph.listen(DiagnosticArray, "/diagnostics")
        start_policy(graph, robot, checkpoint, **changes)

    def run_until_it_acts(self) -> None:
        """Lets time pass until a chunk answers an observation made from now on."""
        start = self.robot.now
        self.robot.run_until(
            lambda: bool(self.chunks.messages) and nanoseconds(self.chunks.latest.header.stamp) > start, "a chunk for what is seen now"
        )

    def statuses(self) -> dict[str, DiagnosticStatus]:
        """The next statuses that are made from now on, by subject."""
        start = self.robot.now

        def found() -> list[DiagnosticArray]:
            return [array for array in self._diagnostics.messages if nanoseconds(array.header.stamp) > start]

        self.robot.run_until(lambda: bool(found()), "diagnostics")
        return {status.name.removeprefix("policy: "): status for status in found()[0].status}

    def assert_it_holds(self, *fragments: str) -> dict[str, DiagnosticStatus]:
        """Checks that the arm is held for a reason that has all ``fragments``; returns the statuses."""
        self.robot.run_for(0.4)
        statuses = self.statuses()
        assert statuses["control"].level == DiagnosticStatus.ERROR
        assert statuses["control"].message.startswith("mode hold")
        for fragment in fragments:
            assert fragment in statuses["control"].message
        held = {tuple(message.points[0].positions) for _, message in self.robot.commands[-5:]}
        assert len(held) <= 1
        return statuses


@pytest.fixture
def running(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> Running:
    running = Running(graph, robot, tiny_checkpoint)
    running.run_until_it_acts()
    return running


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {each.key: each.value for each in status.values}


def test_good_inputs_are_reported_with_age_and_rate(running: Running) -> None:
    running.robot.run_for(1.0)
    statuses = running.statuses()
    for name, rate in (("scene", 20.0), ("wrist", 20.0), ("joint_states", 100.0)):
        status = statuses[f"input {name}"]
        assert (status.level, status.message) == (DiagnosticStatus.OK, "receiving")
        assert float(values(status)["rate [Hz]"]) == pytest.approx(rate, rel=0.05)
        assert 0.0 <= float(values(status)["age [s]"]) < 0.2
    assert values(statuses["adaptation"])["thread alive"] == "True"
    assert int(values(statuses["control"])["ticks"]) > 20


@pytest.mark.parametrize(
    ("names", "positions", "reason"),
    [
        (SPECIFICATION.joint_names, (0.0, math.nan, 0.0), "position of joint 'elbow' is nan, which is not a finite angle"),
        (SPECIFICATION.joint_names, (0.0, math.inf, 0.0), "position of joint 'elbow' is inf"),
        (("shoulder", "wrist"), (0.0, 0.0), "joint 'elbow' is missing; the message names shoulder, wrist"),
        (("shoulder", "elbow", "wrist"), (0.0, 0.0), "3 names and 2 positions"),
        (("j",) * 100_000, (0.0,) * 100_000, "names 100000 joints, and at most 1000 are taken"),
        (("shoulder", "elbow" * 1000), (0.0, 0.0), "a joint with 5000 characters, and at most 256 are taken"),
        (("shoulder", "elbow", "elbow", "wrist"), (0.0, 0.0, 0.0, 0.0), "joint 'elbow' is named twice"),
    ],
)
def test_a_malformed_joint_state_is_refused_and_leads_to_hold(
    running: Running, names: Sequence[str], positions: Sequence[float], reason: str
) -> None:
    running.robot.silent.add("joint_states")
    running.robot.each_step = lambda: running.robot.publish_joints(names, positions)
    status = running.assert_it_holds("joint_states: newest message is old by", "limit 0.1 s")["input joint_states"]
    assert status.level == DiagnosticStatus.WARN
    assert reason in status.message
    running.graph.wait_for_log("policy", reason)

    running.robot.each_step = lambda: None
    running.robot.silent.clear()
    running.run_until_it_acts()


def test_a_refusal_is_the_status_until_the_next_report_and_is_counted_for_good(running: Running) -> None:
    running.robot.publish_joints(("shoulder",), (0.0,))
    running.robot.publish_joints(("shoulder",), (0.0,))
    status = running.statuses()["input joint_states"]
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "joint_states: joint 'elbow' is missing; the message names shoulder")
    status = running.statuses()["input joint_states"]
    assert (status.level, status.message) == (DiagnosticStatus.OK, "receiving")
    assert values(status)["refused: joint_states: joint 'elbow' is missing; the message names shoulder"] == "2"


def picture(encoding: str, channels: int, *, height: int = 32, width: int = 32) -> Image:
    step = width * channels
    return Image(encoding=encoding, height=height, width=width, step=step, data=bytes(step * height))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (picture("rgb8", 3, height=16, width=16), "delivers 16x16 pixels, the policy was trained on 32x32"),
        (picture("rgb8", 3, height=32, width=64), "delivers 64x32 pixels, the policy was trained on 32x32"),
        (picture("16UC1", 2), "16UC1 carries depth or 16-bit values"),
        (picture("32FC1", 4), "32FC1 carries depth or 16-bit values"),
        (picture("cmyk", 4), "encoding 'cmyk' is not supported; use one of"),
        (Image(encoding="rgb8", height=32, width=32, step=96, data=bytes(100)), "but carries 100 bytes"),
    ],
)
def test_an_image_that_the_policy_cannot_see_is_refused_with_the_reason(running: Running, image: Image, reason: str) -> None:
    running.robot.silent.add("scene")
    running.robot.each_step = lambda: running.robot.publish_image("scene", image)
    status = running.assert_it_holds("scene")["input scene"]
    assert status.level == DiagnosticStatus.WARN
    assert reason in status.message
    running.graph.wait_for_log("policy", "camera 'scene'", reason)

    running.robot.each_step = lambda: None
    running.robot.silent.clear()
    running.run_until_it_acts()


def test_a_camera_whose_every_frame_is_refused_is_told_from_one_that_never_came(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    robot.silent |= {"scene", "wrist"}
    running = Running(graph, robot, tiny_checkpoint)
    robot.each_step = lambda: robot.publish_image("wrist", picture("16UC1", 2))
    statuses = running.assert_it_holds("camera 'scene': no frame has come; check the camera and its topic")
    assert statuses["input scene"].level == statuses["input wrist"].level == DiagnosticStatus.ERROR
    assert statuses["input scene"].message == "nothing received; check the publisher and the topic name"
    assert "16UC1 carries depth" in statuses["input wrist"].message
    assert not robot.commands


@pytest.mark.parametrize(("encoding", "channels"), [("bgr8", 3), ("rgba8", 4), ("mono8", 1), ("bayer_rggb8", 1), ("yuv422", 2)])
def test_common_encodings_and_larger_images_are_taken(running: Running, encoding: str, channels: int) -> None:
    running.robot.silent.add("scene")
    running.robot.each_step = lambda: running.robot.publish_image("scene", picture(encoding, channels, height=64, width=64))
    running.robot.run_for(0.3)
    running.run_until_it_acts()
    assert running.statuses()["input scene"].message == "receiving"


def test_a_compressed_camera_is_taken(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    robot.silent.add("scene")
    topic = "camera/scene/image_raw/compressed"
    running = Running(graph, robot, tiny_checkpoint, camera__scene__compressed=True, camera__scene__topic=topic)
    publisher = graph.publisher(CompressedImage, topic, SENSOR)
    jpeg = cv2.imencode(".jpg", np.full((32, 32, 3), 90, dtype=np.uint8))[1].tobytes()

    def publish() -> None:
        image = CompressedImage(format="rgb8; jpeg compressed bgr8", data=jpeg)
        image.header.stamp = stamp(robot.now)
        publisher.publish(image)

    robot.each_step = publish
    running.run_until_it_acts()


@pytest.mark.parametrize("stream", ["wrist", "joint_states"])
def test_a_stale_stream_leads_to_hold_and_its_return_to_motion(running: Running, stream: str) -> None:
    running.robot.silent.add(stream)
    running.assert_it_holds(stream)
    running.robot.silent.clear()
    running.run_until_it_acts()


def test_a_camera_far_under_its_nominal_rate_names_the_transport_as_likely_cause(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path
) -> None:
    running = Running(graph, robot, tiny_checkpoint, camera__scene__rate=60.0)
    running.run_until_it_acts()
    robot.run_for(1.0)
    statuses = running.statuses()
    slow, good = statuses["input scene"], statuses["input wrist"]
    assert slow.level == DiagnosticStatus.WARN
    assert slow.message.startswith("20.0 Hz, nominal 60 Hz: the transport may be dropping raw images")
    assert "FASTDDS_DEFAULT_PROFILES_FILE" in slow.message
    assert "compressed images" in slow.message
    assert good.message == "receiving"


def test_without_an_instruction_the_arm_is_not_moved(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    running = Running(graph, robot, tiny_checkpoint)
    robot.instruct("")
    running.assert_it_holds("instruction: the instruction '' holds no word")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("touch the red cube and then the blue cube", "has 9 words, the policy reads at most 5; shorten it"),
        ("touch the purple cube", "holds words that the policy was not trained on: purple"),
        ("touch " * 160, "has 160 words, the policy reads at most 5"),
        ("touch " * 2000, "has 12000 characters, at most 1000 are read; shorten it"),
        ("x" * 5_000_000, "has 5000000 characters, at most 1000 are read; shorten it"),
    ],
)
def test_an_instruction_that_cannot_be_read_leads_to_hold_and_the_next_good_one_to_motion(running: Running, text: str, reason: str) -> None:
    running.robot.instruct(text)
    running.graph.wait_for_log("policy", "instruction refused, the arm holds until the next one", reason)
    running.assert_it_holds("instruction", reason)
    running.robot.instruct(INSTRUCTIONS[1])
    running.run_until_it_acts()


def test_a_chunk_that_is_not_finite_never_leaves_the_node(running: Running) -> None:
    running.robot.silent.add("joint_states")
    huge = [1e38, -1e38, 1e38]  # finite, and infinite as soon as the policy multiplies
    running.robot.each_step = lambda: running.robot.publish_joints(SPECIFICATION.joint_names, huge)
    running.assert_it_holds("must be finite")
    assert all(np.isfinite(chunk.positions).all() for chunk in running.chunks.messages)
    assert all(np.isfinite(message.points[0].positions).all() for _, message in running.robot.commands)


def test_a_chunk_beyond_a_limit_is_refused_as_a_whole_and_named(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    running = Running(graph, robot, tiny_checkpoint, robot__max_step=[10.0, 1e-6, 10.0])
    statuses = running.assert_it_holds("joint 'elbow'", "step", "1e-06 rad")
    assert int(values(statuses["control"])["chunks: unsafe"]) > 0
    assert not running.chunks.messages
    assert not robot.commands
