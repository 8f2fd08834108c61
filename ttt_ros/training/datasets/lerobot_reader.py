"""Reading LeRobot data sets on disk, formats v2.1 and v3.0."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ttt_ros.control.images import decode_compressed
from ttt_ros.errors import ObservationError, RecordingError
from ttt_ros.training.datasets.episode import Episode, Frames, Layout, Pixels, check_index
from ttt_ros.training.datasets.lerobot_info import ACTION, ENVIRONMENT, IMAGE_PREFIX, STATE, Info, read_info
from ttt_ros.training.datasets.video import VideoFrames

_Row: TypeAlias = Mapping[str, Any]

_RATE_TOLERANCE = 0.01
"""Relative; of the time between two rows against the rate that the data set states."""

_NANOSECONDS = 1_000_000_000


class LeRobotSource:
    """The episodes of a LeRobot data set; a table is read when an episode in it is asked for."""

    def __init__(self, root: Path) -> None:
        """Opens the data set in ``root``.

        Raises:
            RecordingError: there is none, its format is another, or its lists of episodes or tasks cannot be read.
        """
        self._info = read_info(root)
        self._episodes = _episodes_v21(root) if self._info.version == "v2.1" else _episodes_v3(root, self._info)
        self._tasks = _tasks_v21(root) if self._info.version == "v2.1" else _tasks_v3(root)
        if len(self._episodes) != self._info.episodes:
            raise RecordingError(
                f"{root} lists {len(self._episodes)} episodes, but its meta/info.json says {self._info.episodes}; download it again"
            )
        self._table = lru_cache(maxsize=2)(_read_table)

    @property
    def layout(self) -> Layout:
        """Names, cameras and rate of all episodes."""
        return self._info.layout

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._episodes)

    def episode(self, index: int) -> Episode:
        """Reads the numbers of one episode; the images are read when they are iterated.

        Raises:
            RecordingError: there is no such episode; its table is missing, truncated or lacks a column; a value is not finite; the time
                between two rows is not that of the stated rate; or it shows several tasks.
        """
        root = self._info.root
        check_index(index, of=len(self), source=str(root))
        entry, name = self._episodes[index], f"episode {index} of {root}"
        table = self._rows(entry, index)
        times = _column(table, "timestamp", name=name).astype(np.float64).reshape(-1)
        _check_rate(times, rate=self.layout.rate, name=name)
        return Episode(
            name=name,
            stamps=np.round(times * _NANOSECONDS).astype(np.int64),
            states=_column(table, STATE, name=name).astype(np.float32),
            actions=_column(table, ACTION, name=name).astype(np.float32),
            instruction=self._instruction(_column(table, "task_index", name=name).reshape(-1), name),
            cameras={camera: self._frames(camera, table, entry, index, times) for camera in self.layout.cameras},
            **self._environment(table, name),
        )

    def _environment(self, table: pa.Table, name: str) -> Mapping[str, NDArray[np.float32]]:
        if not self.layout.environment_names:
            return {}
        return {"environment": _column(table, ENVIRONMENT, name=name).astype(np.float32)}

    def _rows(self, entry: _Row, index: int) -> pa.Table:
        info = self._info
        if info.version == "v2.1":
            path = info.root / info.paths.data.format(episode_chunk=index // info.chunk_size, episode_index=index)
        else:
            path = info.root / info.paths.data.format(chunk_index=entry["data/chunk_index"], file_index=entry["data/file_index"])
        table = self._table(path)
        rows = np.flatnonzero(_column(table, "episode_index", name=str(path)) == index)
        if len(rows) != entry["length"]:
            raise RecordingError(
                f"{path} holds {len(rows)} rows of episode {index}, which should have {entry['length']}; download it again"
            )
        return table.take(pa.array(rows))

    def _instruction(self, tasks: NDArray[np.int64], name: str) -> str:
        numbers = sorted({int(task) for task in tasks})
        if len(numbers) > 1:
            raise RecordingError(f"{name} shows the tasks {numbers}, one after the other; split it into one episode for each")
        if not numbers:
            return ""
        if numbers[0] not in self._tasks:
            raise RecordingError(f"{name} shows task {numbers[0]}, which the data set does not name; it names {sorted(self._tasks)}")
        return self._tasks[numbers[0]]

    def _frames(self, camera: str, table: pa.Table, entry: _Row, index: int, times: NDArray[np.float64]) -> Frames:
        info, size = self._info, self.layout.cameras[camera]
        key = info.video_keys.get(camera)
        if key is None:
            name = camera if camera in table.column_names else IMAGE_PREFIX + camera
            return ImageColumn(table=table, key=name, size=size, root=info.root)
        if info.version == "v2.1":
            path = info.paths.video.format(episode_chunk=index // info.chunk_size, video_key=key, episode_index=index)
            start = 0.0
        else:
            numbers = {name: entry[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
            path = info.paths.video.format(video_key=key, **numbers)
            start = entry[f"videos/{key}/from_timestamp"]
        return VideoFrames(path=info.root / path, times=list(start + times), period=1 / self.layout.rate, size=size)


@dataclass(frozen=True, kw_only=True)
class ImageColumn:
    """Images inside a table, each a PNG or JPEG file or the path of one below ``root``."""

    table: pa.Table
    key: str
    size: tuple[int, int]
    root: Path

    def __iter__(self) -> Iterator[Pixels]:
        """Decodes image after image.

        Raises:
            RecordingError: the column or an image is missing, cannot be decoded, or has another size than the data set says.
        """
        if self.key not in self.table.column_names:
            raise RecordingError(f"{self.root} has no images in a column '{self.key}'; it has {', '.join(self.table.column_names)}")
        for row, image in enumerate(self.table[self.key]):
            pixels = self._decoded(image.as_py() or {}, row)
            if pixels.shape[:2] != self.size:
                raise RecordingError(
                    f"image {row} of '{self.key}' in {self.root} is {pixels.shape[:2]}, not {self.size} as it says; mend it"
                )
            yield pixels

    def _decoded(self, image: _Row, row: int) -> Pixels:
        data = image.get("bytes")
        if data is None:
            data = self._read(Path(image.get("path") or ""), row)
        try:
            return decode_compressed(data or b"", "")
        except ObservationError as error:
            raise RecordingError(
                f"image {row} of '{self.key}' in {self.root} is missing or cannot be decoded ({error}); download the data set again"
            ) from None

    def _read(self, path: Path, row: int) -> bytes:
        """An image beside the table. By name and not by where links lead to, because downloaded data sets are made of links."""
        if path.is_absolute() or ".." in path.parts:
            raise RecordingError(f"image {row} of '{self.key}' in {self.root} is said to be {path}, outside of it; do not trust it")
        file = self.root / path
        return file.read_bytes() if file.is_file() else b""


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise RecordingError(f"the table {path} is missing; download the data set again") from None
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(f"the table {path} is truncated or damaged ({error}); download the data set again") from None


def _column(table: pa.Table, key: str, *, name: str) -> NDArray[Any]:
    if key not in table.column_names:
        raise RecordingError(f"{name} has no column '{key}'; it has {', '.join(table.column_names)}")
    column = table[key]
    if column.null_count:
        raise RecordingError(f"{name} lacks {column.null_count} of its '{key}'; mend the recording or leave the episode out")
    try:
        return np.array(column.to_pylist(), ndmin=1)
    except ValueError:
        raise RecordingError(f"'{key}' of {name} differs in length from row to row; record it again") from None


def _check_rate(times: NDArray[np.float64], *, rate: float, name: str) -> None:
    gaps = np.diff(times)
    wrong = np.flatnonzero(np.abs(gaps * rate - 1) > _RATE_TOLERANCE)
    if len(wrong):
        raise RecordingError(
            f"{name}: {gaps[wrong[0]]:.4f} s lie between rows {wrong[0]} and {wrong[0] + 1}, but at the stated {rate:g} rows a second "
            f"it should be {1 / rate:.4f}; correct 'fps' in meta/info.json or resample the recording"
        )


def _lines(path: Path, *keys: str) -> list[_Row]:
    try:
        lines: list[_Row] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise RecordingError(f"cannot read {path} ({error}); download the data set again") from None
    _check_keys(lines, keys, path)
    return lines


def _check_keys(entries: Sequence[_Row], keys: Sequence[str], path: Path) -> None:
    for entry in entries:
        missing = [key for key in keys if not isinstance(entry, Mapping) or entry.get(key) is None]
        if missing:
            raise RecordingError(f"an entry of {path} lacks {', '.join(missing)}; download the data set again")


def _episodes_v21(root: Path) -> list[_Row]:
    return sorted(_lines(root / "meta" / "episodes.jsonl", "episode_index", "length"), key=lambda entry: int(entry["episode_index"]))


def _episodes_v3(root: Path, info: Info) -> list[_Row]:
    video = [f"videos/{key}/{name}" for key in info.video_keys.values() for name in ("chunk_index", "file_index", "from_timestamp")]
    paths = sorted((root / "meta" / "episodes").rglob("*.parquet"))
    if not paths:
        raise RecordingError(f"{root} lists no episode in meta/episodes; download the data set again")
    rows: list[_Row] = []
    for path in paths:
        table = _read_table(path)
        entries = table.select([name for name in table.column_names if not name.startswith("stats/")]).to_pylist()
        _check_keys(entries, ("episode_index", "length", "data/chunk_index", "data/file_index", *video), path)
        rows += entries
    return sorted(rows, key=lambda entry: int(entry["episode_index"]))


def _tasks_v21(root: Path) -> dict[int, str]:
    return {int(line["task_index"]): str(line["task"]) for line in _lines(root / "meta" / "tasks.jsonl", "task_index", "task")}


def _tasks_v3(root: Path) -> dict[int, str]:
    path = root / "meta" / "tasks.parquet"
    table = _read_table(path)
    texts: Sequence[str] = [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]
    if "task_index" not in table.column_names or not texts:
        raise RecordingError(f"{path} has the columns {', '.join(table.column_names)}, but no task_index or no text; download it again")
    return dict(zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True))
