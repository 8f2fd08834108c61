"""Writing episodes as a LeRobot data set, format v3.0 or v2.1, with images in the tables or as videos."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.episode import Episode, Frames, Layout, Pixels
from ttt_ros.training.datasets.lerobot_info import ACTION, ENVIRONMENT, IMAGE_PREFIX, PATHS, STATE, Version
from ttt_ros.training.datasets.video_writer import VideoWriter

Images: TypeAlias = Literal["png", "video"]
_Numbers: TypeAlias = dict[str, Any]

_EPISODES_PER_FILE = 50
"""Episodes in one file of format v3.0: small enough to be held in memory by whoever reads a whole file."""

_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_PANDAS_INDEX = "__index_level_0__"
_PANDAS_METADATA = {
    # LeRobot reads the tasks as a pandas table whose index they are.
    b"pandas": json.dumps(
        {
            "index_columns": [_PANDAS_INDEX],
            "column_indexes": [],
            "columns": [
                {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
                {"name": None, "field_name": _PANDAS_INDEX, "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
            ],
        }
    ).encode()
}


def write_lerobot(
    path: Path, episodes: Iterable[Episode], *, layout: Layout, robot: str = "unknown", version: Version = "v3.0", images: Images = "png"
) -> int:
    """Writes ``episodes``, one at a time, to the folder ``path``, which appears whole or not at all.

    Args:
        path: must not exist.
        episodes: may be a generator; an image's size must be the layout's.
        layout: names, cameras and rate of all episodes.
        robot: its name, for people.
        version: of the format; LeRobot 0.4 and later read v3.0.
        images: ``png`` keeps every bit inside the tables; ``video`` compresses to AV1.

    Returns:
        How many episodes were written.

    Raises:
        RecordingError: ``path`` exists, there is no episode, an episode does not fit ``layout``, or the disk is full.
    """
    if path.exists():
        raise RecordingError(f"{path} exists; choose another folder for the data set, or delete it")
    aside = path.with_name(f"{path.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    writer = _Writer(aside, layout=layout, robot=robot, version=version, images=images)
    try:
        for episode in episodes:
            writer.add(episode)
        writer.finish()
        os.replace(aside, path)
    except (OSError, pa.ArrowException) as error:
        raise RecordingError(f"cannot write the data set {path} ({error}); check the folder and the space left on the disk") from None
    finally:
        writer.close()
        shutil.rmtree(aside, ignore_errors=True)
    return writer.count


@dataclass
class _Writer:
    root: Path
    layout: Layout
    robot: str
    version: Version
    images: Images
    count: int = 0
    rows: int = 0
    tasks: list[str] = field(default_factory=list)
    episodes: list[_Numbers] = field(default_factory=list)
    table: pq.ParquetWriter | None = None
    videos: dict[str, VideoWriter] = field(default_factory=dict)

    def add(self, episode: Episode) -> None:
        """Appends one episode."""
        _check(episode, self.layout)
        if self.version == "v2.1" or self.count % _EPISODES_PER_FILE == 0:
            self.close()
        task = self._task(episode.instruction)
        entry: _Numbers = {"episode_index": self.count, "tasks": [episode.instruction], "length": len(episode)}
        numbers = self._numbers(episode, task)
        pictures: _Numbers = {}
        for camera, frames in episode.cameras.items():
            checked = _checked_images(frames, episode, camera=camera, size=self.layout.cameras[camera])
            if self.images == "png":
                pictures[IMAGE_PREFIX + camera] = pa.array([{"bytes": _png(pixels), "path": None} for pixels in checked], type=_IMAGE)
            else:
                entry |= self._write_video(camera, checked, rows=len(episode))
        self._write_table(pa.table(numbers | pictures))
        entry |= {"dataset_from_index": self.rows, "dataset_to_index": self.rows + len(episode)} | _stats(episode)
        entry |= {
            "data/chunk_index": 0,
            "data/file_index": self._file_index(),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        self.episodes.append(entry)
        self.rows += len(episode)
        self.count += 1

    def finish(self) -> None:
        """Writes what can be known only at the end."""
        self.close()
        if not self.count:
            raise RecordingError("there is no episode to write; record at least one")
        (self.root / "meta").mkdir(exist_ok=True)
        if self.version == "v2.1":
            self._finish_v21()
        else:
            self._finish_v3()
        self._write_json("meta/info.json", self._info())

    def close(self) -> None:
        """Closes the files that are open."""
        if self.table is not None:
            self.table.close()
        for video in self.videos.values():
            video.close()
        self.table, self.videos = None, {}

    def _finish_v21(self) -> None:
        basics = [{name: entry[name] for name in ("episode_index", "tasks", "length")} for entry in self.episodes]
        self._write_lines("meta/episodes.jsonl", basics)
        self._write_lines("meta/tasks.jsonl", [{"task_index": index, "task": task} for index, task in enumerate(self.tasks)])
        stats = [{"episode_index": index, "stats": _nested_stats(entry)} for index, entry in enumerate(self.episodes)]
        self._write_lines("meta/episodes_stats.jsonl", stats)

    def _finish_v3(self) -> None:
        path = self.root / "meta/episodes/chunk-000/file-000.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self.episodes), path)
        tasks = pa.table({"task_index": pa.array(range(len(self.tasks)), type=pa.int64()), _PANDAS_INDEX: self.tasks})
        pq.write_table(tasks.replace_schema_metadata(_PANDAS_METADATA), self.root / "meta/tasks.parquet")

    def _task(self, instruction: str) -> int:
        if instruction not in self.tasks:
            self.tasks.append(instruction)
        return self.tasks.index(instruction)

    def _numbers(self, episode: Episode, task: int) -> _Numbers:
        rows = len(episode)
        return {
            **{key: _vectors(values) for key, values in _columns(episode).items()},
            "timestamp": pa.array(np.arange(rows) / self.layout.rate, type=pa.float32()),
            "frame_index": pa.array(np.arange(rows), type=pa.int64()),
            "episode_index": pa.array(np.full(rows, self.count), type=pa.int64()),
            "index": pa.array(np.arange(self.rows, self.rows + rows), type=pa.int64()),
            "task_index": pa.array(np.full(rows, task), type=pa.int64()),
        }

    def _file_index(self) -> int:
        return self.count // _EPISODES_PER_FILE

    def _path(self, pattern: str, **keys: str) -> Path:
        names = {"chunk_index": 0, "file_index": self._file_index(), "episode_chunk": 0, "episode_index": self.count}
        path = self.root / pattern.format(**names, **keys)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_table(self, table: pa.Table) -> None:
        if self.table is None:
            self.table = pq.ParquetWriter(self._path(PATHS[self.version].data), table.schema)
        self.table.write_table(table)

    def _write_video(self, camera: str, frames: Iterator[Pixels], *, rows: int) -> _Numbers:
        key = IMAGE_PREFIX + camera
        if key not in self.videos:
            path = self._path(PATHS[self.version].video, video_key=key)
            self.videos[key] = VideoWriter(path, size=self.layout.cameras[camera], rate=self.layout.rate)
        start = self.videos[key].duration
        for pixels in frames:
            self.videos[key].write(pixels)
        return {
            f"videos/{key}/chunk_index": 0,
            f"videos/{key}/file_index": self._file_index(),
            f"videos/{key}/from_timestamp": start,
            f"videos/{key}/to_timestamp": start + rows / self.layout.rate,
        }

    def _info(self) -> _Numbers:
        paths, videos = PATHS[self.version], self.images == "video"
        info = {
            "codebase_version": self.version,
            "robot_type": self.robot,
            "total_episodes": self.count,
            "total_frames": self.rows,
            "total_tasks": len(self.tasks),
            "chunks_size": 1000,
            "fps": int(self.layout.rate) if float(self.layout.rate).is_integer() else self.layout.rate,
            "splits": {"train": f"0:{self.count}"},
            "data_path": paths.data,
            "video_path": paths.video if videos else None,
            "features": _features(self.layout, images="video" if videos else "image"),
        }
        if self.version == "v2.1":
            return info | {"total_chunks": 1, "total_videos": self.count * len(self.layout.cameras) if videos else 0}
        return info | {"data_files_size_in_mb": 100, "video_files_size_in_mb": 200}

    def _write_json(self, name: str, values: _Numbers) -> None:
        (self.root / name).write_text(json.dumps(values, indent=4), encoding="utf-8")

    def _write_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        (self.root / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def _features(layout: Layout, *, images: str) -> _Numbers:
    vectors = {STATE: layout.state_names, ACTION: layout.action_names}
    if layout.environment_names:
        vectors[ENVIRONMENT] = layout.environment_names
    features: _Numbers = {key: {"dtype": "float32", "shape": [len(names)], "names": list(names)} for key, names in vectors.items()}
    for camera, (height, width) in layout.cameras.items():
        features[IMAGE_PREFIX + camera] = {"dtype": images, "shape": [height, width, 3], "names": ["height", "width", "channels"]}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    return features | {
        key: {"dtype": "int64", "shape": [1], "names": None} for key in ("frame_index", "episode_index", "index", "task_index")
    }


def _check(episode: Episode, layout: Layout) -> None:
    if episode.states.shape[1] != len(layout.state_names) or episode.actions.shape[1] != len(layout.action_names):
        raise RecordingError(
            f"{episode.name} has {episode.states.shape[1]} states and {episode.actions.shape[1]} actions, but the layout names "
            f"{len(layout.state_names)} and {len(layout.action_names)}; correct the layout"
        )
    if episode.environment.shape[1] != len(layout.environment_names):
        raise RecordingError(
            f"{episode.name} has {episode.environment.shape[1]} environment states, but the layout names {len(layout.environment_names)}; "
            "correct the layout"
        )
    if set(episode.cameras) != set(layout.cameras):
        raise RecordingError(f"{episode.name} has the cameras {sorted(episode.cameras)}, the layout {sorted(layout.cameras)}; correct it")


def _checked_images(frames: Frames, episode: Episode, *, camera: str, size: tuple[int, int]) -> Iterator[Pixels]:
    count = 0
    for pixels in frames:
        if pixels.shape != (*size, 3) or pixels.dtype != np.uint8:
            raise RecordingError(
                f"{episode.name}: image {count} of camera '{camera}' is {pixels.dtype} of shape {pixels.shape}, not uint8 of {(*size, 3)}"
            )
        count += 1
        yield pixels
    if count != len(episode):
        raise RecordingError(f"{episode.name} has {len(episode)} rows but {count} images of camera '{camera}'; record one for each row")


def _columns(episode: Episode) -> Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]:
    columns = {STATE: episode.states, ACTION: episode.actions}
    return columns | {ENVIRONMENT: episode.environment} if episode.environment.size else columns


def _vectors(values: np.ndarray[Any, np.dtype[np.float32]]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), values.shape[1])


def _png(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])


def _stats(episode: Episode) -> _Numbers:
    stats: _Numbers = {}
    for key, values in _columns(episode).items():
        for name in ("min", "max", "mean", "std"):
            stats[f"stats/{key}/{name}"] = getattr(np, name)(values, axis=0).tolist()
        stats[f"stats/{key}/count"] = [len(episode)]
    return stats


def _nested_stats(entry: _Numbers) -> _Numbers:
    nested: _Numbers = {}
    for name, values in entry.items():
        if name.startswith("stats/"):
            _, key, figure = name.split("/")
            nested.setdefault(key, {})[figure] = values
    return nested
