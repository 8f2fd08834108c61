"""What can be told of a camera frame without knowing what it shows."""

import zlib

import numpy as np
from numpy.typing import NDArray

_SAMPLES = 4096


def content_digest(data: bytes | memoryview) -> int:
    """CRC-32 of a frame's bytes; equal for equal frames."""
    return zlib.crc32(data)


def saturated_share(values: NDArray[np.uint8]) -> float:
    """Share of 8-bit ``values`` that are 0 or 255, from at most some thousand of them; 0 of none.

    The stride between two samples is odd and no multiple of three, so that all channels and columns are met.
    """
    flat = values.reshape(-1)
    if not flat.size:
        return 0.0
    stride = max(1, flat.size // _SAMPLES)
    while stride > 1 and (stride % 2 == 0 or stride % 3 == 0):
        stride -= 1
    sampled = flat[::stride]
    return float(((sampled == 0) | (sampled == 255)).mean())
