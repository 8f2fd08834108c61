"""Reading a bag once to say what is in it, and whether it can be trusted."""

import zlib
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ttt_ros.bags.content import header_stamp, joint_positions
from ttt_ros.bags.reader import BagReader
from ttt_ros.errors import ObservationError
from ttt_ros.evaluation.bags.configuration import BagEvaluationConfig
from ttt_ros.evaluation.bags.examination import Examination, StreamFigures
from ttt_ros.evaluation.bags.following import following
from ttt_ros.evaluation.bags.input_hash import InputHash
from ttt_ros.evaluation.bags.timeline import Role, Sensed, Tick, timeline
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.safeguard.clock import NANOSECONDS

_MOVED = 0.05
"""Rad or m by which a joint must move within equal images before these are called frozen: a robot at rest looks the same."""

_LAGS = 10_000
"""Newest messages whose lag counts: bounds the memory."""

Positions = NDArray[np.float64]


def examine(reader: BagReader, specification: PolicySpecification, config: BagEvaluationConfig, *, bag: str) -> Examination:
    """Reads every mapped message once.

    Raises:
        RecordingError: the bag lacks a topic, or is damaged and the reader does not salvage.
    """
    streams, types = config.streams, {topic.name: topic.message_type for topic in reader.topics}
    names = [streams.joints.get(name, name) for name in specification.joint_names]
    counters: dict[str, _Stream] = {}
    hash_of_inputs = InputHash()
    newest: dict[Role, Positions] = {}
    rows: dict[Role, list[Positions]] = {Role.COMMANDS: [], Role.JOINTS: []}
    nothing = np.full(len(names), np.nan)
    first = last = 0
    for event in timeline(reader, streams, clock=config.clock, period=specification.period):
        if isinstance(event, Tick):
            for role, table in rows.items():
                table.append(newest.get(role, nothing))
            continue
        hash_of_inputs.add(event.raw)
        first, last = first or event.now, event.now
        counter = counters.setdefault(event.raw.topic, _Stream(event, types[event.raw.topic]))
        counter.take(event, newest.get(Role.JOINTS))
        if event.role in rows and not event.problem:
            try:
                newest[event.role] = joint_positions(event.content, names)
            except ObservationError as error:
                counter.unreadable(str(error))
    silent = [_silent(topic, config, types) for topic in streams.types_by_topic() if topic not in counters]
    return Examination(
        bag=bag,
        inputs=hash_of_inputs.hexdigest(),
        start=first,
        duration=max(0, last - first) / NANOSECONDS,
        streams=(*(counter.figures() for counter in counters.values()), *silent),
        joints=following(
            np.array(rows[Role.COMMANDS]).reshape(-1, len(names)),
            np.array(rows[Role.JOINTS]).reshape(-1, len(names)),
            names=specification.joint_names,
            period=specification.period,
        ),
        damage=reader.damage,
    )


class _Stream:
    """The figures of one topic."""

    def __init__(self, event: Sensed, message_type: str) -> None:
        self._topic = event.raw.topic
        self._role = f"{event.role.value} {event.camera}".strip()
        self._camera = event.role is Role.CAMERA
        self._type = message_type
        self._count = self._repeated = self._backwards = self._unreadable = 0
        self._problem = ""
        self._first = self._last = event.now
        self._gap = 0
        self._stamp: int | None = None
        self._lags: deque[int] = deque(maxlen=_LAGS)
        self._image = 0
        self._since = event.now
        self._joints: Positions | None = None
        self._frozen = 0

    def take(self, event: Sensed, joints: Positions | None) -> None:
        self._count += 1
        self._gap = max(self._gap, event.now - self._last)
        self._last = event.now
        if event.problem:
            self.unreadable(event.problem)
            return
        stamp = header_stamp(event.content)
        if stamp is not None and event.role is not Role.COMMANDS:  # there it says when to begin, and zero means at once
            self._repeated += stamp == self._stamp
            self._backwards += self._stamp is not None and stamp < self._stamp
            self._stamp = stamp
            self._lags.append(event.now - stamp)
        if self._camera:
            self._compare(zlib.crc32(event.content.data), event.now, joints)

    def unreadable(self, problem: str) -> None:
        self._unreadable += 1
        self._problem = self._problem or problem

    def figures(self) -> StreamFigures:
        seconds = (self._last - self._first) / NANOSECONDS
        return StreamFigures(
            topic=self._topic,
            role=self._role,
            message_type=self._type,
            messages=self._count,
            rate=(self._count - 1) / seconds if seconds > 0 else None,
            longest_gap=self._gap / NANOSECONDS,
            repeated=self._repeated,
            backwards=self._backwards,
            lag=float(np.median(self._lags)) / NANOSECONDS if self._lags else None,
            frozen=self._frozen / NANOSECONDS,
            unreadable=self._unreadable,
            problem=self._problem,
        )

    def _compare(self, image: int, now: int, joints: Positions | None) -> None:
        """Prolongs the stretch of equal images, or begins another."""
        if image != self._image or self._joints is None:
            self._image, self._since, self._joints = image, now, joints
        elif joints is not None and np.abs(joints - self._joints).max() > _MOVED:
            self._frozen = max(self._frozen, now - self._since)


def _silent(topic: str, config: BagEvaluationConfig, types: dict[str, str]) -> StreamFigures:
    """A topic that is in the bag and carries no message."""
    cameras = {each: name for name, each in config.streams.cameras.items()}
    roles = {config.streams.joint_states: Role.JOINTS, config.streams.commands: Role.COMMANDS, config.streams.instruction: Role.INSTRUCTION}
    role = f"{Role.CAMERA.value} {cameras[topic]}" if topic in cameras else roles[topic].value
    return StreamFigures(
        topic=topic,
        role=role,
        message_type=types[topic],
        messages=0,
        rate=None,
        longest_gap=0.0,
        repeated=0,
        backwards=0,
        lag=None,
        frozen=0.0,
        unreadable=0,
        problem="it carries no message",
    )
