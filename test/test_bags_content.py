"""What recorded messages mean: positions by name, pixels, stamps; and what is malformed is refused."""

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_messages import JOINT_STATE, header, joint_state, made, numbers, trajectory
from rosbags.serde import SerdeError

from ttt_ros.bags.content import deserialized, header_stamp, image_rgb, joint_names, joint_positions, types
from ttt_ros.bags.reader import BagMessage
from ttt_ros.errors import ObservationError, RecordingError


def recorded(message: Any, kind: str) -> BagMessage:
    return BagMessage("/topic", kind, 7, bytes(types().serialize_cdr(message, kind)))


@pytest.mark.parametrize(
    "message", [joint_state(["a", "b", "c"], [1, 2, 0.1]), trajectory(["c", "a", "b"], [0.1, 1, 2], [9, 9, 9]), numbers(0.1, 1.0)]
)
def test_positions_come_in_the_order_that_was_asked_for_with_every_bit(message: Any) -> None:
    positions = joint_positions(message, ("c", "a"))
    assert positions.dtype == np.float64
    assert positions.tolist() == [0.1, 1.0]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (joint_state(["a"], [1]), "carries the positions of a, but not of b"),
        (joint_state(["a", "b"], [1]), "carries 1 positions for a, b"),
        (joint_state(["a", "b", "a"], [1, 2, 3]), "one of them twice"),
        (joint_state([], []), "no joint, but not of a, b"),
        (trajectory(["a", "b"]), "has no point"),
        (trajectory(["a", "b"], []), "carries 0 positions"),
        (numbers(1, 2, 3), "carries 3 positions for a, b"),
    ],
)
def test_positions_that_make_no_sense_are_refused(message: Any, reason: str) -> None:
    with pytest.raises(ObservationError, match=reason):
        joint_positions(message, ("a", "b"))


def test_the_joints_of_a_message_are_those_that_it_names() -> None:
    assert joint_names(joint_state(["a"], [1])) == joint_names(trajectory(["a"], [1])) == ("a",)
    assert joint_names(numbers(1)) is None


def test_raw_and_compressed_images_become_rgb() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    kind = "sensor_msgs/msg/Image"
    raw = made(kind, header=header(), height=4, width=6, encoding="bgr8", is_bigendian=0, step=18, data=bgr.reshape(-1))
    png = made("sensor_msgs/msg/CompressedImage", header=header(), format="png", data=cv2.imencode(".png", bgr)[1].reshape(-1))
    assert np.array_equal(image_rgb(deserialized(recorded(raw, kind))), rgb)
    assert np.array_equal(image_rgb(png), rgb)
    raw.height = 5
    with pytest.raises(ObservationError, match="carries 72 bytes"):
        image_rgb(raw)


@given(pixels=st.binary(max_size=40), encoding=st.text(max_size=9), cut=st.integers(0, 60))
def test_an_image_that_is_viewed_reads_as_one_that_is_copied_whole_or_cut_off(pixels: bytes, encoding: str, cut: int) -> None:
    kind = "sensor_msgs/msg/CompressedImage"
    whole = recorded(made(kind, header=header(), format=encoding.replace("\0", ""), data=np.frombuffer(pixels, dtype=np.uint8)), kind)
    message = whole._replace(cdr=whole.cdr[: len(whole.cdr) - cut])
    try:
        copied = types().deserialize_cdr(message.cdr, kind)
    except (SerdeError, struct.error, ValueError, IndexError):
        with pytest.raises(RecordingError):
            deserialized(message)
        return
    viewed = deserialized(message)
    assert (viewed.header, viewed.format, viewed.data.tobytes()) == (copied.header, copied.format, copied.data.tobytes())


def test_the_stamp_is_that_of_the_header_if_there_is_one() -> None:
    assert header_stamp(joint_state([], [])) == 3_000_000_005
    assert header_stamp(numbers()) is None


def test_a_damaged_message_is_refused_with_topic_and_stamp() -> None:
    message = recorded(joint_state(["a"], [1]), JOINT_STATE)
    with pytest.raises(RecordingError, match=r"JointState on /topic at 7 ns is damaged"):
        deserialized(message._replace(cdr=message.cdr[:30]))


def test_a_message_of_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(RecordingError, match=r"/topic carries acme_msgs/msg/Thing, which is no standard message"):
        deserialized(BagMessage("/topic", "acme_msgs/msg/Thing", 0, b""))
