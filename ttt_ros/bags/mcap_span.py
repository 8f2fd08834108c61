"""Stretches of an mcap file that are read at once: a chunk, or a run of messages outside of chunks (https://mcap.dev/spec)."""

import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Schema
from mcap.stream_reader import get_chunk_data_stream

RECORD_HEADER = struct.Struct("<BQ")
"""Opcode and length of what follows."""

_MESSAGE_HEADER = struct.Struct("<HIQQ")
"""Channel, sequence number, time of recording and time of publication."""

_CHUNK_HEADER = struct.Struct("<QQQII")
"""First and last time of recording, size and checksum of the uncompressed records, length of the name of the compression."""

_LENGTH = struct.Struct("<Q")
"""Of the records of a chunk, which follow."""

_PIECE = 64 * 1024


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
    if len(raw) < RECORD_HEADER.size + length:
        return memoryview(_beginning(_chunk(raw)))
    _, _, size, checksum, compression = _CHUNK_HEADER.unpack_from(raw, RECORD_HEADER.size)
    if compression:
        stream, found = get_chunk_data_stream(_chunk(raw), validate_crc=True)
        data = memoryview(stream.read(found))
    else:
        data = _stored(raw)
        if checksum and zlib.crc32(data) != checksum:
            raise ValueError("the checksum of a chunk is wrong")
    if len(data) != size:
        raise ValueError(f"a chunk holds {len(data)} bytes instead of {size}")
    return data


def _chunk(raw: bytes) -> Chunk:
    body = BytesIO(raw)
    body.seek(RECORD_HEADER.size)
    chunk: Chunk = Chunk.read(ReadDataStream(body))
    return chunk


def _stored(raw: bytes) -> memoryview:
    """The records of a chunk without compression where they lie: the library copies them, which takes as long as reading them."""
    at = RECORD_HEADER.size + _CHUNK_HEADER.size
    (length,) = _LENGTH.unpack_from(raw, at)
    return memoryview(raw)[at + _LENGTH.size : at + _LENGTH.size + length]


def _beginning(chunk: Chunk) -> bytes:
    if not chunk.compression:
        return bytes(chunk.data)
    decompressor = zstandard.ZstdDecompressor().decompressobj() if chunk.compression == "zstd" else lz4.frame.LZ4FrameDecompressor()
    return b"".join(decompressor.decompress(chunk.data[at : at + _PIECE]) for at in range(0, len(chunk.data), _PIECE))


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
