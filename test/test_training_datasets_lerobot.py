"""LeRobot data sets: what is written comes back, and what is wrong is refused with its name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded_demonstrations import LAYOUT, ROWS, TOLD, dataset, episode, episodes, told

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.lerobot_info import Version
from ttt_ros.training.datasets.lerobot_reader import LeRobotSource
from ttt_ros.training.datasets.lerobot_writer import write_lerobot
from ttt_ros.training.datasets.opening import open_dataset

FORMATS = [(version, images) for version in ("v2.1", "v3.0") for images in ("png", "video")]


def only_file(root: Path, pattern: str) -> Path:
    return sorted(root.rglob(pattern))[0]


@pytest.fixture(params=FORMATS, ids=lambda each: f"{each[0]}-{each[1]}")
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    version, images = request.param
    return dataset(tmp_path / "set", version=version, images=images)


def test_what_was_written_is_read_back(root: Path) -> None:
    source = open_dataset(root)
    assert source.layout == LAYOUT
    assert len(source) == 3
    for index, written in enumerate(episodes(3)):
        read = source.episode(index)
        assert np.array_equal(read.states, written.states)
        assert np.array_equal(read.actions, written.actions)
        assert read.instruction == written.instruction
        assert np.abs(read.stamps - written.stamps).max() < 1000
        pixels, pictures = (np.stack(list(each.cameras["top"])).astype(int) for each in (read, written))
        difference = np.abs(pixels - pictures).mean()
        if next(root.rglob("*.mp4"), None) is None:
            assert difference == 0
        else:  # compressed, but still the frame of that row and not of the next
            assert difference < min(3, np.abs(pixels[:-1] - pictures[1:]).mean())


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_what_is_known_of_the_surroundings_is_read_back(tmp_path: Path, version: Version) -> None:
    write_lerobot(tmp_path / "set", [told(0), told(1)], layout=TOLD, version=version)
    source = LeRobotSource(tmp_path / "set")
    assert source.layout == TOLD
    assert np.array_equal(source.episode(1).environment, told(1).environment)


def test_surroundings_that_the_layout_does_not_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="2 environment states, but the layout names 0"):
        write_lerobot(tmp_path / "set", [told(0)], layout=LAYOUT)


def test_the_images_of_an_episode_can_be_read_again(root: Path) -> None:
    frames = LeRobotSource(root).episode(1).cameras["top"]
    assert all(np.array_equal(one, other) for one, other in zip(frames, frames, strict=True))


def test_an_episode_is_found_in_the_second_file_of_format_3(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", count=52)
    assert len(list(root.glob("data/*/*.parquet"))) == 2
    assert np.array_equal(LeRobotSource(root).episode(51).states, episode(51, rows=ROWS + 51).states)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_truncated_table_is_refused_by_name(tmp_path: Path, version: str) -> None:
    root = dataset(tmp_path / "set", version=version)  # type: ignore[arg-type]
    path = only_file(root / "data", "*.parquet")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordingError, match=rf"{path.name} is truncated or damaged"):
        LeRobotSource(root).episode(0)


def test_a_missing_table_is_refused_by_name(root: Path) -> None:
    path = only_file(root / "data", "*.parquet")
    path.unlink()
    with pytest.raises(RecordingError, match=rf"{path.name} is missing"):
        LeRobotSource(root).episode(0)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_missing_video_is_refused_by_name(tmp_path: Path, version: str) -> None:
    root = dataset(tmp_path / "set", version=version, images="video")  # type: ignore[arg-type]
    path = only_file(root, "*.mp4")
    path.unlink()
    with pytest.raises(RecordingError, match=rf"{path.name} is missing"):
        list(LeRobotSource(root).episode(0).cameras["top"])


def test_a_video_that_is_no_video_is_refused_by_name(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1", images="video")
    only_file(root, "*.mp4").write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"episode_000000\.mp4 is truncated or damaged"):
        list(LeRobotSource(root).episode(0).cameras["top"])


def test_a_video_that_is_too_short_is_refused_with_the_row(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1", images="video")
    videos = sorted(root.rglob("*.mp4"))
    videos[1].write_bytes(videos[0].read_bytes())
    with pytest.raises(RecordingError, match=rf"no frame at 2\.400 s, row {ROWS} of {ROWS + 1}"):
        list(LeRobotSource(root).episode(1).cameras["top"])


def test_an_image_that_cannot_be_decoded_is_refused_with_its_row(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    path = only_file(root / "data", "*.parquet")
    table = pq.read_table(path)
    column = table.column_names.index("observation.images.top")
    images = table.column(column).to_pylist()
    images[5]["bytes"] = b"broken"
    pq.write_table(table.set_column(column, table.field(column), pa.array(images, type=table.field(column).type)), path)
    with pytest.raises(RecordingError, match=r"image 5 of 'observation\.images\.top' .* cannot be decoded"):
        list(LeRobotSource(root).episode(0).cameras["top"])


@pytest.mark.parametrize("elsewhere", ["/etc/hostname", "../outside.png", "images/../../outside.png"])
def test_an_image_outside_of_the_data_set_is_not_opened(tmp_path: Path, elsewhere: str) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    path = only_file(root / "data", "*.parquet")
    table = pq.read_table(path)
    column = table.column_names.index("observation.images.top")
    images = table.column(column).to_pylist()
    images[5] = {"bytes": None, "path": elsewhere}
    pq.write_table(table.set_column(column, table.field(column), pa.array(images, type=table.field(column).type)), path)
    with pytest.raises(RecordingError, match=r"image 5 of .* is said to be .*, outside of it; do not trust it"):
        list(LeRobotSource(root).episode(0).cameras["top"])


def test_a_value_that_is_not_finite_is_refused_with_its_place(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    path = only_file(root / "data", "*.parquet")
    table = pq.read_table(path)
    actions = table["action"].to_pylist()
    actions[7][2] = float("nan")
    column = table.column_names.index("action")
    pq.write_table(table.set_column(column, table.field(column), pa.array(actions, type=table.field(column).type)), path)
    with pytest.raises(RecordingError, match=r"1 actions that are not finite, the first at row 7, column 2 \(nan\)"):
        LeRobotSource(root).episode(0)


def test_an_empty_episode_is_refused_by_name(tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    path = only_file(root / "data", "*.parquet")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    entries = (root / "meta/episodes.jsonl").read_text().replace(f'"length": {ROWS}}}', '"length": 0}')
    (root / "meta/episodes.jsonl").write_text(entries)
    with pytest.raises(RecordingError, match=r"episode 0 of .* is empty"):
        LeRobotSource(root).episode(0)


def test_a_table_with_fewer_rows_than_listed_is_refused(root: Path) -> None:
    path = only_file(root / "data", "*.parquet")
    pq.write_table(pq.read_table(path).slice(4), path)
    with pytest.raises(RecordingError, match=f"holds {ROWS - 4} rows of episode 0, which should have {ROWS}"):
        LeRobotSource(root).episode(0)


def test_time_stamps_that_contradict_the_stated_rate_are_refused(root: Path) -> None:
    edit_info(root, lambda info: info | {"fps": 25})
    with pytest.raises(RecordingError, match=r"0\.1000 s lie between rows 0 and 1, but at the stated 25 rows a second"):
        LeRobotSource(root).episode(0)


def test_another_format_is_refused_with_those_that_are_read(root: Path) -> None:
    edit_info(root, lambda info: info | {"codebase_version": "v1.6"})
    with pytest.raises(RecordingError, match=r"format 'v1\.6', and v2\.1 and v3\.0 are read"):
        open_dataset(root)


def test_names_that_do_not_fit_the_values_are_refused(root: Path) -> None:
    edit_info(root, lambda info: info | {"features": info["features"] | {"action": {"dtype": "float32", "shape": [3], "names": ["a"]}}})
    with pytest.raises(RecordingError, match=r"'action' has 3 values but the names \['a'\]"):
        open_dataset(root)


def test_a_list_of_episodes_that_is_cut_off_is_refused(root: Path) -> None:
    edit_info(root, lambda info: info | {"total_episodes": 4})
    with pytest.raises(RecordingError, match=r"lists 3 episodes, but its meta/info\.json says 4"):
        open_dataset(root)


def test_damaged_facts_are_refused_with_the_key(root: Path) -> None:
    edit_info(root, lambda info: {key: value for key, value in info.items() if key != "fps"})
    with pytest.raises(RecordingError, match=r"info\.json lacks or garbles 'fps'"):
        open_dataset(root)


def test_a_folder_that_holds_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="neither a LeRobot data set"):
        open_dataset(tmp_path)
    with pytest.raises(RecordingError, match="there is no data set at"):
        open_dataset(tmp_path / "missing")


def test_an_episode_that_is_not_there_is_refused_with_those_that_are(root: Path) -> None:
    with pytest.raises(RecordingError, match="has episodes 0 to 2, not 3"):
        LeRobotSource(root).episode(3)


def test_a_data_set_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    short = dataclasses.replace(episode(1), cameras={"top": list(episode(1).cameras["top"])[:-1]})
    with pytest.raises(RecordingError, match=f"has {ROWS} rows but {ROWS - 1} images"):
        write_lerobot(tmp_path / "set", [episode(0), short], layout=LAYOUT)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="exists; choose another folder"):
        write_lerobot(tmp_path, [episode(0)], layout=LAYOUT)


def test_a_data_set_without_an_episode_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no episode to write"):
        write_lerobot(tmp_path / "set", [], layout=LAYOUT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stamps": np.zeros(ROWS, dtype=np.int64)}, "time stamp of row 1 is not after"),
        ({"states": np.zeros((ROWS - 1, 3), dtype=np.float32)}, "24 time stamps but states of shape"),
        ({"instruction": " "}, "has no instruction"),
    ],
)
def test_an_episode_that_contradicts_itself_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        dataclasses.replace(episode(0), **changes)  # type: ignore[arg-type]


def edit_info(root: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    path = root / "meta" / "info.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
