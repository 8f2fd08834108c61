"""Camera images of any encoding become RGB tensors of the policy's size, or are refused with the reason."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttt_ros.control.images import DeferredImage, RawImage, decode_compressed, opencv_rgb, policy_image
from ttt_ros.errors import ObservationError
from ttt_ros.policies.specification import CameraSpecification

CAMERA = CameraSpecification(name="scene", height=8, width=12)
RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
GREY = np.full((8, 12, 3), (70, 70, 70), dtype=np.uint8)


def _message(pixels: NDArray[np.uint8], encoding: str, *, padding: int = 0) -> RawImage:
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)))
    return RawImage(encoding=encoding, height=height, width=width, step=rows.shape[1], data=memoryview(rows.tobytes()))


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.concatenate([RGB, np.full((8, 12, 1), 9, np.uint8)], axis=2)),
        ("bgra8", np.concatenate([RGB[..., ::-1], np.full((8, 12, 1), 9, np.uint8)], axis=2)),
    ],
)
@pytest.mark.parametrize("padding", [0, 5])
def test_colour_encodings_give_the_same_pixels(encoding: str, pixels: NDArray[np.uint8], padding: int) -> None:
    image = opencv_rgb(_message(np.ascontiguousarray(pixels), encoding, padding=padding))
    assert np.array_equal(image, RGB)


def test_a_grey_image_has_three_equal_channels() -> None:
    image = opencv_rgb(_message(RGB[..., :1], "mono8"))
    assert all(np.array_equal(image[..., channel], RGB[..., 0]) for channel in range(3))


@pytest.mark.parametrize(
    ("encoding", "red_at"), [("bayer_rggb8", (0, 0)), ("bayer_bggr8", (1, 1)), ("bayer_gbrg8", (1, 0)), ("bayer_grbg8", (0, 1))]
)
def test_a_bayer_pattern_is_read_from_its_first_row(encoding: str, red_at: tuple[int, int]) -> None:
    mosaic = np.zeros((8, 12, 1), dtype=np.uint8)
    mosaic[red_at[0] :: 2, red_at[1] :: 2] = 200
    image = opencv_rgb(_message(mosaic, encoding))[2:-2, 2:-2]
    assert image[..., 0].mean() > 150
    assert image[..., 2].max() == 0


@pytest.mark.parametrize(("encoding", "luma_at"), [("yuv422", 1), ("uyvy", 1), ("yuv422_yuy2", 0), ("yuyv", 0)])
def test_yuv422_reads_brightness_from_the_right_byte(encoding: str, luma_at: int) -> None:
    packed = np.full((8, 12, 2), 128, dtype=np.uint8)
    packed[..., luma_at] = 235
    assert opencv_rgb(_message(packed, encoding)).min() > 250


@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "32FC1"])
def test_depth_is_refused_with_the_reason(encoding: str) -> None:
    with pytest.raises(ObservationError, match="depth"):
        opencv_rgb(_message(RGB, encoding))


def test_an_unknown_encoding_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ObservationError, match="'jpeg' is not supported; use one of rgb8"):
        opencv_rgb(_message(RGB, "jpeg"))


@pytest.mark.parametrize(("height", "step"), [(9, 36), (7, 36), (8, 35), (0, 36)])
def test_size_fields_that_do_not_fit_the_data_are_refused(height: int, step: int) -> None:
    data = memoryview(RGB.tobytes())
    with pytest.raises(ObservationError, match="check the camera driver"):
        opencv_rgb(RawImage(encoding="rgb8", height=height, width=12, step=step, data=data))


def test_an_image_of_the_right_size_is_copied_once_and_owns_its_memory() -> None:
    buffer = bytearray(RGB.tobytes())
    message = RawImage(encoding="rgb8", height=8, width=12, step=36, data=memoryview(buffer))
    tensor = policy_image(opencv_rgb(message), CAMERA)
    buffer[:] = bytes(len(buffer))
    assert torch.equal(tensor, torch.from_numpy(RGB))


def test_a_converted_image_is_not_copied_again() -> None:
    rgb = opencv_rgb(_message(np.ascontiguousarray(RGB[..., ::-1]), "bgr8"))
    assert policy_image(rgb, CAMERA).data_ptr() == rgb.ctypes.data


def test_a_larger_image_of_the_same_aspect_is_averaged_down() -> None:
    large = RGB.repeat(4, axis=0).repeat(4, axis=1)
    assert torch.equal(policy_image(large, CAMERA), torch.from_numpy(RGB))


@pytest.mark.parametrize("shape", [(4, 6, 3), (16, 12, 3), (16, 32, 3)])
def test_a_smaller_image_or_another_aspect_is_refused_with_both_sizes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ObservationError, match=f"delivers {shape[1]}x{shape[0]} pixels, the policy was trained on 12x8"):
        policy_image(np.zeros(shape, dtype=np.uint8), CAMERA)


def test_a_png_decodes_to_its_pixels_and_a_jpeg_nearly() -> None:
    png = cv2.imencode(".png", cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR))[1].tobytes()
    jpeg = cv2.imencode(".jpg", GREY)[1].tobytes()
    assert np.array_equal(decode_compressed(png, "png"), RGB)
    assert np.abs(decode_compressed(jpeg, "rgb8; jpeg compressed bgr8").astype(int) - 70).max() <= 2


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\xff\xd8\xff\xe0 broken"])
def test_compressed_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(ObservationError, match="cannot be decoded"):
        decode_compressed(data, "jpeg")


@pytest.mark.parametrize("image_format", ["16UC1; compressedDepth png", "16UC1; png compressed"])
def test_compressed_depth_is_refused(image_format: str) -> None:
    with pytest.raises(ObservationError, match="depth"):
        decode_compressed(b"", image_format)


def outcome(make: Callable[[], torch.Tensor]) -> list[int] | str:
    """The pixels, or why there are none."""
    try:
        return make().flatten().tolist()
    except ObservationError as refusal:
        return str(refusal)


@given(height=st.integers(1, 40), width=st.integers(1, 60), seed=st.integers(0, 9))
def test_a_deferred_image_is_the_same_image_or_is_refused_for_the_same_reason(height: int, width: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert outcome(lambda: DeferredImage(rgb, CAMERA).tensor) == outcome(lambda: policy_image(rgb, CAMERA))


def test_a_deferred_image_is_refused_when_it_comes() -> None:
    with pytest.raises(ObservationError, match="the policy was trained on"):
        DeferredImage(np.zeros((7, 12, 3), dtype=np.uint8), CAMERA)


def test_a_deferred_image_is_made_once_and_only_when_it_is_looked_at() -> None:
    made: list[torch.Tensor] = []

    def finish(image: torch.Tensor) -> torch.Tensor:
        made.append(image)
        return image + 1

    image = DeferredImage(GREY, CAMERA, finish=finish)
    assert not made
    assert torch.equal(image.tensor, torch.from_numpy(GREY) + 1)
    assert image.tensor is image.tensor
    assert len(made) == 1
