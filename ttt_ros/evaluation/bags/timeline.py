"""The order of events that a bag is played in, the same for the offline evaluation and for the stepped replay to a live node."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ttt_ros.bags.content import deserialized, header_stamp
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.configuration import Clock
from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS

LONGEST_PAUSE = 10 * NANOSECONDS
"""Nanoseconds of a gap that ticks go on for; what follows it begins a new stretch, or a bag with one wrong stamp would tick for years."""


class Role(str, Enum):
    """What a message tells."""

    CAMERA = "camera"
    JOINTS = "joint_states"
    COMMANDS = "commands"
    INSTRUCTION = "instruction"


@dataclass(frozen=True, kw_only=True)
class Tick:
    """The control loop decides at ``now``, ns."""

    now: int


@dataclass(frozen=True, kw_only=True)
class Sensed:
    """A message.

    Attributes:
        role: what it tells.
        camera: the policy's name of the camera; empty for the other roles.
        now: instant of the bag's clock, ns.
        raw: the message as recorded.
        content: its fields; None if it cannot be read.
        problem: why not; empty if it can.
    """

    role: Role
    camera: str
    now: int
    raw: BagMessage
    content: Any
    problem: str


def timeline(reader: BagReader, streams: StreamMapping, *, clock: Clock, period: float) -> Iterator[Tick | Sensed]:
    """Messages in the order in which they were received, and a tick every ``period`` seconds of the bag's clock.

    A tick sees every message whose instant is not after its own. The last tick comes after the last message. After a gap longer than
    ``LONGEST_PAUSE`` and after a clock that was set back, ticks begin anew with the next message.

    Raises:
        RecordingError: a mapped topic is not in the bag or has a type that its role cannot have, or the bag is damaged.
    """
    step = round(period * NANOSECONDS)
    following: int | None = None
    for event in sensed(reader, streams, clock=clock):
        if following is not None and event.now < following - step - CLOCK_JUMP:
            yield Tick(now=following)
            following = None
        if following is None:
            following = event.now
        pause_ends = following + LONGEST_PAUSE
        while following < min(event.now, pause_ends):
            yield Tick(now=following)
            following += step
        if following < event.now:
            following = event.now
        yield event
    if following is not None:
        yield Tick(now=following)


def sensed(reader: BagReader, streams: StreamMapping, *, clock: Clock) -> Iterator[Sensed]:
    """The messages alone; see ``timeline``."""
    _check_types(reader, streams)
    cameras = {topic: name for name, topic in streams.cameras.items()}
    roles = dict.fromkeys(cameras, Role.CAMERA) | {streams.joint_states: Role.JOINTS}
    if streams.commands:
        roles[streams.commands] = Role.COMMANDS
    if streams.instruction:
        roles[streams.instruction] = Role.INSTRUCTION
    newest: int | None = None
    early: list[Sensed] = []
    for message in reader.messages(tuple(roles)):
        content, problem = None, ""
        try:
            content = deserialized(message)
        except RecordingError as error:
            problem = str(error)
        now: int | None = message.stamp
        if clock is Clock.STAMPED:
            # A command's header says when it is to begin, and zero means at once.
            own = header_stamp(content) if message.topic in cameras or message.topic == streams.joint_states else None
            now = newest if own is None else _in_order(own, newest)
        event = Sensed(
            role=roles[message.topic], camera=cameras.get(message.topic, ""), now=now or 0, raw=message, content=content, problem=problem
        )
        if now is None:  # what comes before the first stamp, such as a latched instruction, is given the instant of that
            early.append(event)
            continue
        newest = now
        yield from (replace(each, now=now) for each in early)
        early.clear()
        yield event
    yield from early


def _in_order(own: int, newest: int | None) -> int:
    """Streams overtake each other a little; only a clock that was set back may go back."""
    return own if newest is None or own < newest - CLOCK_JUMP else max(own, newest)


def _check_types(reader: BagReader, streams: StreamMapping) -> None:
    recorded = {topic.name: topic.message_type for topic in reader.topics}
    for topic, types in streams.types_by_topic().items():
        if topic not in recorded:
            raise RecordingError(f"the bag has no topic {topic}; it has {', '.join(recorded)}; correct streams in the configuration")
        if recorded[topic] not in types:
            raise RecordingError(f"{topic} is a {recorded[topic]}, but its part needs {' or '.join(types)}; correct streams")
