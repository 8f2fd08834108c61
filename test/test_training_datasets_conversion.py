"""LeRobot data sets become bags and bags data sets, whole or not at all, and nothing is lost that need not be."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from recorded_demonstrations import JOINTS, LAYOUT, ROWS, dataset, episode
from typer.testing import CliRunner

from ttt_ros.bags.content import deserialized, header_stamp, joint_positions
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagReader
from ttt_ros.cli import app
from ttt_ros.errors import RecordingError, TttRosError
from ttt_ros.training.datasets.bag import BagMapping, BagSource, row_stamps
from ttt_ros.training.datasets.conversion import bags_from_lerobot, lerobot_from_bags, proposed_bag_mapping
from ttt_ros.training.datasets.episode import Episode
from ttt_ros.training.datasets.lerobot_reader import LeRobotSource
from ttt_ros.training.datasets.lerobot_writer import write_lerobot

G1 = Path(__file__).parents[2] / "shared" / "data" / "g1_pick_bottle"
DEMO = Path(__file__).parents[1] / "out" / "demo" / "bag"

MAPPING = BagMapping(
    cameras={"top": "/camera/top/image_raw/compressed"},
    joint_states="/joint_states",
    commands="/joint_trajectory",
    instruction="/instruction",
    joints=JOINTS,
    rate=LAYOUT.rate,
)


def pixels(of: Episode) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.stack(list(of.cameras["top"])).astype(int)


def at_rate(path: Path, rate: float, *, rows: int = 49) -> Path:
    """A data set of one episode with this many rows a second."""
    stamps = np.round(np.arange(rows) * 1e9 / rate).astype(np.int64)
    write_lerobot(path, [dataclasses.replace(episode(0, rows=rows), stamps=stamps)], layout=dataclasses.replace(LAYOUT, rate=rate))
    return path


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("images", ["jpeg", "png"])
def test_a_data_set_that_became_bags_and_came_back_is_the_same(tmp_path: Path, version: str, images: str) -> None:
    root = dataset(tmp_path / "set", version=version)  # type: ignore[arg-type]
    assert bags_from_lerobot(root, tmp_path / "bags", images=images) == 3  # type: ignore[arg-type]
    assert lerobot_from_bags(tmp_path / "bags", tmp_path / "back", version=version) == 3  # type: ignore[arg-type]
    before, after = LeRobotSource(root), LeRobotSource(tmp_path / "back")
    assert after.layout == before.layout
    assert len(after) == len(before)
    for index in range(3):
        one, other = before.episode(index), after.episode(index)
        assert one.states.tobytes() == other.states.tobytes()
        assert one.actions.tobytes() == other.actions.tobytes()
        assert np.array_equal(one.stamps, other.stamps)
        assert one.instruction == other.instruction
        difference = np.abs(pixels(one) - pixels(other)).mean()
        assert difference == 0 if images == "png" else 0 < difference < 1


def test_a_data_set_of_videos_comes_back_within_the_loss_of_the_codecs(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", count=1, version="v2.1", images="video")
    bags_from_lerobot(root, tmp_path / "bags")
    lerobot_from_bags(tmp_path / "bags", tmp_path / "back", version="v2.1", images="video")
    assert next((tmp_path / "back").rglob("*.mp4"))
    one, other = (pixels(LeRobotSource(each).episode(0)) for each in (root, tmp_path / "back"))
    assert np.abs(one - other).mean() < min(3, np.abs(one[:-1] - other[1:]).mean())


@pytest.mark.parametrize("rate", [24.0, 29.97, 30.0, 50.0])
def test_received_and_header_stamps_are_those_of_the_rows(tmp_path: Path, rate: float) -> None:
    bags_from_lerobot(at_rate(tmp_path / "set", rate), tmp_path / "bags")
    expected = [round(row * 1e9 / rate) for row in range(49)]
    with BagReader(tmp_path / "bags" / "episode_000000") as bag:
        for topic in ("/joint_states", "/camera/top/image_raw/compressed", "/joint_trajectory"):
            messages = list(bag.messages([topic]))
            assert [message.stamp for message in messages] == expected
            assert [header_stamp(deserialized(message)) for message in messages] == expected


@pytest.mark.parametrize("rate", [24.0, 29.97, 30.0, 50.0])
def test_a_bag_at_any_rate_is_read_row_by_row_without_drift(tmp_path: Path, rate: float) -> None:
    bags_from_lerobot(at_rate(tmp_path / "set", rate), tmp_path / "bags", images="png")
    assert proposed_bag_mapping(tmp_path / "bags").rate == rate
    read, written = BagSource(tmp_path / "bags", dataclasses.replace(MAPPING, rate=rate)).episode(0), episode(0, rows=49)
    assert read.stamps.tolist() == [round(row * 1e9 / rate) for row in range(49)]
    assert np.array_equal(read.states, written.states)
    assert np.array_equal(read.actions, written.actions)
    assert np.array_equal(pixels(read), pixels(written))


def test_rows_begin_anywhere_and_each_is_rounded_by_itself() -> None:
    start = 33_333_333
    rows = row_stamps(start, start + 60 * 1_000_000_000, rate=24.0)
    assert len(rows) == 60 * 24 + 1
    assert rows.tolist() == [start + round(row * 1e9 / 24) for row in range(60 * 24 + 1)]
    assert row_stamps(5, 5, rate=24.0).tolist() == [5]
    assert row_stamps(6, 5, rate=24.0).tolist() == []


def test_a_bag_holds_what_a_robot_would_have_recorded(tmp_path: Path) -> None:
    bags_from_lerobot(dataset(tmp_path / "set"), tmp_path / "bags")
    assert [bag.name for bag in sorted((tmp_path / "bags").iterdir())] == [f"episode_{index:06d}" for index in range(3)]
    with BagReader(tmp_path / "bags" / "episode_000001") as bag:
        assert {topic.name: (topic.message_type, topic.count) for topic in bag.topics} == {
            "/camera/top/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", ROWS + 1),
            "/instruction": ("std_msgs/msg/String", 1),
            "/joint_states": ("sensor_msgs/msg/JointState", ROWS + 1),
            "/joint_trajectory": ("trajectory_msgs/msg/JointTrajectory", ROWS + 1),
        }
        assert next(topic.qos for topic in bag.topics if topic.name == "/instruction") == OfferedQos(reliable=True, latched=True, depth=1)
        first = deserialized(next(bag.messages(["/joint_trajectory"])))
        assert np.array_equal(joint_positions(first, JOINTS), episode(1).actions[0])
        assert first.points[0].time_from_start.nanosec == 100_000_000


def test_the_mapping_is_guessed_from_the_first_bag(tmp_path: Path) -> None:
    bags_from_lerobot(dataset(tmp_path / "set", count=1), tmp_path / "bags")
    assert proposed_bag_mapping(tmp_path / "bags") == proposed_bag_mapping(tmp_path / "bags" / "episode_000000") == MAPPING


def test_a_choice_of_episodes_is_converted_both_ways(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set")
    assert bags_from_lerobot(root, tmp_path / "bags", episodes=(2, 1)) == 2
    assert sorted(bag.name for bag in (tmp_path / "bags").iterdir()) == ["episode_000001", "episode_000002"]
    assert lerobot_from_bags(tmp_path / "bags", tmp_path / "back", episodes=(1,)) == 1
    assert np.array_equal(LeRobotSource(tmp_path / "back").episode(0).states, LeRobotSource(root).episode(2).states)
    with pytest.raises(RecordingError, match=r"has 3 episodes, numbered from 0, and the choice is \[3\]"):
        bags_from_lerobot(root, tmp_path / "more", episodes=(3,))


def test_an_existing_target_is_never_written_over(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set")
    (tmp_path / "there").mkdir()
    with pytest.raises(RecordingError, match="there exists; choose another folder"):
        bags_from_lerobot(root, tmp_path / "there")
    bags_from_lerobot(root, tmp_path / "bags")
    with pytest.raises(RecordingError, match="there exists; choose another folder"):
        lerobot_from_bags(tmp_path / "bags", tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_missing_video_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1", images="video")
    sorted(root.rglob("*.mp4"))[1].unlink()
    with pytest.raises(RecordingError, match=r"episode_000001\.mp4 is missing"):
        bags_from_lerobot(root, tmp_path / "bags")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_empty_episode_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    path = sorted(root.rglob("*.parquet"))[1]
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    entries = (root / "meta/episodes.jsonl").read_text().replace(f'"length": {ROWS + 1}}}', '"length": 0}')
    (root / "meta/episodes.jsonl").write_text(entries)
    with pytest.raises(RecordingError, match=r"episode 1 of .* is empty"):
        bags_from_lerobot(root, tmp_path / "bags")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_states_and_actions_of_other_joints_are_refused(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"]["names"] = ["shoulder", "elbow", "gripper"]
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(RecordingError, match="measures wrist that it does not command, and commands gripper that it does not measure"):
        bags_from_lerobot(root, tmp_path / "bags")
    assert not (tmp_path / "bags").exists()


def test_bags_of_other_joints_than_the_first_are_refused(tmp_path: Path) -> None:
    other = dataclasses.replace(LAYOUT, state_names=("a", "b", "c"), action_names=("a", "b", "c"))
    write_lerobot(tmp_path / "set", [episode(0)], layout=other)
    bags_from_lerobot(dataset(tmp_path / "first", count=1), tmp_path / "bags")
    bags_from_lerobot(tmp_path / "set", tmp_path / "others")
    (tmp_path / "others" / "episode_000000").rename(tmp_path / "bags" / "episode_000001")
    with pytest.raises(RecordingError, match="carries the positions of a, b, c, but not of shoulder, elbow, wrist"):
        lerobot_from_bags(tmp_path / "bags", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_topic_that_pauses_too_long_leaves_nothing_half_written(tmp_path: Path) -> None:
    bags_from_lerobot(dataset(tmp_path / "set", count=1), tmp_path / "bags")
    with pytest.raises(RecordingError, match="more than max_age"):
        lerobot_from_bags(tmp_path / "bags", tmp_path / "back", mapping=dataclasses.replace(MAPPING, rate=40.0, max_age=0.01))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bags", "set"]


def test_two_cameras_of_one_topic_are_refused(tmp_path: Path) -> None:
    two = dataclasses.replace(LAYOUT, cameras={"a.b": LAYOUT.cameras["top"], "a_b": LAYOUT.cameras["top"]})
    frames = episode(0).cameras["top"]
    write_lerobot(tmp_path / "set", [dataclasses.replace(episode(0), cameras={"a.b": frames, "a_b": frames})], layout=two)
    with pytest.raises(RecordingError, match=r"two cameras of .* would be /camera/a_b/image_raw/compressed"):
        bags_from_lerobot(tmp_path / "set", tmp_path / "bags")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["set", "bags", "--images", "video"], "--images is 'video'; for this direction choose jpeg or png"),
        (["bags", "back", "--images", "jpeg"], "--images is 'jpeg'; for this direction choose png or video"),
        (["bags", "back", "--version", "v1"], "--version is 'v1'"),
        (["missing", "back"], "there is no bag at|neither a bag nor a folder of bags"),
    ],
)
def test_the_command_refuses_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    dataset(tmp_path / "set", count=1)
    monkeypatch.chdir(tmp_path)
    if "bags" in arguments[:1]:
        bags_from_lerobot(Path("set"), Path("bags"))
    result = CliRunner().invoke(app, ["convert", *arguments])
    assert isinstance(result.exception, TttRosError)
    with pytest.raises(TttRosError, match=complaint):
        raise result.exception
    assert not (tmp_path / arguments[1]).exists()


def test_the_command_converts_there_and_back_with_a_mapping(tmp_path: Path) -> None:
    dataset(tmp_path / "set")
    fields = dataclasses.asdict(MAPPING) | {"joints": list(JOINTS[:2])}
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(fields))
    there = CliRunner().invoke(app, ["convert", f"{tmp_path}/set", f"{tmp_path}/bags", "--images", "png", "--episode", "0"])
    assert there.exit_code == 0, there.output
    back = CliRunner().invoke(app, ["convert", f"{tmp_path}/bags", f"{tmp_path}/back", "--mapping", f"{tmp_path}/mapping.yaml"])
    assert back.exit_code == 0, back.output
    assert LeRobotSource(tmp_path / "back").layout.state_names == JOINTS[:2]


@pytest.mark.skipif(not G1.exists(), reason=f"the recording of a real robot is not at {G1}")
def test_a_real_robots_recording_becomes_a_bag(tmp_path: Path) -> None:
    bags_from_lerobot(G1, tmp_path / "bags", episodes=(4,))
    written = LeRobotSource(G1).episode(4)
    read = BagSource(tmp_path / "bags", proposed_bag_mapping(tmp_path / "bags")).episode(0)
    assert read.states.tobytes() == written.states.tobytes()
    assert read.actions.tobytes() == written.actions.tobytes()
    assert read.instruction == written.instruction
    assert read.stamps.tolist() == [round(row * 1e9 / 30) for row in range(len(written))]
    one, other = (next(iter(each.cameras["cam_high"])).astype(int) for each in (read, written))
    assert np.abs(one - other).mean() < 3


@pytest.mark.skipif(not DEMO.exists(), reason=f"there is no bag of a demo at {DEMO}; run `make demo`")
def test_a_run_of_the_simulation_becomes_a_data_set(tmp_path: Path) -> None:
    lerobot_from_bags(DEMO, tmp_path / "set", episodes=(0, 1))
    source = LeRobotSource(tmp_path / "set")
    assert source.layout.rate == 30.0
    assert len(list(source.episode(1).cameras["overhead"])) == len(source.episode(1)) > 10
