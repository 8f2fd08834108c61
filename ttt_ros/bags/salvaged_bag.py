"""A rosbag2 of which the sound part is read, whatever happened to the rest."""

import heapq
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import zstandard

from ttt_ros.bags.mcap_file import McapFile
from ttt_ros.bags.metadata import read_metadata
from ttt_ros.bags.recorded import BagMessage, BagTopic
from ttt_ros.bags.sqlite_file import SqliteFile
from ttt_ros.bags.unpacking import unpacked_zstd
from ttt_ros.errors import RecordingError

_ZSTD = ".zstd"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""Begins a message that was compressed by itself; a serialized one begins with its encoding, 00 00 to 00 0B."""

_PIECE = 1 << 20

_SPARE_BYTES = 1 << 30
"""Disk space that is left free when a file is unpacked; a few bytes of zstd can stand for any number of zeros."""


class StorageFile(Protocol):
    """One file of a bag."""

    name: str

    @property
    def connections(self) -> list[BagTopic]:
        """One entry for each publisher's description of a topic."""
        ...

    @property
    def count(self) -> int:
        """Number of messages."""
        ...

    @property
    def start(self) -> int:
        """Stamp of the first message, ns."""
        ...

    @property
    def end(self) -> int:
        """Stamp of the last message, ns."""
        ...

    @property
    def damage(self) -> list[str]:
        """What could not be read so far, and why."""
        ...

    def sources(self, topics: Collection[str]) -> list[tuple[int, Iterator[BagMessage]]]:
        """Parts of the messages of ``topics``, each in the order of stamps; with each the stamp before which none comes."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...


_STORAGES: Mapping[str, Callable[[Path], StorageFile]] = {".mcap": McapFile, ".db3": SqliteFile}


class SalvagedBag:
    """A folder of .mcap or .db3 files, with or without a sound metadata.yaml, or one such file; zstd around it is unpacked on disk.

    Parts of the files that overlap in time are merged; only those are in memory at once, so the memory does not grow with the bag.
    """

    def __init__(self, path: Path) -> None:
        """Opens every file that can be opened.

        Raises:
            RecordingError: there is no such file, or none of them can be opened.
        """
        self._said: list[str] = []
        self._unpackable: set[tuple[str, int]] = set()
        self._closing = ExitStack()
        paths = self._listed(path) if path.is_dir() else [path]
        files = [file for each in paths if (file := self._opened(each)) is not None]
        if not files:
            self.close()
            raise RecordingError(f"no file of the bag {path} can be read: {self._said_in_words()}; record it again")
        self._files = files
        self._filled = [file for file in files if file.count]

    @property
    def connections(self) -> list[BagTopic]:
        """One entry for each publisher's description of a topic in each file."""
        return [topic for file in self._files for topic in file.connections]

    @property
    def count(self) -> int:
        """Number of messages."""
        return sum(file.count for file in self._files)

    @property
    def start(self) -> int:
        """Stamp of the first message, ns."""
        return min(file.start for file in self._filled)

    @property
    def end(self) -> int:
        """Stamp of the last message, ns."""
        return max(file.end for file in self._filled)

    @property
    def damage(self) -> str:
        """What could not be read so far, and why; empty if nothing."""
        said = [text for file in self._files for text in file.damage]
        if self._unpackable:
            said.append(f"{len(self._unpackable)} compressed messages cannot be unpacked and are left out")
        return self._said_in_words(*said)

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Yields the messages of ``topics`` in the order of their stamps."""
        parts = [_led(start, messages) for file in self._filled for start, messages in file.sources(topics)]
        for _, message in heapq.merge(*parts, key=lambda entry: entry[0]):
            if message is not None and message.cdr.startswith(_ZSTD_MAGIC):
                message = self._unpacked_message(message)
            if message is not None:
                yield message

    def close(self) -> None:
        """Closes the files and deletes what was unpacked; a second call does nothing."""
        self._closing.close()

    def _listed(self, folder: Path) -> list[Path]:
        """The files that metadata.yaml names; without it, all that can be read, by name."""
        present = sorted(path for path in folder.iterdir() if Path(path.name.removesuffix(_ZSTD)).suffix in _STORAGES)
        metadata = folder / "metadata.yaml"
        try:
            facts = read_metadata(metadata)
            named = [folder / Path(name).name for name in facts["rosbag2_bagfile_information"]["relative_file_paths"]]
        except (RecordingError, KeyError, TypeError):
            there = metadata.exists()
            self._said.append("metadata.yaml is damaged" if there else "metadata.yaml is missing, as when a recorder is killed")
            return present
        self._said += [f"{path.name} is missing" for path in named if not path.exists()]
        return [path for path in named if path.exists()]

    def _opened(self, path: Path) -> StorageFile | None:
        try:
            plain = self._unpacked(path) if path.suffix == _ZSTD else path
            if plain.suffix not in _STORAGES:
                raise RecordingError(f"{path.name} is none of {', '.join(_STORAGES)}")
            file = _STORAGES[plain.suffix](plain)
        except (RecordingError, OSError) as error:
            self._said.append(str(error))
            return None
        self._closing.callback(file.close)
        return file

    def _unpacked(self, path: Path) -> Path:
        plain = Path(self._closing.enter_context(TemporaryDirectory())) / path.name.removesuffix(_ZSTD)
        with path.open("rb") as packed, plain.open("wb") as target:
            unpacking = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            try:
                while piece := unpacking.read(_PIECE):
                    if shutil.disk_usage(plain.parent).free < _SPARE_BYTES + len(piece):
                        raise RecordingError(f"{path.name} does not fit unpacked into {plain.parent}; set TMPDIR to a larger disk")
                    target.write(piece)
            except zstandard.ZstdError as error:
                self._said.append(f"{path.name} cannot be unpacked to its end ({error})")
        return plain

    def _unpacked_message(self, message: BagMessage) -> BagMessage | None:
        try:
            return message._replace(cdr=unpacked_zstd(message.cdr))
        except (zstandard.ZstdError, ValueError):
            self._unpackable.add((message.topic, message.stamp))
            return None

    def _said_in_words(self, *more: str) -> str:
        return "; ".join((*self._said, *more))


def _led(start: int, messages: Iterator[BagMessage]) -> Iterator[tuple[int, BagMessage | None]]:
    """The messages after an empty entry with the ``start``, so that a merge reads nothing before it gets there."""
    yield start, None
    for message in messages:
        yield message.stamp, message
