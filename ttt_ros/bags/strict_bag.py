"""A rosbag2 whose files are all sound, read by rosbags."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.interfaces import ConnectionExtRosbag2
from rosbags.rosbag2 import Reader, storage_mcap

from ttt_ros.bags.metadata import read_metadata
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.recorded import BagMessage, BagTopic
from ttt_ros.bags.unpacking import unpacked_lz4, unpacked_zstd
from ttt_ros.errors import RecordingError

# rosbags unpacks a chunk to whatever it holds, and a few bytes can hold gigabytes.
getattr(storage_mcap, "DECOMPRESSORS", {}).update(
    lz4=lambda data, _size: unpacked_lz4(data),
    zstd=lambda data, _size: unpacked_zstd(data),
)


class StrictBag:
    """A folder with metadata.yaml, or a single .mcap or .db3 file; any damage is an error."""

    damage = ""

    def __init__(self, path: Path) -> None:
        """Opens the bag.

        Raises:
            RecordingError: its metadata.yaml is missing, or a file is truncated or damaged.
        """
        self._path = path
        if path.is_dir() and not (path / "metadata.yaml").exists():
            raise RecordingError(
                f"{path} has no metadata.yaml, so it is no bag or its recorder was killed; "
                "name the folder that holds metadata.yaml, or restore it with `ros2 bag reindex`"
            )
        if path.is_dir():
            read_metadata(path / "metadata.yaml")  # rosbags would follow aliases without end
        with _damage_explained(path):
            self._reader = Reader(path)
            self._reader.open()
        try:
            with _damage_explained(path):
                self._check_description()
        except RecordingError:
            self.close()
            raise

    @property
    def connections(self) -> list[BagTopic]:
        """One entry for each publisher's description of a topic."""
        return [
            BagTopic(
                name=connection.topic,
                message_type=connection.msgtype,
                count=connection.msgcount,
                qos=_offered(connection.ext),
            )
            for connection in self._reader.connections
        ]

    @property
    def count(self) -> int:
        """Number of messages."""
        return int(self._reader.message_count)

    @property
    def start(self) -> int:
        """Stamp of the first message, ns."""
        return int(self._reader.start_time)

    @property
    def end(self) -> int:
        """Stamp of the last message, ns."""
        # rosbags counts the end as one nanosecond after the last message.
        return int(self._reader.end_time) - 1

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Yields the messages of ``topics`` in the order of their stamps.

        Raises:
            RecordingError: a file turns out to be damaged.
        """
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:  # rosbags would take an empty choice for all topics
            return
        with _damage_explained(self._path):
            for connection, stamp, cdr in self._reader.messages(connections):
                if not (isinstance(stamp, int) and isinstance(cdr, bytes)):
                    raise TypeError(f"a message on {connection.topic} has the stamp {stamp!r:.60} and is {type(cdr).__name__}, not bytes")
                yield BagMessage(connection.topic, connection.msgtype, stamp, cdr)

    def _check_description(self) -> None:
        """SQLite and YAML keep values of any type in any place, and rosbags hands them on."""
        for topic in self.connections:
            if not (isinstance(topic.name, str) and isinstance(topic.message_type, str) and isinstance(topic.count, int)):
                raise TypeError(f"a topic is called {topic.name!r:.60}, of {topic.message_type!r:.60}, with {topic.count!r:.60} messages")
        _ = self.count, self.start, self.end  # which raise where a number is none

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        if self._reader.is_open:
            self._reader.close()


def _offered(extension: object) -> OfferedQos | None:
    profiles = extension.offered_qos_profiles if isinstance(extension, ConnectionExtRosbag2) else []
    return OfferedQos.from_rosbags(profiles[0]) if profiles else None


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
