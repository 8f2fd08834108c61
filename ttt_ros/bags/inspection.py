"""What is in a bag: its topics with their rates and sizes, and what the messages that a policy can use carry."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from ttt_ros.bags.content import deserialized, image_rgb, joint_names
from ttt_ros.bags.mapping import COMMAND_TYPES, IMAGE_TYPES, JOINT_TYPES, TEXT_TYPES
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import ObservationError, RecordingError

_MEBIBYTE = 2**20
_LONGEST_TEXT = 40
_MOST_JOINTS = 8


@dataclass(frozen=True, kw_only=True)
class TopicContent:
    """What the first message of a topic carries.

    Attributes:
        words: for people; empty for types that no policy uses.
        usable: whether a policy can use it: false for depth images, unknown encodings and damaged messages.
        joints: names in a JointState or JointTrajectory; empty for other types.
        values: number of values in a Float64MultiArray; 0 for other types.
    """

    words: str
    usable: bool
    joints: tuple[str, ...] = ()
    values: int = 0


@dataclass(frozen=True, kw_only=True)
class InspectedTopic:
    """One topic.

    Attributes:
        name: of the topic.
        message_type: such as ``sensor_msgs/msg/Image``.
        count: messages that can be read.
        size: of them, serialized, in bytes.
        start: stamp of the first, ns.
        end: stamp of the last, ns.
        content: of the first.
    """

    name: str
    message_type: str
    count: int
    size: int
    start: int
    end: int
    content: TopicContent

    @property
    def rate(self) -> float | None:
        """Messages per second between the first and the last; None if there is no time between them."""
        return (self.count - 1) * 1e9 / (self.end - self.start) if self.end > self.start else None


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A bag.

    Attributes:
        path: of the bag.
        storage: endings of its files, such as ``mcap``, and their size.
        duration: s from the first to the last message.
        topics: those with a message, sorted by name.
        damage: what could not be read and why; empty if all of it could.
    """

    path: Path
    storage: str
    duration: float
    topics: tuple[InspectedTopic, ...]
    damage: str

    def table(self) -> Table:
        """The topics for a terminal."""
        table = Table(
            "topic", "type", "messages", "per second", "MiB", "content", title=f"{self.path}: {self.duration:.2f} s, {self.storage}"
        )
        for topic in self.topics:
            rate = "" if topic.rate is None else f"{topic.rate:.2f}"
            table.add_row(topic.name, topic.message_type, f"{topic.count}", rate, f"{topic.size / _MEBIBYTE:.2f}", topic.content.words)
        return table


def inspect_bag(path: Path) -> Inspection:
    """Reads the whole bag once, as far as it is sound, message by message.

    Raises:
        RecordingError: there is no bag, or none of its messages can be read.
    """
    first: dict[str, BagMessage] = {}
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    ends: dict[str, int] = {}
    with BagReader(path, salvage=True) as bag:
        for message in bag.messages():
            first.setdefault(message.topic, message)
            counts[message.topic] = counts.get(message.topic, 0) + 1
            sizes[message.topic] = sizes.get(message.topic, 0) + len(message.cdr)
            ends[message.topic] = message.stamp
        duration, damage = bag.duration, bag.damage
    topics = tuple(
        InspectedTopic(
            name=name,
            message_type=message.message_type,
            count=counts[name],
            size=sizes[name],
            start=message.stamp,
            end=ends[name],
            content=_content(message),
        )
        for name, message in sorted(first.items())
    )
    return Inspection(path=path, storage=_storage(path), duration=duration, topics=topics, damage=damage)


def _storage(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.name != "metadata.yaml" and file.is_file()]
    kinds = sorted({"".join(file.suffixes[-2:]) if file.suffix == ".zstd" else file.suffix for file in files})
    size = sum(file.stat().st_size for file in files) / _MEBIBYTE
    return f"{len(files)} {', '.join(kinds)} of {size:.1f} MiB"


def _content(message: BagMessage) -> TopicContent:
    kinds = (*IMAGE_TYPES, *JOINT_TYPES, *COMMAND_TYPES, *TEXT_TYPES)
    if message.message_type not in kinds:
        return TopicContent(words="", usable=False)
    try:
        return _usable_content(message)
    except (ObservationError, RecordingError) as error:
        return TopicContent(words=f"cannot be used: {error}", usable=False)


def _usable_content(message: BagMessage) -> TopicContent:
    content = deserialized(message)
    if message.message_type in IMAGE_TYPES:
        height, width, _ = image_rgb(content).shape
        encoding = content.format if hasattr(content, "format") else content.encoding
        return TopicContent(words=f"{width}x{height} {encoding}", usable=True)
    if message.message_type in TEXT_TYPES:
        text = content.data if len(content.data) <= _LONGEST_TEXT else f"{content.data[: _LONGEST_TEXT - 3]}..."
        return TopicContent(words=f'"{text}"', usable=bool(content.data.strip()))
    joints = joint_names(content)
    if joints is None:
        return TopicContent(words=f"{len(content.data)} values", usable=True, values=len(content.data))
    named = ", ".join(joints) if len(joints) <= _MOST_JOINTS else f"{', '.join(joints[: _MOST_JOINTS - 1])}, ..., {joints[-1]}"
    return TopicContent(words=f"{len(joints)} joints: {named}", usable=bool(joints), joints=joints)
