"""What recorded messages mean, without ROS: joint positions, pixels, and the stamp in the header."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore

from ttt_ros.bags.mapping import IMAGE_TYPES
from ttt_ros.bags.message_types import message_types
from ttt_ros.bags.reader import BagMessage
from ttt_ros.control.images import RawImage, decode_compressed, opencv_rgb
from ttt_ros.errors import ObservationError, RecordingError
from ttt_ros.safeguard.joint_values import check_names

_NANOSECONDS = 1_000_000_000


@cache
def types() -> Typestore:
    """The standard messages; the fields of those read here are the same in all distributions."""
    return message_types(message_packages={})


def deserialized(message: BagMessage) -> Any:
    """The message with its fields as attributes; arrays of numbers are numpy arrays.

    Raises:
        RecordingError: its type is no standard message, or its bytes are damaged.
    """
    store = types()
    if message.message_type not in store.fielddefs:
        raise RecordingError(f"{message.topic} carries {message.message_type}, which is no standard message; leave the topic out")
    # An image is viewed, for copying it costs as much as reading it; arrays of wider numbers are copied to where they are aligned.
    cdr = memoryview(message.cdr) if message.message_type in IMAGE_TYPES else message.cdr
    try:
        return store.deserialize_cdr(cdr, message.message_type)
    # Everything: rosbags trusts the lengths that it reads, so damaged bytes end in any error, from ValueError to MemoryError.
    except Exception as error:
        raise RecordingError(
            f"the {message.message_type} on {message.topic} at {message.stamp} ns is damaged ({type(error).__name__}: {error}); "
            "leave it out, or record the bag again"
        ) from error


def joint_names(message: Any) -> tuple[str, ...] | None:
    """The joints that a JointState or a JointTrajectory names; None for a Float64MultiArray, which names none."""
    names = getattr(message, "joint_names", getattr(message, "name", None))
    return None if names is None else tuple(names)


def joint_positions(message: Any, joints: Sequence[str]) -> NDArray[np.float64]:
    """The positions of ``joints`` in a JointState, in the first point of a JointTrajectory, or in a Float64MultiArray in that order.

    Returns:
        Shape (joints,), in rad for revolute and m for prismatic joints; not checked to be finite.

    Raises:
        ObservationError: a joint is missing or named twice, names and positions differ in number, or a trajectory has no point.
    """
    names = joint_names(message)
    if names is None:
        names, values = tuple(joints), message.data
    elif hasattr(message, "points"):
        if not message.points:
            raise ObservationError("a trajectory has no point; record what was sent to the controller")
        values = message.points[0].positions
    else:
        values = message.position
    if len(names) != len(values):
        raise ObservationError(f"a message carries {len(values)} positions for {_in_words(names)}; each joint needs one")
    return np.asarray(values, dtype=np.float64)[_columns(names, tuple(joints))]


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...], joints: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each of ``joints`` is among ``names``, which are the same in every message of a topic."""
    check_names(names)
    missing = [joint for joint in joints if joint not in names]
    if missing:
        raise ObservationError(f"a message carries the positions of {_in_words(names)}, but not of {', '.join(missing)}")
    if len(set(names)) < len(names):
        raise ObservationError(f"a message names the joints {', '.join(names)}, one of them twice; correct its publisher")
    return np.array([names.index(joint) for joint in joints], dtype=np.int64)


def _in_words(names: tuple[str, ...]) -> str:
    check_names(names)
    return ", ".join(names) or "no joint"


def image_rgb(message: Any) -> NDArray[np.uint8]:
    """The pixels of an Image or a CompressedImage.

    Returns:
        RGB, shape (height, width, 3); it may view the message's memory, so copy before changing it.

    Raises:
        ObservationError: the encoding is unknown or carries depth, the size fields do not fit, or it cannot be decoded.
    """
    if hasattr(message, "format"):
        return decode_compressed(memoryview(message.data), message.format)
    return opencv_rgb(
        RawImage(encoding=message.encoding, height=message.height, width=message.width, step=message.step, data=memoryview(message.data))
    )


def header_stamp(message: Any) -> int | None:
    """The stamp in the header in nanoseconds; None for a message without a header."""
    header = getattr(message, "header", None)
    return None if header is None else int(header.stamp.sec) * _NANOSECONDS + int(header.stamp.nanosec)
