"""What the header of a compressed image promises, read before a decoder allocates memory for it."""

import struct

from ttt_ros.errors import ObservationError

MAX_PIXELS = 4096 * 4096
"""Twice a 4K frame; what claims more is damaged or hostile, and its pixels alone would fill 48 MiB."""

_MAX_SCANS = 64
"""Each scan of a progressive JPEG passes over the whole picture again; encoders write about ten."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_AROUND_DATA = 12
"""Bytes of a chunk beside its data: length, name and checksum."""
_PNG_SIZE = struct.Struct(">II")
_PNG_HEADER_BYTES = 13

_JPEG_SIGNATURE = b"\xff\xd8\xff"
_JPEG_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_FRAME = struct.Struct(">BHH")
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9


def check_compressed_size(data: bytes) -> None:
    """Checks that ``data`` is a JPEG or a PNG whose header asks for no more memory and time than a camera's picture needs.

    Raises:
        ObservationError: it is neither, a part of it is longer than the data, or it claims too many pixels or scans.
    """
    if data.startswith(_PNG_SIGNATURE):
        height, width = _png_size(data)
    elif data.startswith(_JPEG_SIGNATURE):
        height, width = _jpeg_size(data)
        _check_scans(data)
    else:
        raise ObservationError(f"the {len(data)} bytes of a compressed image cannot be decoded: they begin neither a JPEG nor a PNG")
    if not 0 < height * width <= MAX_PIXELS:
        raise ObservationError(
            f"a compressed image claims {width}x{height} pixels, and from 1 to {MAX_PIXELS} are taken; set the camera to a smaller size"
        )


def _png_size(data: bytes) -> tuple[int, int]:
    offset, size = len(_PNG_SIGNATURE), None
    while offset < len(data):
        if offset + _PNG_AROUND_DATA > len(data):
            raise _cut("PNG", offset, len(data))
        length, name = _PNG_CHUNK.unpack_from(data, offset)
        if offset + _PNG_AROUND_DATA + length > len(data):
            raise _cut("PNG", offset, len(data))
        if size is None:
            if name != b"IHDR" or length != _PNG_HEADER_BYTES:
                raise ObservationError("a PNG does not begin with its header (IHDR) and cannot be decoded; check the camera driver")
            width, height = _PNG_SIZE.unpack_from(data, offset + _PNG_CHUNK.size)
            size = height, width
        if name == b"IEND":
            return size
        offset += _PNG_AROUND_DATA + length
    raise _cut("PNG", offset, len(data))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Goes from marker to marker as libjpeg does, which skips what lies between a segment and the next marker."""
    offset = 2
    while (offset := data.find(b"\xff", offset)) >= 0 and offset + 1 < len(data):
        marker = data[offset + 1]
        if marker in (0x00, 0xFF):
            offset += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            offset += 2
        elif marker in (_JPEG_SCAN, _JPEG_END):
            break
        else:
            length = int.from_bytes(data[offset + 2 : offset + 4], "big")
            if length < 2 or offset + 2 + length > len(data):
                raise _cut("JPEG", offset, len(data))
            if marker in _JPEG_FRAMES:
                return _frame_size(data, offset + 4)
            offset += 2 + length
    raise ObservationError(f"a JPEG of {len(data)} bytes states no size before its pixels and cannot be decoded; check the camera driver")


def _frame_size(data: bytes, offset: int) -> tuple[int, int]:
    if offset + _JPEG_FRAME.size > len(data):
        raise _cut("JPEG", offset, len(data))
    _, height, width = _JPEG_FRAME.unpack_from(data, offset)
    return height, width


def _check_scans(data: bytes) -> None:
    scans = data.count(bytes((0xFF, _JPEG_SCAN)))
    if scans > _MAX_SCANS:
        raise ObservationError(
            f"a JPEG holds {scans} scans, each of which takes as long as a whole picture, and at most {_MAX_SCANS} are taken; "
            "check the camera driver"
        )


def _cut(kind: str, offset: int, size: int) -> ObservationError:
    return ObservationError(
        f"a {kind} cannot be decoded: its part at byte {offset} goes beyond the end, at {size}; it was cut off or is damaged, check the "
        "camera driver and the transport"
    )
