"""Unpacking what a recording holds compressed, up to a size that a recorder can have meant."""

from io import BytesIO

import lz4.frame
import zstandard

MAX_UNPACKED = 1 << 28
"""Bytes of a chunk or a message: chunks are of about a MiB, or of one message, and no message of a camera comes near."""


def unpacked_zstd(data: bytes) -> bytes:
    """Unpacks zstd, of what is cut off the beginning.

    Raises:
        ValueError: it is more than ``MAX_UNPACKED``.
        zstandard.ZstdError: the data are damaged.
    """
    return _bounded(zstandard.ZstdDecompressor().stream_reader(BytesIO(data), read_across_frames=True).read(MAX_UNPACKED + 1))


def unpacked_lz4(data: bytes) -> bytes:
    """Unpacks an LZ4 frame, of one that is cut off the beginning.

    Raises:
        ValueError: it is more than ``MAX_UNPACKED``.
        RuntimeError: the data are damaged.
    """
    return _bounded(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=MAX_UNPACKED + 1))


def _bounded(unpacked: bytes) -> bytes:
    if len(unpacked) > MAX_UNPACKED:
        raise ValueError(f"more than {MAX_UNPACKED} bytes unpacked")
    return unpacked
