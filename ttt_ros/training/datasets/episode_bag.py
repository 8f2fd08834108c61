"""Writing one episode of a data set as a rosbag2, as a robot would have recorded it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ttt_ros.bags.content import types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.episode import Episode, Layout, Pixels

ImageFormat: TypeAlias = Literal["jpeg", "png"]

JOINT_STATES = "/joint_states"
JOINT_TRAJECTORY = "/joint_trajectory"
INSTRUCTION = "/instruction"

_IMAGE = "sensor_msgs/msg/CompressedImage"
_JOINT_STATE = "sensor_msgs/msg/JointState"
_TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
_STRING = "std_msgs/msg/String"

_SENSOR = OfferedQos(reliable=False, latched=False, depth=5)
_COMMAND = OfferedQos(reliable=True, latched=False, depth=10)
_LATCHED = OfferedQos(reliable=True, latched=True, depth=1)

_NANOSECONDS = 1_000_000_000
_NOTHING = np.zeros(0)


def camera_topics(layout: Layout, *, source: str) -> dict[str, str]:
    """Topic by camera: ``/camera/<name>/image_raw/compressed``, in characters that ROS allows in names.

    Raises:
        RecordingError: two cameras would get the same topic.
    """
    topics: dict[str, str] = {}
    for camera in layout.cameras:
        name = re.sub(r"\W", "_", camera, flags=re.ASCII)
        topic = f"/camera/{f'camera_{name}' if name[:1].isdigit() else name}/image_raw/compressed"
        if topic in topics.values():
            raise RecordingError(f"two cameras of {source} would be {topic}; rename one of {', '.join(layout.cameras)}")
        topics[camera] = topic
    return topics


def write_episode_bag(
    path: Path, episode: Episode, *, layout: Layout, topics: Mapping[str, str], images: ImageFormat, quality: int, distribution: str
) -> None:
    """Writes ``episode`` to the new folder ``path``, image by image.

    Each row becomes a JointState, a CompressedImage for each camera and a JointTrajectory of one point, one row's time ahead. Received
    and header stamps are round(row * 1e9 / rate) ns. Numbers keep every bit.

    Args:
        path: must not exist.
        episode: of the data set.
        layout: of the data set.
        topics: by camera.
        images: how they are compressed; ``png`` keeps every bit.
        quality: of JPEG, 1 to 100.
        distribution: name of the ROS distribution that is to read it.

    Raises:
        RecordingError: an image is missing or damaged, or the bag cannot be written.
    """
    with BagWriter(path, message_packages={}, distribution=distribution) as bag:
        bag.add_topic(INSTRUCTION, _STRING, qos=_LATCHED)
        bag.add_topic(JOINT_STATES, _JOINT_STATE, qos=_SENSOR)
        bag.add_topic(JOINT_TRAJECTORY, _TRAJECTORY, qos=_COMMAND)
        for topic in topics.values():
            bag.add_topic(topic, _IMAGE, qos=_SENSOR)
        bag.write(INSTRUCTION, 0, _serialized(_STRING, data=episode.instruction))
        period = round(_NANOSECONDS / layout.rate)
        for row, pixels in enumerate(_pixels_by_row(episode)):
            stamp = round(row * _NANOSECONDS / layout.rate)
            bag.write(JOINT_STATES, stamp, _joint_state(stamp, layout.state_names, episode.states[row]))
            for camera, image in pixels.items():
                bag.write(topics[camera], stamp, _image(stamp, camera, image, images=images, quality=quality))
            bag.write(JOINT_TRAJECTORY, stamp, _trajectory(stamp, layout.action_names, episode.actions[row], period=period))


def _pixels_by_row(episode: Episode) -> Iterator[dict[str, Pixels]]:
    cameras = {camera: iter(frames) for camera, frames in episode.cameras.items()}
    for row in range(len(episode)):
        pixels = {camera: next(frames, None) for camera, frames in cameras.items()}
        missing = [camera for camera, image in pixels.items() if image is None]
        if missing:
            raise RecordingError(f"{episode.name} has {len(episode)} rows but only {row} images of camera '{missing[0]}'; record it again")
        yield {camera: image for camera, image in pixels.items() if image is not None}


def _serialized(message_type: str, **fields: Any) -> bytes:
    return bytes(types().serialize_cdr(types().types[message_type](**fields), message_type))


def _header(stamp: int, *, frame: str = "") -> Any:
    seconds, nanoseconds = divmod(stamp, _NANOSECONDS)
    time = types().types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types().types["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def _joint_state(stamp: int, names: tuple[str, ...], positions: NDArray[np.float32]) -> bytes:
    return _serialized(
        _JOINT_STATE, header=_header(stamp), name=list(names), position=positions.astype(np.float64), velocity=_NOTHING, effort=_NOTHING
    )


def _trajectory(stamp: int, names: tuple[str, ...], positions: NDArray[np.float32], *, period: int) -> bytes:
    seconds, nanoseconds = divmod(period, _NANOSECONDS)
    point = types().types["trajectory_msgs/msg/JointTrajectoryPoint"](
        positions=positions.astype(np.float64),
        velocities=_NOTHING,
        accelerations=_NOTHING,
        effort=_NOTHING,
        time_from_start=types().types["builtin_interfaces/msg/Duration"](sec=seconds, nanosec=nanoseconds),
    )
    return _serialized(_TRAJECTORY, header=_header(stamp), joint_names=list(names), points=[point])


def _image(stamp: int, camera: str, pixels: Pixels, *, images: ImageFormat, quality: int) -> bytes:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if images == "jpeg" else []
    data = cv2.imencode(f".{images}", bgr, options)[1].reshape(-1)
    return _serialized(_IMAGE, header=_header(stamp, frame=f"{camera}_optical_frame"), format=images, data=np.asarray(data, dtype=np.uint8))
