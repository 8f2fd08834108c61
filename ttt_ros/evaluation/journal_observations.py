"""The observations of a journal, put together again from the messages of a bag."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ttt_ros.adaptation.origin import Origin, Source, content_digest
from ttt_ros.bags.content import deserialized, header_stamp, image_rgb, joint_positions
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.images import policy_image
from ttt_ros.control.observation import JOINT_STATES
from ttt_ros.errors import ConfigurationError, ObservationError, RecordingError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import PolicySpecification

LOOK_AHEAD = 32
"""Observations whose messages are kept while an earlier one waits for its own. Streams overtake each other by fractions of a second, and
an observation comes at most with every control step; so what one still lacks when the 32nd is complete, the bag lacks."""

Key: TypeAlias = tuple[str, Source]
"""A stream, camera name or ``joint_states``, and one of its messages."""


class LackingError(Exception):
    """The bag does not hold a message that the journal names; the message says which."""


class ChangedError(Exception):
    """A message in the bag is not the one that the journal names; the message says which."""


class BagObservations:
    """Reads a bag once, in order, and keeps only what the next observations need."""

    def __init__(self, reader: BagReader, streams: StreamMapping, specification: PolicySpecification, *, same_images: bool) -> None:
        """Prepares reading.

        Args:
            same_images: whether a frame must come out bit for bit; decoders and resizing differ between machines.

        Raises:
            ConfigurationError: ``streams`` lacks a camera of the policy.
            RecordingError: a topic has a type that its part cannot have.
        """
        self._cameras = {camera.name: camera for camera in specification.cameras}
        missing = [name for name in self._cameras if name not in streams.cameras]
        if missing:
            raise ConfigurationError(f"streams.cameras lacks {', '.join(missing)}, which the policy sees; name the topic")
        self._topics = {name: streams.cameras[name] for name in self._cameras} | {JOINT_STATES: streams.joint_states}
        _check_types(reader, streams, self._topics.values())
        self._joints = [streams.joints.get(name, name) for name in specification.joint_names]
        self._same_images = same_images
        self._reader = reader
        self._found: dict[Key, Tensor] = {}
        self._faults: dict[Key, LackingError | ChangedError] = {}

    def observations(self, origins: Sequence[Origin]) -> Iterator[Observation]:
        """Yields the observation of each origin; origins are in the order in which they were observed.

        Raises:
            LackingError: the bag lacks a message.
            ChangedError: a message has another content than the journal says.
            RecordingError: the bag lacks a topic.
        """
        messages = self._messages()
        for index, origin in enumerate(origins):
            self._check_streams(origin)
            ahead = origins[index : index + LOOK_AHEAD]
            wanted = {key for each in ahead for key in each.sources.items()}
            self._found = {key: tensor for key, tensor in self._found.items() if key in wanted}
            while not self._complete(origin):
                if (len(ahead) == LOOK_AHEAD and self._complete(ahead[-1])) or not self._take(messages, wanted):
                    raise self._fault(origin)
            yield self._observation(origin)

    def _messages(self) -> Iterator["_Message"]:
        """Those that can be read; what needs another is found to lack it."""
        names: dict[str, list[str]] = {}
        for name, topic in self._topics.items():
            names.setdefault(topic, []).append(name)
        for message in self._reader.messages(tuple(names)):
            try:
                content = deserialized(message)
            except RecordingError:
                continue
            stamp = header_stamp(content)
            if stamp is not None:
                yield _Message(names[message.topic], stamp, content)

    def _take(self, messages: Iterator["_Message"], wanted: set[Key]) -> bool:
        """Keeps the next message where it is wanted; says whether there was one.

        A message with a wanted stamp and other content is passed over, since a clock that was set back may come to that stamp again.
        """
        message = next(messages, None)
        if message is None:
            return False
        for key in wanted - self._found.keys():
            name, source = key
            if source.stamp == message.stamp and name in message.streams:
                try:
                    tensor = self._tensor(name, message.content)
                except ObservationError as error:
                    self._faults[key] = LackingError(f"{self._named(key)} cannot be read: {error}")
                    continue
                if self._is_exact(name) and content_digest(tensor) != source.digest:
                    self._faults[key] = ChangedError(f"{self._named(key)} has another content in the bag than when it was used")
                else:
                    self._found[key] = tensor
        return True

    def _tensor(self, name: str, content: Any) -> Tensor:
        if name in self._cameras:
            return policy_image(image_rgb(content), self._cameras[name])
        return torch.tensor(joint_positions(content, self._joints).tolist(), dtype=torch.float32)

    def _is_exact(self, name: str) -> bool:
        return self._same_images or name == JOINT_STATES

    def _complete(self, origin: Origin) -> bool:
        return origin.sources.items() <= self._found.keys()

    def _observation(self, origin: Origin) -> Observation:
        tensors = {name: self._found[name, source] for name, source in origin.sources.items()}
        return Observation(
            stamp=origin.stamp,
            images={name: tensors[name] for name in self._cameras},
            joint_positions=tensors[JOINT_STATES],
            instruction=origin.instruction,
            sources={name: source.stamp for name, source in origin.sources.items()},
        )

    def _check_streams(self, origin: Origin) -> None:
        if origin.sources.keys() != self._topics.keys():
            raise LackingError(
                f"the journal names messages of {', '.join(origin.sources) or 'no stream'} for the observation at {origin.stamp} ns, "
                f"but the policy needs {', '.join(self._topics)}"
            )

    def _fault(self, origin: Origin) -> LackingError | ChangedError:
        key = next(key for key in origin.sources.items() if key not in self._found)
        damage = f" ({self._reader.damage})" if self._reader.damage else ""
        return self._faults.get(key, LackingError(f"the bag lacks {self._named(key)}{damage}"))

    def _named(self, key: Key) -> str:
        name, source = key
        kind = "the joint reading" if name == JOINT_STATES else f"the frame of camera '{name}'"
        return f"{kind} stamped {source.stamp} ns on {self._topics[name]}"


class _Message(NamedTuple):
    """A message: the streams that its topic carries, nanoseconds in its header, its fields."""

    streams: list[str]
    stamp: int
    content: Any


def _check_types(reader: BagReader, streams: StreamMapping, topics: Collection[str]) -> None:
    allowed = streams.types_by_topic()
    for topic in reader.topics:
        if topic.name in topics and topic.message_type not in allowed[topic.name]:
            raise RecordingError(f"{topic.name} is a {topic.message_type}, but its part needs {' or '.join(allowed[topic.name])}")
