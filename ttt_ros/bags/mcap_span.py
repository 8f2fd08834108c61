"""Stretches of an mcap file that are read at once: a chunk, or a run of messages outside of chunks (https://mcap.dev/spec)."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Schema

from ttt_ros.bags.unpacking import unpacked_lz4, unpacked_zstd

RECORD_HEADER = struct.Struct("<BQ")
"""Opcode and length of what follows."""

_MESSAGE_HEADER = struct.Struct("<HIQQ")
"""Channel, sequence number, time of recording and time of publication."""

_CHUNK_HEADER = struct.Struct("<QQQII")
"""First and last time of recording, size and checksum of the uncompressed records, length of the name of the compression."""

_LENGTH = struct.Struct("<Q")
"""Of the records of a chunk, which follow."""

_UNPACKED: Mapping[str, Callable[[bytes], bytes]] = {"": bytes, "zstd": unpacked_zstd, "lz4": unpacked_lz4}
"""By the name of the compression; the mcap library allocates what a chunk claims, so it is not asked."""


class Span(NamedTuple):
    """A stretch from byte ``offset`` to before ``end``, with messages recorded from ``start`` to ``last``, ns."""

    offset: int
    end: int
    start: int
    last: int


class StoredMessage(NamedTuple):
    """A message on the channel with this number, recorded at ``stamp``, ns."""

    channel: int
    stamp: int
    data: memoryview


@dataclass(kw_only=True)
class SpanContents:
    """What is sound in a span; ``problem`` says what is wrong with the rest and is empty if nothing is."""

    schemas: list[Schema] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    messages: list[StoredMessage] = field(default_factory=list)
    problem: str = ""


def read_span(file: BinaryIO, *, offset: int, end: int) -> SpanContents:
    """Reads the bytes from ``offset`` to ``end``, or to where the file ends.

    A chunk whose checksum is wrong is left out as a whole. One that is cut off, or that has no checksum and is garbled, gives the
    records before that place.
    """
    file.seek(offset)
    raw = file.read(end - offset)
    if not raw or raw[0] != Opcode.CHUNK:
        return _contents(memoryview(raw), between=None)
    try:
        start, last, *_ = _CHUNK_HEADER.unpack_from(raw, RECORD_HEADER.size)
        data = _uncompressed(raw)
    # Everything: garbled bytes end in any error, from struct.error to MemoryError.
    except Exception as error:
        return SpanContents(problem=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    return _contents(data, between=(start, last))


def _uncompressed(raw: bytes) -> memoryview:
    """The records of a chunk; of one that is cut off, its beginning."""
    _, length = RECORD_HEADER.unpack_from(raw)
    _, _, size, checksum, compressed = _CHUNK_HEADER.unpack_from(raw, RECORD_HEADER.size)
    data = _unpacked(raw) if compressed else _stored(raw)
    # If the length of the chunk itself is garbled, it may seem cut off and be there as a whole; then its checksum counts.
    if len(raw) < RECORD_HEADER.size + length and len(data) < size:
        return data
    if len(data) != size:
        raise ValueError(f"a chunk holds {len(data)} bytes instead of {size}")
    if checksum and zlib.crc32(data) != checksum:
        raise ValueError("a chunk does not have the checksum that is stated in it")
    return data


def _unpacked(raw: bytes) -> memoryview:
    body = BytesIO(raw)
    body.seek(RECORD_HEADER.size)
    chunk: Chunk = Chunk.read(ReadDataStream(body))
    return memoryview(_UNPACKED[chunk.compression](chunk.data))


def _stored(raw: bytes) -> memoryview:
    """The records of a chunk without compression where they lie: the library copies them, which takes as long as reading them."""
    at = RECORD_HEADER.size + _CHUNK_HEADER.size
    (length,) = _LENGTH.unpack_from(raw, at)
    return memoryview(raw)[at + _LENGTH.size : at + _LENGTH.size + length]


def _contents(view: memoryview, *, between: tuple[int, int] | None) -> SpanContents:
    """The records up to the first that is cut off or makes no sense; messages were recorded ``between`` these times."""
    found, offset = SpanContents(), 0
    while offset + RECORD_HEADER.size <= len(view):
        opcode, length = RECORD_HEADER.unpack_from(view, offset)
        begin, end = offset + RECORD_HEADER.size, offset + RECORD_HEADER.size + length
        if end > len(view) or not _added(found, opcode, view[begin:end], between=between):
            break
        offset = end
    if offset < len(view):
        found.problem = f"{len(view) - offset} of {len(view)} bytes cannot be read"
    found.messages.sort(key=lambda message: message.stamp)
    return found


def _added(found: SpanContents, opcode: int, body: memoryview, *, between: tuple[int, int] | None) -> bool:
    """Adds a record and returns whether it makes sense."""
    if opcode == Opcode.MESSAGE and len(body) >= _MESSAGE_HEADER.size:
        channel, _, stamp, _ = _MESSAGE_HEADER.unpack_from(body)
        if between is not None and not between[0] <= stamp <= between[1]:
            return False
        found.messages.append(StoredMessage(channel, stamp, body[_MESSAGE_HEADER.size :]))
        return True
    try:
        if opcode == Opcode.SCHEMA:
            found.schemas.append(Schema.read(ReadDataStream(BytesIO(body))))
        elif opcode == Opcode.CHANNEL:
            found.channels.append(Channel.read(ReadDataStream(BytesIO(body))))
        else:
            return False
    # Everything, as above.
    except Exception:
        return False
    return True
