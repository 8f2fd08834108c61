"""A .db3 file of a bag read as far as it is sound."""

from collections.abc import Collection, Iterator
from pathlib import Path

from ttt_ros.bags.recorded import BagMessage, BagTopic
from ttt_ros.bags.strict_bag import StrictBag
from ttt_ros.errors import RecordingError


class SqliteFile:
    """A file as ``ros2 bag record --storage sqlite3`` writes it; its messages are read up to the first damaged page."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            RecordingError: its tables of topics and messages cannot be read.
        """
        self.name = path.name
        self.damage: list[str] = []
        self._bag = StrictBag(path)

    @property
    def connections(self) -> list[BagTopic]:
        """One entry for each topic."""
        return self._bag.connections

    @property
    def count(self) -> int:
        """Number of messages."""
        return self._bag.count

    @property
    def start(self) -> int:
        """Stamp of the first message, ns."""
        return self._bag.start

    @property
    def end(self) -> int:
        """Stamp of the last message, ns."""
        return self._bag.end

    def sources(self, topics: Collection[str]) -> list[tuple[int, Iterator[BagMessage]]]:
        """The messages of ``topics`` in the order of their stamps, with the stamp of the first."""
        return [(self.start, self._messages(topics))]

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._bag.close()

    def _messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        last = self.start
        try:
            for message in self._bag.messages(topics):
                yield message
                last = message.stamp
        except RecordingError:
            text = f"{self.name} is damaged; what came {(last - self.start) / 1e9:.2f} s after its start is left out"
            if text not in self.damage:
                self.damage.append(text)
