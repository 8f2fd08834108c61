"""What `ttt-ros inspect` finds in a bag, and the mapping that it proposes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from recorded_demonstrations import dataset
from recorded_messages import image, joint_state, numbers, text, trajectory
from rosbags.rosbag2 import StoragePlugin, Writer
from typer.testing import CliRunner

from ttt_ros.bags.content import types
from ttt_ros.bags.inspection import inspect_bag
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.proposal import PLACEHOLDER, camera_name, proposal_yaml, proposed_mapping
from ttt_ros.cli import app
from ttt_ros.configuration import validated
from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.conversion import bags_from_lerobot

DEMO = Path(__file__).parents[1] / "out" / "demo" / "bag"
SECOND = 1_000_000_000
JOINTS = ["shoulder", "elbow"]

STATES = joint_state(JOINTS, [0, 1])
TRAJECTORY = trajectory(JOINTS, [0, 1])
NUMBERS = numbers(0, 1)
WHOLE = {"/camera/overhead/image_raw": image(), "/joint_states": STATES, "/commands": TRAJECTORY, "/instruction": text("lift")}


def recorded(path: Path, streams: Mapping[str, Any], *, messages: int = 3) -> Path:
    """Each message several times, one a second."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, message in streams.items():
            connection = writer.add_connection(topic, message.__msgtype__, typestore=types())
            for number in range(messages):
                writer.write(connection, number * SECOND, types().serialize_cdr(message, message.__msgtype__))
    return path


def test_every_topic_is_counted_timed_and_described(tmp_path: Path) -> None:
    found = inspect_bag(recorded(tmp_path / "bag", WHOLE))
    assert [(topic.name, topic.count, topic.rate, topic.content.words) for topic in found.topics] == [
        ("/camera/overhead/image_raw", 3, 1.0, "3x2 rgb8"),
        ("/commands", 3, 1.0, "2 joints: shoulder, elbow"),
        ("/instruction", 3, 1.0, '"lift"'),
        ("/joint_states", 3, 1.0, "2 joints: shoulder, elbow"),
    ]
    assert (found.duration, found.damage) == (2.0, "")
    assert found.storage.startswith("1 .mcap of ")


def test_the_rate_of_a_single_message_is_unknown(tmp_path: Path) -> None:
    found = inspect_bag(recorded(tmp_path / "bag", WHOLE, messages=1))
    assert {topic.rate for topic in found.topics} == {None}


def test_a_cut_off_bag_is_inspected_and_its_damage_said(tmp_path: Path) -> None:
    file = next(recorded(tmp_path / "bag", WHOLE).glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-300])
    found = inspect_bag(tmp_path / "bag")
    assert len(found.topics) == 4
    assert "cut off" in found.damage


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("/camera/overhead/image_raw", "overhead"),
        ("/camera/overhead/image_raw/compressed", "overhead"),
        ("/camera/image_raw", "camera"),
        ("/image_raw", "camera"),
        ("/camera/camera/color/image_raw", "color"),
        ("/left_wrist/color/image_rect_color", "left_wrist"),
        ("/cameras/front-left/rgb/image", "front_left"),
    ],
)
def test_a_camera_is_named_after_the_telling_part_of_its_topic(topic: str, name: str) -> None:
    assert camera_name(topic) == name


def test_the_proposal_names_every_stream_and_is_valid(tmp_path: Path) -> None:
    found = inspect_bag(recorded(tmp_path / "bag", WHOLE))
    mapping = StreamMapping(
        cameras={"overhead": "/camera/overhead/image_raw"}, joint_states="/joint_states", commands="/commands", instruction="/instruction"
    )
    assert proposed_mapping(found) == mapping
    assert validated(StreamMapping, yaml.safe_load(proposal_yaml(found))["streams"], source="the proposal") == mapping
    assert "shoulder, elbow" in proposal_yaml(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"/instruction": None}, {"instruction": "", "text": PLACEHOLDER}),
        ({"/instruction": None, "/rosout_text": text("hello")}, {"instruction": "", "text": PLACEHOLDER}),
        ({"/commands": None}, {"commands": ""}),
        ({"/commands": NUMBERS}, {"commands": "/commands"}),
        ({"/commands": None, "/target": STATES}, {"commands": "/target"}),
        ({"/target": NUMBERS}, {"commands": "/commands"}),
        ({"/commands": numbers(1, 2, 3)}, {"commands": ""}),
        ({"/commands": trajectory(["gripper"], [0])}, {"commands": ""}),
        ({"/camera/depth/image_raw": image("16UC1")}, {"cameras": {"overhead": "/camera/overhead/image_raw"}}),
        (
            {"/wrist/image_raw": image()},
            {"cameras": {"overhead": "/camera/overhead/image_raw", "wrist": "/wrist/image_raw"}},
        ),
    ],
)
def test_the_proposal_takes_what_fits_and_nothing_else(tmp_path: Path, changes: dict[str, Any], expected: dict[str, object]) -> None:
    streams = {topic: stream for topic, stream in {**WHOLE, **changes}.items() if stream is not None}
    mapping = proposed_mapping(inspect_bag(recorded(tmp_path / "bag", streams)))
    assert {name: getattr(mapping, name) for name in expected} == expected


@pytest.mark.parametrize(("topic", "lacking"), [("/camera/overhead/image_raw", "colour image"), ("/joint_states", "joint states")])
def test_without_camera_or_joints_nothing_is_proposed(tmp_path: Path, topic: str, lacking: str) -> None:
    streams = {name: stream for name, stream in WHOLE.items() if name != topic}
    with pytest.raises(RecordingError, match=f"no topic with {lacking}"):
        proposed_mapping(inspect_bag(recorded(tmp_path / "bag", streams)))


def test_the_command_prints_a_mapping_that_can_be_pasted(tmp_path: Path) -> None:
    bags_from_lerobot(dataset(tmp_path / "set", count=1), tmp_path / "bags")
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "bags" / "episode_000000")])
    assert result.exit_code == 0, result.output
    mapping = validated(StreamMapping, yaml.safe_load(result.stdout)["streams"], source="the proposal")
    assert mapping.cameras == {"top": "/camera/top/image_raw/compressed"}


@pytest.mark.skipif(not DEMO.exists(), reason=f"there is no bag of a demo at {DEMO}; run `make demo`")
def test_the_proposal_for_the_bag_of_a_demo_is_valid() -> None:
    proposal = yaml.safe_load(proposal_yaml(inspect_bag(DEMO)))
    mapping = validated(StreamMapping, proposal["streams"], source="the proposal")
    assert mapping.commands == "/joint_trajectory"
    assert mapping.instruction == "/instruction"
