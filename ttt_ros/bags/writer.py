"""Writing rosbag2 recordings without ROS; messages stay serialized (CDR), as they were on the wire."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import TypesysError

from ttt_ros.bags.message_types import DEFAULT_DISTRIBUTION, message_types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.errors import RecordingError


class BagWriter:
    """Records topics into a rosbag2 folder (mcap), from one thread.

    Leaving the ``with`` block closes the bag whether or not an exception ended it, so everything written until then can be read.
    A process that is killed leaves whole chunks of 1 MiB, but no index: ``mcap recover`` mends that.
    """

    def __init__(self, path: Path, *, message_packages: Mapping[str, Path], distribution: str = DEFAULT_DISTRIBUTION) -> None:
        """Makes the folder ``path``, which must not exist yet; the other arguments are those of ``message_types``.

        Raises:
            RecordingError: ``path`` exists or cannot be made, or ``message_types`` refuses its arguments.
        """
        self._path = path
        self._types = message_types(message_packages=message_packages, distribution=distribution)
        self._topics: dict[str, Connection] = {}
        # Humble reads the quality of service only as bags of version 8 write it.
        version: Literal[8, 9] = 8 if distribution == "humble" else 9
        with _explained(f"cannot make the bag {path}", advice="choose another path, or remove what is there"):
            self._writer = Writer(path, version=version, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        self._open = True

    def add_topic(self, name: str, message_type: str, *, qos: OfferedQos) -> None:
        """Declares a topic and its type, such as ``std_msgs/msg/String``.

        Raises:
            RecordingError: the topic is there already, its type is unknown, or the bag is closed.
        """
        self._require_open()
        if name in self._topics:
            raise RecordingError(f"topic {name} is already in the bag {self._path}; add it once")
        if message_type not in self._types.fielddefs:
            raise RecordingError(f"type {message_type} of topic {name} is unknown; give its package's .msg folder in message_packages")
        with _explained(f"cannot add topic {name} to the bag {self._path}", advice="check the definition of its type"):
            self._topics[name] = self._writer.add_connection(
                name, message_type, typestore=self._types, offered_qos_profiles=[qos.to_rosbags()]
            )

    def write(self, topic: str, stamp: int, cdr: bytes) -> None:
        """Appends one serialized message that was received at ``stamp`` nanoseconds.

        Raises:
            RecordingError: the topic was not added, the stamp is out of range, the bag is closed, or the disk is full.
        """
        self._require_open()
        if topic not in self._topics:
            raise RecordingError(f"topic {topic} is not in the bag {self._path}; call add_topic first")
        if not 0 <= stamp < 2**63:
            raise RecordingError(f"stamp {stamp} ns of a message on {topic} is outside 0 to 2^63 - 1; stamp it when it is received")
        with _explained(f"cannot write to the bag {self._path}", advice="check the space left on the disk"):
            self._writer.write(self._topics[topic], stamp, cdr)

    def close(self) -> None:
        """Writes the index and metadata.yaml; a second call does nothing.

        Raises:
            RecordingError: the files cannot be written.
        """
        if not self._open:
            return
        self._open = False
        with _explained(f"cannot close the bag {self._path}", advice="check the space left on the disk"):
            self._writer.close()

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _require_open(self) -> None:
        if not self._open:
            raise RecordingError(f"the bag {self._path} is closed; write before closing it")


@contextmanager
def _explained(problem: str, *, advice: str) -> Iterator[None]:
    try:
        yield
    except (WriterError, TypesysError, OSError) as error:
        raise RecordingError(f"{problem}: {error}; {advice}") from None
