"""Bags as demonstrations: rows at a fixed rate from topics at their own rates."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.bag import BagMapping, BagSource
from ttt_ros.training.datasets.opening import open_dataset

TYPES = get_typestore(Stores.ROS2_KILTED)
MILLISECOND = 1_000_000
START = 5_000 * MILLISECOND
HEIGHT, WIDTH = 32, 48

MAPPING = BagMapping(
    cameras={"top": "/camera/image_raw"},
    joint_states="/joint_states",
    commands="/commands",
    instruction="/instruction",
    joints=("elbow", "shoulder"),
    rate=10.0,
)
COMMAND_TYPES = ("sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory", "std_msgs/msg/Float64MultiArray")


def made(kind: str, **fields: object) -> object:
    return TYPES.types[kind](**fields)


def header() -> object:
    stamp = made("builtin_interfaces/msg/Time", sec=0, nanosec=0)
    return made("std_msgs/msg/Header", stamp=stamp, frame_id="")


def joint_state(names: list[str], positions: list[float]) -> object:
    empty = np.zeros(0)
    return made("sensor_msgs/msg/JointState", header=header(), name=names, position=np.array(positions), velocity=empty, effort=empty)


def command(kind: str, positions: list[float]) -> object:
    """Of the shoulder and the elbow, the latter first where names cannot say so."""
    if kind.endswith("JointState"):
        return joint_state(["shoulder", "elbow"], positions)
    if kind.endswith("Float64MultiArray"):
        layout = made("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
        return made(kind, layout=layout, data=np.array(positions[::-1]))
    empty, duration = np.zeros(0), made("builtin_interfaces/msg/Duration", sec=0, nanosec=0)
    point = made(
        "trajectory_msgs/msg/JointTrajectoryPoint",
        positions=np.array(positions),
        velocities=empty,
        accelerations=empty,
        effort=empty,
        time_from_start=duration,
    )
    return made(kind, header=header(), joint_names=["shoulder", "elbow"], points=[point])


def image(shade: int) -> object:
    return made(
        "sensor_msgs/msg/Image",
        header=header(),
        height=HEIGHT,
        width=WIDTH,
        encoding="rgb8",
        is_bigendian=0,
        step=WIDTH * 3,
        data=np.full(HEIGHT * WIDTH * 3, shade, dtype=np.uint8),
    )


def recorded(path: Path, *, kind: str = COMMAND_TYPES[1], milliseconds: int = 3000, nan_at: int | None = None) -> Path:
    """Joint states every 10 ms with the shoulder at the seconds gone by, commands every 50 ms one ahead of them, images every 40 ms."""
    events: list[tuple[int, str, str, object]] = []
    for time in range(0, milliseconds, 10):
        seconds = float("nan") if time == nan_at else time / 1000
        events.append((time, "/joint_states", "sensor_msgs/msg/JointState", joint_state(["shoulder", "elbow"], [seconds, -1.0])))
    events += [(time, "/commands", kind, command(kind, [1 + time / 1000, -2.0])) for time in range(0, milliseconds, 50)]
    events += [(time, "/camera/image_raw", "sensor_msgs/msg/Image", image(time // 40)) for time in range(0, milliseconds, 40)]
    events += [
        (time, "/instruction", "std_msgs/msg/String", made("std_msgs/msg/String", data=text))
        for time, text in ((0, "lift the box"), (2000, "lower the box"))
    ]
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {topic: writer.add_connection(topic, each, typestore=TYPES) for topic, each in dict((e[1:3]) for e in events).items()}
        for time, topic, each, message in sorted(events, key=lambda event: event[0]):
            writer.write(topics[topic], START + time * MILLISECOND, TYPES.serialize_cdr(message, each))
    return path


@pytest.mark.parametrize("kind", COMMAND_TYPES)
def test_rows_hold_the_newest_of_every_topic_in_the_order_of_the_mapping(tmp_path: Path, kind: str) -> None:
    source = open_dataset(recorded(tmp_path / "bag", kind=kind), bag=MAPPING)
    assert source.layout.cameras == {"top": (HEIGHT, WIDTH)}
    first = source.episode(0)
    assert len(first) == 20
    assert np.allclose(first.states, [[-1.0, row / 10] for row in range(20)])
    assert np.allclose(first.actions, [[-2.0, 1 + row / 10] for row in range(20)])
    shades = [int(pixels[0, 0, 0]) for pixels in first.cameras["top"]]
    assert shades == [row * 100 // 40 for row in range(20)]


def test_each_instruction_begins_an_episode(tmp_path: Path) -> None:
    source = open_dataset(recorded(tmp_path / "bag"), bag=MAPPING)
    assert [source.episode(index).instruction for index in range(len(source))] == ["lift the box", "lower the box"]
    second = source.episode(1)
    assert second.states[0, 1] == pytest.approx(2.0)
    assert [int(pixels[0, 0, 0]) for pixels in second.cameras["top"]] == [(2000 + row * 100) // 40 for row in range(len(second))]


def test_a_folder_of_bags_with_one_instruction_in_the_mapping(tmp_path: Path) -> None:
    for name in ("one", "two"):
        recorded(tmp_path / name)
    source = open_dataset(tmp_path, bag=dataclasses.replace(MAPPING, instruction="", text="lift it"))
    assert len(source) == 2
    assert source.episode(1).instruction == "lift it"
    assert len(source.episode(1)) == 30


def test_a_bag_without_a_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="say under 'bag' in the configuration"):
        open_dataset(recorded(tmp_path / "bag"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"commands": "/missing"}, "has no topic /missing; it has /camera/image_raw, /commands"),
        (
            {"commands": "/instruction", "instruction": ""},
            "is a std_msgs/msg/String, but its part needs trajectory_msgs/msg/JointTrajectory or",
        ),
        ({"joints": ("elbow", "wrist")}, "but not of wrist"),
        ({"instruction": ""}, "has no instruction"),
        ({"max_age": 0.005}, r"the newest message is 0\.\d+ s old, more than max_age"),
    ],
)
def test_a_mapping_that_does_not_fit_the_bag_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        BagSource(recorded(tmp_path / "bag"), dataclasses.replace(MAPPING, **changes)).episode(0)  # type: ignore[arg-type]


def test_a_joint_state_that_is_not_finite_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="states that are not finite, the first at row 5, column 1"):
        BagSource(recorded(tmp_path / "bag", nan_at=500), MAPPING).episode(0)


def test_a_damaged_bag_is_refused_by_name(tmp_path: Path) -> None:
    bag = recorded(tmp_path / "bag")
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(RecordingError, match="bag is truncated or damaged"):
        BagSource(bag, MAPPING)
