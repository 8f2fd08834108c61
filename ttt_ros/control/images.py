"""Turning camera images of any common encoding into the RGB tensor that a policy expects."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.control.compressed_size import check_compressed_size
from ttt_ros.errors import ObservationError
from ttt_ros.policies.specification import CameraSpecification

Pixels = NDArray[np.uint8]

# ROS names a Bayer pattern by its first row, OpenCV by the second row's second and third pixel.
_CONVERSIONS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}
_DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")


@dataclass(frozen=True, kw_only=True)
class RawImage:
    """An uncompressed image as sensor_msgs/Image carries it; ``data`` is any buffer of at least height * step bytes."""

    encoding: str
    height: int
    width: int
    step: int
    data: bytes | memoryview | bytearray


RgbConversion = Callable[[RawImage], Pixels]


def pixels(image: RawImage) -> Pixels:
    """Views the buffer of ``image`` as (height, width, channels) without a copy.

    Raises:
        ObservationError: the encoding is not supported, or the size fields do not fit the data.
    """
    if image.encoding in _DEPTH_ENCODINGS:
        raise ObservationError(
            f"encoding {image.encoding} carries depth or 16-bit values, and the policy sees 8-bit colour;"
            " remap to the colour topic of the camera"
        )
    if image.encoding not in _CONVERSIONS:
        raise ObservationError(f"encoding '{image.encoding}' is not supported; use one of {', '.join(_CONVERSIONS)}")
    channels, _ = _CONVERSIONS[image.encoding]
    if image.height < 1 or image.width < 1:
        raise ObservationError(f"image of {image.width}x{image.height} pixels is empty; check the camera driver")
    if image.step < image.width * channels or len(image.data) != image.height * image.step:
        raise ObservationError(
            f"image says {image.width}x{image.height} {image.encoding} with {image.step} bytes a row, but carries {len(image.data)} bytes"
            f" (expected {image.height} rows of at least {image.width * channels}); check the camera driver"
        )
    rows = np.frombuffer(image.data, dtype=np.uint8).reshape(image.height, image.step)
    return rows[:, : image.width * channels].reshape(image.height, image.width, channels)


def opencv_rgb(image: RawImage) -> Pixels:
    """Converts to RGB, uint8 (height, width, 3); an rgb8 image is viewed, not copied.

    Raises:
        ObservationError: as ``pixels``; or the encoding cannot have that size, such as an odd width with two pixels a group.
    """
    source = pixels(image)
    _, code = _CONVERSIONS[image.encoding]
    if code is None:
        return source
    try:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(source), code), dtype=np.uint8)
    except cv2.error as error:
        raise ObservationError(
            f"image of {image.width}x{image.height} pixels cannot be {image.encoding} ({error.err}); check the camera driver"
        ) from None


def decode_compressed(data: bytes | memoryview, image_format: str) -> Pixels:
    """Decodes the JPEG or PNG of a sensor_msgs/CompressedImage to RGB, uint8 (height, width, 3).

    Raises:
        ObservationError: the format carries depth, the header claims more than a camera's picture, or the data cannot be decoded.
    """
    if "compressedDepth" in image_format or image_format.startswith(_DEPTH_ENCODINGS):
        raise ObservationError(
            f"format '{image_format}' carries depth, and the policy sees 8-bit colour; remap to the colour topic of the camera"
        )
    check_compressed_size(bytes(data))
    try:
        bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise ObservationError(f"compressed image of format '{image_format}' and {len(data)} bytes cannot be decoded; use JPEG or PNG")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def policy_image(rgb: Pixels, camera: CameraSpecification) -> Tensor:
    """Brings an RGB image to the size that the policy was trained on.

    Shrinking averages over areas. Enlarging would invent detail and another aspect ratio would bend the scene, so both are refused.
    The result owns its memory: one copy is made, by the conversion, by the resize, or here.

    Returns:
        uint8 of shape (camera.height, camera.width, 3).

    Raises:
        ObservationError: the image is smaller than the policy's, or its aspect ratio differs by more than a pixel.
    """
    _check_size(rgb, camera)
    return _resized(rgb, camera)


class DeferredImage:
    """An image that is brought to the policy's size once somebody looks at it: most frames are replaced by the next before that.

    What is wrong with a frame is said when it comes, as by ``policy_image``; only the work waits.
    """

    def __init__(self, rgb: Pixels, camera: CameraSpecification, *, finish: Callable[[Tensor], Tensor] = lambda image: image) -> None:
        """Keeps ``rgb``, (height, width, 3), whose memory must not change; ``finish`` gets the result of ``policy_image``.

        Raises:
            ObservationError: see ``policy_image``.
        """
        _check_size(rgb, camera)
        self._rgb = rgb
        self._camera = camera
        self._finish = finish

    @cached_property
    def tensor(self) -> Tensor:
        """The image as the policy gets it, uint8 of shape (camera.height, camera.width, 3)."""
        return self._finish(_resized(self._rgb, self._camera))


def _check_size(rgb: Pixels, camera: CameraSpecification) -> None:
    height, width = rgb.shape[:2]
    if height < camera.height or width < camera.width or abs(width * camera.height - height * camera.width) > max(height, width):
        raise ObservationError(
            f"camera '{camera.name}' delivers {width}x{height} pixels, the policy was trained on {camera.width}x{camera.height};"
            " set the camera to that size or to a larger one of the same aspect ratio"
        )


def _resized(rgb: Pixels, camera: CameraSpecification) -> Tensor:
    if rgb.shape[:2] == (camera.height, camera.width):
        return torch.from_numpy(rgb.copy() if rgb.base is not None or not rgb.flags.writeable else rgb)
    return torch.from_numpy(cv2.resize(rgb, (camera.width, camera.height), interpolation=cv2.INTER_AREA))
