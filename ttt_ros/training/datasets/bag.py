"""Reading rosbag2 recordings as demonstrations, without ROS."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros.bags.content import deserialized, image_rgb, joint_positions
from ttt_ros.bags.mapping import COMMAND_TYPES, IMAGE_TYPES, JOINT_TYPES, TEXT_TYPES
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.configuration import strict
from ttt_ros.errors import ObservationError, RecordingError
from ttt_ros.training.datasets.episode import Episode, Layout, Pixels, check_index

_NANOSECONDS = 1_000_000_000

_ROUNDING = 1_000
"""Nanoseconds by which a message may come after the row that it belongs to: both stamps are rounded, each from its own beginning."""

_Stamped: TypeAlias = tuple[NDArray[np.int64], list[Any]]
"""When messages were received, in ns, and what was taken from them."""


@strict
@dataclass(frozen=True, kw_only=True)
class BagMapping:
    """What the topics of a bag mean.

    Attributes:
        cameras: topic (Image or CompressedImage) by camera name.
        joint_states: topic of the measured joint positions (JointState).
        commands: topic of the commanded positions: JointState, Float64MultiArray in the order of ``joints``, or JointTrajectory, whose
            first point counts.
        instruction: topic of the instruction (String); each message begins an episode. Without it ``text`` holds for the whole bag.
        text: the instruction where no topic carries it.
        joints: the joints to learn, in order.
        rate: rows per second; at each row the newest message of every topic counts.
        max_age: seconds; an older message at a row is an error.
    """

    cameras: Mapping[str, str]
    joint_states: str
    commands: str
    joints: tuple[str, ...]
    rate: Annotated[float, Field(gt=0)]
    instruction: str = ""
    text: str = ""
    max_age: Annotated[float, Field(gt=0)] = 0.5


class BagSource:
    """The episodes of one rosbag2 (a folder or a single .mcap or .db3 file) or of a folder of them, in the order of their names."""

    def __init__(self, path: Path, mapping: BagMapping) -> None:
        """Reads the joint states, commands and instructions of each bag; the images are read when they are iterated.

        Raises:
            RecordingError: there is no bag, a bag is damaged or lacks a topic, or an image cannot be decoded.
        """
        bags = sorted(folder.parent for folder in path.glob("*/metadata.yaml"))
        is_bag = path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").exists()
        self._mapping = mapping
        self._stretches = [stretch for bag in ([path] if is_bag else bags) for stretch in _stretches(bag, mapping)]
        self._path = path
        if not self._stretches:
            raise RecordingError(f"{path} holds no demonstration; record at least one bag there")

    @cached_property
    def layout(self) -> Layout:
        """Names and rate of the mapping, and the size of the first image of each camera."""
        first = self._stretches[0]
        sizes = {name: _first_size(BagImages(bag=first.bag, topic=topic, rows=None)) for name, topic in self._mapping.cameras.items()}
        joints = self._mapping.joints
        return Layout(state_names=joints, action_names=joints, cameras=sizes, rate=self._mapping.rate)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._stretches)

    def episode(self, index: int) -> Episode:
        """The numbers of one episode.

        Raises:
            RecordingError: there is no such episode, a joint is missing, a value is not finite, or a topic paused for too long.
        """
        check_index(index, of=len(self), source=str(self._path))
        stretch, mapping = self._stretches[index], self._mapping
        name = f"episode {index} of {self._path}"
        numbers = (stretch.states, stretch.actions)
        start = max(stretch.start, *(stamps[0] for stamps, _ in numbers), *(stamps[0] for stamps in stretch.images.values()))
        rows = row_stamps(start, stretch.end, rate=mapping.rate)
        instants = rows + _ROUNDING
        states, actions = (_sampled(samples, instants, mapping, name) for samples in numbers)
        return Episode(
            name=name,
            stamps=rows,
            states=states,
            actions=actions,
            instruction=stretch.instruction,
            cameras={
                camera: BagImages(bag=stretch.bag, topic=topic, rows=instants[_newest(stretch.images[topic], instants, mapping, name) >= 0])
                for camera, topic in mapping.cameras.items()
            },
        )


def row_stamps(start: int, end: int, *, rate: float) -> NDArray[np.int64]:
    """Stamps of rows from ``start`` to ``end``, ns, each rounded by itself, so that they do not drift from the rate."""
    count = int((end - start + 0.5) * rate / _NANOSECONDS) + 1
    stamps = start + np.round(np.arange(count) * _NANOSECONDS / rate).astype(np.int64)
    return stamps[stamps <= end]


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """The part of a bag in which one instruction held."""

    bag: Path
    instruction: str
    start: int
    end: int
    states: _Stamped
    actions: _Stamped
    images: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class BagImages:
    """For each of ``rows``, ns, the newest image before it; every image of the topic if ``rows`` is None."""

    bag: Path
    topic: str
    rows: NDArray[np.int64] | None

    def __iter__(self) -> Iterator[Pixels]:
        """Decodes image after image.

        Raises:
            RecordingError: an image cannot be decoded.
        """
        if self.rows is None:
            yield from (self._pixels(message) for message in _messages(self.bag, {self.topic: IMAGE_TYPES}))
            return
        row, newest = 0, None
        for message in _messages(self.bag, {self.topic: IMAGE_TYPES}):
            while row < len(self.rows) and newest is not None and self.rows[row] < message.stamp:
                yield self._pixels(newest)
                row += 1
            if row == len(self.rows):
                return
            newest = message
        if newest is not None:
            last = self._pixels(newest)
            yield from (last for _ in self.rows[row:])

    def _pixels(self, message: BagMessage) -> Pixels:
        try:
            return image_rgb(deserialized(message))
        except ObservationError as error:
            raise RecordingError(f"{self.topic} of {self.bag}: {error}") from None


def _stretches(bag: Path, mapping: BagMapping) -> list[_Stretch]:
    wanted = {mapping.joint_states: JOINT_TYPES, mapping.commands: COMMAND_TYPES} | dict.fromkeys(mapping.cameras.values(), IMAGE_TYPES)
    if mapping.instruction:
        wanted[mapping.instruction] = TEXT_TYPES
    taken: dict[str, tuple[list[int], list[Any]]] = {topic: ([], []) for topic in wanted}
    for message in _messages(bag, wanted):
        stamps, values = taken[message.topic]
        stamps.append(message.stamp)
        if message.topic == mapping.instruction:
            values.append(deserialized(message).data)
        elif message.topic not in mapping.cameras.values():
            values.append(_positions(deserialized(message), mapping.joints, f"{message.topic} of {bag}"))
    empty = [topic for topic, (stamps, _) in taken.items() if not stamps]
    if empty:
        raise RecordingError(f"the bag {bag} holds no message on {', '.join(empty)}; check that it was published, and record it again")
    stamped = {topic: (np.array(stamps, dtype=np.int64), values) for topic, (stamps, values) in taken.items()}
    end = min(int(stamps[-1]) for topic, (stamps, _) in stamped.items() if topic != mapping.instruction)
    texts = list(zip(*stamped[mapping.instruction], strict=True)) if mapping.instruction else [(0, mapping.text)]
    return [
        _Stretch(
            bag=bag,
            instruction=text,
            start=int(begin),
            end=min(int(following) - 1, end + _ROUNDING),
            states=stamped[mapping.joint_states],
            actions=stamped[mapping.commands],
            images={topic: stamped[topic][0] for topic in mapping.cameras.values()},
        )
        for (begin, text), (following, _) in pairwise([*texts, (end + _ROUNDING + 1, "")])
    ]


def _messages(bag: Path, wanted: Mapping[str, Sequence[str]]) -> Iterator[BagMessage]:
    """The messages on the ``wanted`` topics, each of one of its types."""
    with BagReader(bag) as reader:
        messages = reader.messages(wanted)
        for topic in reader.topics:
            if topic.name in wanted and topic.message_type not in wanted[topic.name]:
                raise RecordingError(
                    f"{topic.name} of {bag} is a {topic.message_type}, but its part needs {' or '.join(wanted[topic.name])}; "
                    "correct the mapping"
                )
        yield from messages


def _positions(message: Any, joints: Sequence[str], source: str) -> NDArray[np.float32]:
    try:
        return joint_positions(message, joints).astype(np.float32)
    except ObservationError as error:
        raise RecordingError(f"{source}: {error}") from None


def _newest(stamps: NDArray[np.int64], rows: NDArray[np.int64], mapping: BagMapping, name: str) -> NDArray[np.int64]:
    """Number of the newest message at each row."""
    numbers = np.searchsorted(stamps, rows, side="right") - 1
    ages = (rows - stamps[numbers]) / _NANOSECONDS
    late = np.flatnonzero(ages > mapping.max_age)
    if len(late):
        raise RecordingError(
            f"{name}: at row {late[0]} the newest message is {ages[late[0]]:.2f} s old, more than max_age, {mapping.max_age} s"
        )
    return np.asarray(numbers)


def _sampled(samples: _Stamped, rows: NDArray[np.int64], mapping: BagMapping, name: str) -> NDArray[np.float32]:
    stamps, values = samples
    return np.stack(values)[_newest(stamps, rows, mapping, name)]


def _first_size(images: BagImages) -> tuple[int, int]:
    height, width, _ = next(iter(images)).shape
    return height, width
