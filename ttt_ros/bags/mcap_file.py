"""An mcap file read as far as it is sound, with or without its index."""

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, ChunkIndex
from mcap.stream_reader import MAGIC_SIZE
from rosbags.rosbag2.metadata import parse_qos

from ttt_ros.bags.mcap_span import RECORD_HEADER, Span, SpanContents, read_span
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.recorded import BagMessage, BagTopic
from ttt_ros.errors import RecordingError

_MAGIC = b"\x89MCAP0\r\n"
_RUN_BYTES = 1 << 20
"""Messages outside of chunks are read together up to this size."""

_CUT_BYTES = 1 << 26
"""No more is read of a chunk that seems to end behind the end of the file: if its length is garbled, it may be of any size."""

_STAMPS = struct.Struct("<QQ")
"""First and last time of recording, with which a chunk begins."""

_STANDARD_OPCODES = 0x0F
_PRIVATE_OPCODES = 0x80


class McapFile:
    """A file as ``ros2 bag record`` writes it.

    With a sound index (https://mcap.dev/spec, "Summary Section") only the index is read at first. Without it, every chunk is read once to
    find the topics and what can be read. The stream reader of the mcap library would do for that, but it hides where records begin
    and hands out records that are cut off as if they were whole.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            RecordingError: it is no mcap file.
        """
        self.name = path.name
        self._types: dict[int, str] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        self._spans: list[Span] = []
        self._lost: dict[int, str] = {}
        self._cut: int | None = None
        self._ending = ""
        self._size = path.stat().st_size
        self._file = path.open("rb")
        if self._file.read(MAGIC_SIZE) != _MAGIC:
            self.close()
            raise RecordingError(f"{self.name} is no mcap file: it does not begin as one")
        if not self._read_index():
            self._survey()

    @cached_property
    def connections(self) -> list[BagTopic]:
        """The topics of ROS messages; those of other kinds are left out."""
        return [self._topic(channel) for channel in self._readable.values()]

    @property
    def count(self) -> int:
        """Number of messages on these topics."""
        return sum(topic.count for topic in self.connections)

    @property
    def start(self) -> int:
        """Stamp of the first message, ns."""
        return min(span.start for span in self._spans)

    @property
    def end(self) -> int:
        """Stamp of the last message, ns."""
        return max(span.last for span in self._spans)

    @property
    def damage(self) -> list[str]:
        """What could not be read so far, and why."""
        said = [self._ending] if self._ending else []
        lost = [(offset, problem) for offset, problem in self._lost.items() if offset != self._cut]
        if lost:
            (offset, problem), *more = lost
            others = f", and so are {len(more)} other parts of it" if more else ""
            said.append(f"{self.name} is corrupt at byte {offset} ({problem}){others}; the messages there are left out")
        unknown = sum(count for channel, count in self._counts.items() if channel not in self._channels)
        if unknown:
            said.append(f"{unknown} messages of {self.name} are left out, since what described their topic is lost")
        foreign = sorted(channel.topic for channel in self._channels.values() if channel.message_encoding != "cdr")
        if foreign:
            said.append(f"{', '.join(foreign)} of {self.name} are left out, since they carry no ROS messages")
        return said

    def sources(self, topics: Collection[str]) -> list[tuple[int, Iterator[BagMessage]]]:
        """The messages of ``topics``, span by span, each in the order of their stamps; with each the stamp before which none comes."""
        return [(span.start, self._messages(span, topics)) for span in self._spans]

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._file.close()

    @property
    def _readable(self) -> dict[int, Channel]:
        return {number: channel for number, channel in self._channels.items() if channel.message_encoding == "cdr"}

    def _topic(self, channel: Channel) -> BagTopic:
        try:
            offered = parse_qos(channel.metadata.get("offered_qos_profiles", ""))
            qos = OfferedQos.from_rosbags(offered[0]) if offered else None
        # Everything: the text is of any origin, and a replay can do without.
        except Exception:
            qos = None
        message_type = self._types.get(channel.schema_id, "unknown")
        return BagTopic(name=channel.topic, message_type=message_type, count=self._counts[channel.id], qos=qos)

    def _messages(self, span: Span, topics: Collection[str]) -> Iterator[BagMessage]:
        wanted = {number: channel.topic for number, channel in self._readable.items() if channel.topic in topics}
        for message in self._read(span.offset, span.end).messages:
            if message.channel in wanted:
                message_type = self._types.get(self._channels[message.channel].schema_id, "unknown")
                yield BagMessage(wanted[message.channel], message_type, message.stamp, bytes(message.data))

    def _read(self, offset: int, end: int) -> SpanContents:
        contents = read_span(self._file, offset=offset, end=end)
        if contents.problem:
            self._lost[offset] = contents.problem
        return contents

    def _read_index(self) -> bool:
        """Reads the index at the end of the file; False if there is none or it makes no sense."""
        self._file.seek(0)  # the library looks for the magic where the file stands
        try:
            summary = make_reader(self._file).get_summary()
            if summary is None or summary.statistics is None or not summary.channels:
                return False
            indexes, statistics = summary.chunk_indexes, summary.statistics
            if not indexes or len(indexes) != statistics.chunk_count or not all(map(self._is_chunk, indexes)):
                return False
        # Everything: garbled bytes end in any error, from struct.error to MemoryError.
        except Exception:
            return False
        self._types = {number: schema.name for number, schema in summary.schemas.items()}
        self._channels = dict(summary.channels)
        self._counts = Counter(statistics.channel_message_counts)
        self._spans = [
            Span(
                offset=index.chunk_start_offset,
                end=index.chunk_start_offset + index.chunk_length,
                start=index.message_start_time,
                last=index.message_end_time,
            )
            for index in indexes
        ]
        return True

    def _is_chunk(self, index: ChunkIndex) -> bool:
        """Whether there is a whole chunk where ``index`` says, of that length and with those stamps."""
        opcode, end = self._record(index.chunk_start_offset)
        stamps = self._file.read(_STAMPS.size)
        return (
            opcode == Opcode.CHUNK
            and end == index.chunk_start_offset + index.chunk_length <= self._size
            and len(stamps) == _STAMPS.size
            and _STAMPS.unpack(stamps) == (index.message_start_time, index.message_end_time)
        )

    def _survey(self) -> None:
        """Walks over the file from its beginning to the first place that makes no sense."""
        offset, run = MAGIC_SIZE, MAGIC_SIZE
        while True:
            opcode, end = self._record(offset)
            in_run = opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL) and end <= self._size
            if run < offset and (not in_run or offset - run >= _RUN_BYTES):
                self._survey_span(run, offset)
                run = offset
            if opcode == Opcode.CHUNK:
                self._survey_span(offset, end if end <= self._size else min(self._size, offset + _CUT_BYTES))
            if end > self._size:
                self._cut = offset
            if not opcode or opcode in (Opcode.DATA_END, Opcode.FOOTER) or end > self._size:
                break
            offset = end
            if not in_run:
                run = offset
        self._ending = self._how_it_ends(opcode, offset)

    def _record(self, offset: int) -> tuple[int, int]:
        """Opcode and end of the record at ``offset``; opcode 0, which is none, if there is no record."""
        self._file.seek(offset)
        header = self._file.read(RECORD_HEADER.size)
        if len(header) < RECORD_HEADER.size:
            return 0, offset
        opcode, length = RECORD_HEADER.unpack(header)
        known = 0 < opcode <= _STANDARD_OPCODES or opcode >= _PRIVATE_OPCODES
        return opcode if known else 0, offset + RECORD_HEADER.size + length

    def _survey_span(self, offset: int, end: int) -> None:
        contents = self._read(offset, end)
        self._types.update((schema.id, schema.name) for schema in contents.schemas)
        self._channels.update((channel.id, channel) for channel in contents.channels)
        self._counts.update(message.channel for message in contents.messages)
        if contents.messages:
            stamps = contents.messages[0].stamp, contents.messages[-1].stamp
            self._spans.append(Span(offset, end, *stamps))

    def _how_it_ends(self, opcode: int, offset: int) -> str:
        if opcode not in (Opcode.DATA_END, Opcode.FOOTER):
            return (
                f"{self.name} has no index and breaks off in the record at byte {offset} of {self._size}: it was cut off, as when its "
                "recorder is killed, or is damaged there; the messages before the break are read"
            )
        self._file.seek(max(0, self._size - MAGIC_SIZE))
        if self._file.read() != _MAGIC:
            return f"the index of {self.name} is cut off; its messages were found without it"
        return ""
