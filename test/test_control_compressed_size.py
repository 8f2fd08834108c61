"""A compressed image is refused by its header before anything is allocated for the pixels that it claims."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from ttt_ros.control.compressed_size import MAX_PIXELS, check_compressed_size
from ttt_ros.control.images import RawImage, decode_compressed, opencv_rgb
from ttt_ros.errors import ObservationError

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
PROGRESSIVE = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


def png_claiming(*, width: int, height: int) -> bytes:
    """The PNG with another size in its header, and a checksum that fits."""
    header = b"IHDR" + struct.pack(">II", width, height) + PNG[24:29]
    return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


def jpeg_claiming(*, width: int, height: int, jpeg: bytes = JPEG) -> bytes:
    start = next(jpeg.find(bytes((0xFF, frame))) for frame in (0xC0, 0xC2) if bytes((0xFF, frame, 0x00)) in jpeg)
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


@pytest.mark.parametrize(
    "bomb",
    [
        png_claiming(width=30_000, height=30_000),
        png_claiming(width=2**31 - 1, height=2**31 - 1),
        png_claiming(width=2**32 - 1, height=1),
        jpeg_claiming(width=65_500, height=65_500),
        jpeg_claiming(width=65_500, height=65_500, jpeg=PROGRESSIVE),
    ],
)
def test_a_small_image_that_claims_a_huge_size_is_refused_without_allocating_it(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ObservationError, match=rf"claims \d+x\d+ pixels, and from 1 to {MAX_PIXELS} are taken"):
        decode_compressed(bomb, "png")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("empty", [png_claiming(width=0, height=8), jpeg_claiming(width=8, height=0)])
def test_an_image_without_pixels_is_refused(empty: bytes) -> None:
    with pytest.raises(ObservationError, match="pixels, and from 1 to"):
        decode_compressed(empty, "png")


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, len(PNG)])
def test_a_png_chunk_longer_than_the_data_is_refused(length: int) -> None:
    chunk = PNG.index(b"IDAT") - 4
    with pytest.raises(ObservationError, match=rf"its part at byte {chunk} goes beyond the end, at {len(PNG)}"):
        decode_compressed(PNG[:chunk] + struct.pack(">I", length) + PNG[chunk + 4 :], "png")


@pytest.mark.parametrize("picture", [PNG, JPEG, PROGRESSIVE])
def test_an_image_cut_off_anywhere_in_its_header_is_refused_in_words(picture: bytes) -> None:
    for end in range(1, 160):
        with pytest.raises(ObservationError, match="cannot be decoded"):
            decode_compressed(picture[:end], "jpeg")


def test_a_jpeg_with_more_scans_than_an_encoder_writes_is_refused() -> None:
    scan = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
    with pytest.raises(ObservationError, match="scans, each of which takes as long as a whole picture, and at most 64"):
        decode_compressed(PROGRESSIVE[:-2] + 500 * scan + PROGRESSIVE[-2:], "jpeg")


def test_bytes_between_the_segments_of_a_jpeg_do_not_hide_its_size() -> None:
    with pytest.raises(ObservationError, match="claims 65500x65500 pixels"):
        decode_compressed(JPEG[:2] + b"\xff\xff\xff\x00garbage" + jpeg_claiming(width=65_500, height=65_500)[2:], "jpeg")


@pytest.mark.parametrize("extension", [".tiff", ".bmp", ".webp"])
def test_formats_other_than_jpeg_and_png_do_not_reach_a_decoder(extension: str) -> None:
    with pytest.raises(ObservationError, match="neither a JPEG nor a PNG"):
        decode_compressed(cv2.imencode(extension, PICTURE)[1].tobytes(), "jpeg")


@pytest.mark.parametrize("picture", [PNG, JPEG, PROGRESSIVE])
def test_what_cameras_send_passes(picture: bytes) -> None:
    check_compressed_size(picture)
    assert decode_compressed(picture, "jpeg").shape == PICTURE.shape


def test_a_raw_image_whose_size_its_encoding_cannot_have_is_refused() -> None:
    odd = RawImage(encoding="yuv422", height=2, width=3, step=6, data=bytes(12))
    with pytest.raises(ObservationError, match="image of 3x2 pixels cannot be yuv422"):
        opencv_rgb(odd)
