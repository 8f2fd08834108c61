"""What ``meta/info.json`` of a LeRobot data set says, read strictly."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.episode import Layout

Version: TypeAlias = Literal["v2.1", "v3.0"]

IMAGE_PREFIX = "observation.images."
STATE = "observation.state"
ACTION = "action"
ENVIRONMENT = "observation.environment_state"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where a format keeps its tables and videos, as patterns below the folder of the data set."""

    data: str
    video: str


PATHS: dict[Version, Paths] = {
    "v2.1": Paths(
        data="data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        video="videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    ),
    "v3.0": Paths(
        data="data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        video="videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Info:
    """The facts of a data set.

    Attributes:
        root: its folder.
        version: of its format.
        layout: names, cameras and rate.
        episodes: how many there are.
        chunk_size: episodes in one folder of format v2.1.
        paths: of its tables and videos.
        video_keys: camera name to column name, for cameras whose images are videos; those of the others are columns of the tables.
    """

    root: Path
    version: Version
    layout: Layout
    episodes: int
    chunk_size: int
    paths: Paths
    video_keys: Mapping[str, str]


def read_info(root: Path) -> Info:
    """Reads the facts of the data set in ``root``.

    Raises:
        RecordingError: there is none, it is damaged, its format is another, or it lacks states, actions or their names.
    """
    path = root / "meta" / "info.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordingError(f"{root} is no LeRobot data set: it has no meta/info.json; check the path") from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"cannot read {path} ({error}); download the data set again") from None
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if version not in PATHS:
        raise RecordingError(
            f"{root} has the format {version!r}, and {' and '.join(PATHS)} are read; convert it with LeRobot's own scripts"
        )
    try:
        return _info(root, version, info)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path} lacks or garbles {error}; download the data set again") from None


def _info(root: Path, version: Version, info: Mapping[str, Any]) -> Info:
    features = info["features"]
    cameras = {key.removeprefix(IMAGE_PREFIX): key for key, feature in features.items() if feature["dtype"] in ("image", "video")}
    layout = Layout(
        state_names=_names(root, features, STATE),
        action_names=_names(root, features, ACTION),
        cameras={camera: _size(features[key]) for camera, key in cameras.items()},
        rate=float(info["fps"]),
        environment_names=_names(root, features, ENVIRONMENT) if ENVIRONMENT in features else (),
    )
    if layout.rate <= 0:
        raise ValueError(f"fps = {layout.rate}")
    return Info(
        root=root,
        version=version,
        layout=layout,
        episodes=int(info["total_episodes"]),
        chunk_size=int(info["chunks_size"]),
        paths=Paths(data=info["data_path"], video=info.get("video_path") or PATHS[version].video),
        video_keys={camera: key for camera, key in cameras.items() if features[key]["dtype"] == "video"},
    )


def _names(root: Path, features: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if key not in features:
        raise RecordingError(f"{root} has no column '{key}'; it has {', '.join(features)}")
    (size,), names = features[key]["shape"], features[key].get("names")
    if isinstance(names, Mapping):  # {"motors": [...]}
        names = next(iter(names.values()), None)
    if isinstance(names, list) and len(names) == 1 and isinstance(names[0], list):
        (names,) = names
    if not isinstance(names, list) or len(names) != size:
        raise RecordingError(
            f"{root}: '{key}' has {size} values but the names {names}; name each in meta/info.json, so that none is swapped"
        )
    return tuple(str(name) for name in names)


def _size(feature: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width; the names say whether the channels come first."""
    shape, names = feature["shape"], feature.get("names")
    order = names if isinstance(names, list) else ["height", "width", "channels"]
    return int(shape[order.index("height")]), int(shape[order.index("width")])
