"""Reading rosbag2 recordings without ROS, message by message."""

from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType

from ttt_ros.bags.recorded import BagMessage, BagTopic
from ttt_ros.bags.salvaged_bag import SalvagedBag
from ttt_ros.bags.strict_bag import StrictBag
from ttt_ros.errors import RecordingError

__all__ = ["BagMessage", "BagReader", "BagTopic"]


class BagReader:
    """A rosbag2 folder (mcap or sqlite3), or a single .mcap or .db3 file, open for reading until it is closed."""

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        """Opens the bag.

        Args:
            path: of the folder or the file.
            salvage: read what is sound of a bag that is truncated, damaged or without metadata.yaml, and say in ``damage`` what is not.

        Raises:
            RecordingError: the path is missing, or the bag holds no message that can be read; without ``salvage`` also if its
                metadata.yaml is missing, or a file is truncated or damaged; or it says that it ends before it starts.
        """
        self._path = path
        if not path.exists():
            raise RecordingError(f"there is no bag at {path}; check the path")
        self._bag = SalvagedBag(path) if salvage else StrictBag(path)
        if self._bag.count == 0:
            self._bag.close()
            lost = f" ({self.damage})" if self.damage else ""
            raise RecordingError(f"the bag {path} holds no message{lost}; check that its topics were published, and record it again")
        backwards = self._bag.start - self._bag.end
        if backwards > 0:
            self._bag.close()
            raise RecordingError(
                f"the bag {path} says that it ends {backwards} ns before it starts; its description is damaged, "
                "restore it with `ros2 bag reindex`"
            )

    @property
    def topics(self) -> tuple[BagTopic, ...]:
        """The recorded topics, sorted by name; messages in chunks that turn out to be corrupt may be counted.

        Raises:
            RecordingError: a topic was recorded with more than one type.
        """
        return tuple(self._topic(name) for name in self._names())

    @property
    def start(self) -> int:
        """Stamp of the first message in nanoseconds."""
        return self._bag.start

    @property
    def duration(self) -> float:
        """Seconds from the first to the last message."""
        return (self._bag.end - self._bag.start) / 1e9

    @property
    def damage(self) -> str:
        """What of the bag could not be read and why, in words; empty if nothing.

        It may grow while messages are read, and is always empty without ``salvage``.
        """
        return self._bag.damage

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yields the messages of ``topics``, or of all topics if None, in the order of their stamps; only a few are in memory at once.

        Raises:
            RecordingError: a topic is not in the bag, or, without ``salvage``, a file turns out to be damaged.
        """
        names = self._names()
        chosen = names if topics is None else list(topics)
        missing = [topic for topic in chosen if topic not in names]
        if missing:
            raise RecordingError(f"the bag {self._path} has no topic {', '.join(missing)}; it has {', '.join(names)}")
        return self._bag.messages(frozenset(chosen))

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        self._bag.close()

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _names(self) -> list[str]:
        return sorted({connection.name for connection in self._bag.connections})

    def _topic(self, name: str) -> BagTopic:
        connections = [connection for connection in self._bag.connections if connection.name == name]
        types = sorted({connection.message_type for connection in connections})
        if len(types) > 1:
            raise RecordingError(f"topic {name} of the bag {self._path} has the types {', '.join(types)}; record it with one type")
        return BagTopic(
            name=name,
            message_type=types[0],
            count=sum(connection.count for connection in connections),
            qos=next((connection.qos for connection in connections if connection.qos is not None), None),
        )
