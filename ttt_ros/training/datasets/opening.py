"""Finding out what kind of data set a path holds."""

from pathlib import Path

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.bag import BagMapping, BagSource
from ttt_ros.training.datasets.episode import EpisodeSource
from ttt_ros.training.datasets.lerobot_reader import LeRobotSource


def open_dataset(path: Path, *, bag: BagMapping | None = None) -> EpisodeSource:
    """Opens a LeRobot data set (v2.1 or v3.0), or a rosbag2 or a folder of them, for which ``bag`` says what its topics mean.

    Raises:
        RecordingError: there is nothing at ``path``, it is neither, or it is a bag and ``bag`` is missing.
    """
    if not path.exists():
        raise RecordingError(f"there is no data set at {path}; check the path")
    if (path / "meta").is_dir():
        return LeRobotSource(path)
    if path.suffix == ".mcap" or any(path.glob("metadata.yaml")) or any(path.glob("*/metadata.yaml")):
        if bag is None:
            raise RecordingError(f"{path} is a rosbag2; say under 'bag' in the configuration which topics the policy sees and learns from")
        return BagSource(path, bag)
    raise RecordingError(f"{path} is neither a LeRobot data set (meta/info.json) nor a rosbag2 (metadata.yaml); check the path")
