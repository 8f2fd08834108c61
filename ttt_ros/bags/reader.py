"""Reading rosbag2 recordings without ROS, message by message."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Reader

from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.errors import RecordingError


@dataclass(frozen=True, kw_only=True)
class BagTopic:
    """A recorded topic: its ``name``, ``message_type``, ``count`` of messages, and ``qos`` (None if it was not recorded)."""

    name: str
    message_type: str
    count: int
    qos: OfferedQos | None


class BagMessage(NamedTuple):
    """One recorded message, serialized; ``stamp`` is when it was received, in nanoseconds."""

    topic: str
    message_type: str
    stamp: int
    cdr: bytes


class BagReader:
    """A rosbag2 folder (mcap or sqlite3), or a single .mcap file, open for reading until it is closed."""

    def __init__(self, path: Path) -> None:
        """Opens the bag.

        Raises:
            RecordingError: the path or its metadata.yaml is missing, a file is truncated or damaged, or the bag holds no message.
        """
        self._path = path
        if not path.exists():
            raise RecordingError(f"there is no bag at {path}; check the path")
        if path.is_dir() and not (path / "metadata.yaml").exists():
            raise RecordingError(
                f"{path} has no metadata.yaml, so it is no bag or its recorder was killed; "
                "name the folder that holds metadata.yaml, or restore it with `ros2 bag reindex`"
            )
        with _damage_explained(path):
            self._reader = Reader(path)
            self._reader.open()
        if self._reader.message_count == 0:
            self._reader.close()
            raise RecordingError(f"the bag {path} holds no message; check that its topics were published, and record it again")

    @property
    def topics(self) -> tuple[BagTopic, ...]:
        """The recorded topics, sorted by name.

        Raises:
            RecordingError: a topic was recorded with more than one type.
        """
        return tuple(self._topic(name) for name in self._names())

    @property
    def start(self) -> int:
        """Stamp of the first message in nanoseconds."""
        return self._reader.start_time

    @property
    def duration(self) -> float:
        """Seconds from the first to the last message."""
        # rosbags counts the end as one nanosecond after the last message.
        return (self._reader.end_time - 1 - self._reader.start_time) / 1e9

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yields the messages of ``topics``, or of all topics if None, in the order of their stamps; only a few are in memory at once.

        Raises:
            RecordingError: a topic is not in the bag, or a file turns out to be damaged.
        """
        names = self._names()
        chosen = names if topics is None else list(topics)
        missing = [topic for topic in chosen if topic not in names]
        if missing:
            raise RecordingError(f"the bag {self._path} has no topic {', '.join(missing)}; it has {', '.join(names)}")
        return self._stream([connection for connection in self._reader.connections if connection.topic in chosen])

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        if self._reader.is_open:
            self._reader.close()

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _stream(self, connections: Collection[Connection]) -> Iterator[BagMessage]:
        if not connections:  # rosbags would take an empty choice for all topics
            return
        with _damage_explained(self._path):
            for connection, stamp, cdr in self._reader.messages(connections):
                yield BagMessage(connection.topic, connection.msgtype, stamp, cdr)

    def _names(self) -> list[str]:
        return sorted({connection.topic for connection in self._reader.connections})

    def _topic(self, name: str) -> BagTopic:
        connections = [connection for connection in self._reader.connections if connection.topic == name]
        types = sorted({connection.msgtype for connection in connections})
        if len(types) > 1:
            raise RecordingError(f"topic {name} of the bag {self._path} has the types {', '.join(types)}; record it with one type")
        offered = [qos for each in connections if isinstance(each.ext, ConnectionExtRosbag2) for qos in each.ext.offered_qos_profiles]
        return BagTopic(
            name=name,
            message_type=types[0],
            count=sum(connection.msgcount for connection in connections),
            qos=OfferedQos.from_rosbags(offered[0]) if offered else None,
        )


@contextmanager
def _damage_explained(path: Path) -> Iterator[None]:
    try:
        yield
    # Everything: rosbags trusts the lengths that it reads, so damaged bytes end in any error, from ValueError to MemoryError.
    except Exception as error:
        raise RecordingError(
            f"the bag {path} is truncated or damaged ({type(error).__name__}: {error}); "
            "restore its .mcap file with `mcap recover`, or record it again"
        ) from error
