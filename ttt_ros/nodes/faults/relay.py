"""Between the simulation and the nodes under test: passes the clock and the sensors on, or what a fault makes of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from ttt_ros.nodes.quality_of_service import CLOCK, SENSOR
from ttt_ros.nodes.stamps import nanoseconds, stamp

RAW = "raw"
"""Namespace under which the simulation publishes."""

CLOCK_TOPIC = "/clock"

Message = Clock | Image | JointState
Alteration = Callable[[Any], Sequence[Message]]
"""From one message to those that are sent in its place."""


def remappings(cameras: Sequence[str]) -> dict[str, str]:
    """For the simulation node: what the relay takes in."""
    topics = ("joint_states", *(f"camera/{camera}/image_raw" for camera in cameras))
    return {topic: f"{RAW}/{topic}" for topic in topics} | {CLOCK_TOPIC: f"/{RAW}{CLOCK_TOPIC}"}


class Relay:
    """Passes serialized messages on; a stream with an alteration is read, altered and sent.

    Attributes:
        alterations: by stream: name of a camera, ``joint_states`` or ``/clock``.
        newest: nanoseconds of the newest stamp that was passed on, by stream; of the clock, its time.
    """

    def __init__(self, node: Node, cameras: Sequence[str]) -> None:
        """Subscribes and publishes through ``node``."""
        self._node = node
        self.cameras = tuple(cameras)
        self.alterations: dict[str, Alteration] = {}
        self.newest: dict[str, int] = {}
        self.publishers: dict[str, Any] = {}
        for camera in cameras:
            self._pass_on(Image, camera, f"camera/{camera}/image_raw", SENSOR)
        self._pass_on(JointState, "joint_states", "joint_states", SENSOR)
        self._pass_on(Clock, CLOCK_TOPIC, CLOCK_TOPIC, CLOCK)

    @property
    def sensors(self) -> tuple[str, ...]:
        """All streams but the clock."""
        return (*self.cameras, "joint_states")

    def reset(self) -> None:
        """Passes everything on as it is."""
        self.alterations.clear()

    def _pass_on(self, kind: type, stream: str, topic: str, profile: Any) -> None:
        publisher = self._node.create_publisher(kind, topic, profile)
        self.publishers[stream] = publisher
        source = f"/{RAW}{topic}" if topic.startswith("/") else f"{RAW}/{topic}"

        def relayed(data: bytes) -> None:
            message = deserialize_message(data, kind)
            alter = self.alterations.get(stream)
            sent = [message] if alter is None else alter(message)
            if alter is None:
                publisher.publish(data)
            for each in sent:
                self.newest[stream] = nanoseconds(each.clock if kind is Clock else each.header.stamp)
                if alter is not None:
                    publisher.publish(each)

        self._node.create_subscription(kind, source, relayed, profile, raw=True)


def silent(_message: Message) -> Sequence[Message]:
    """Nothing."""
    return ()


def frozen() -> Alteration:
    """The content of the first picture for ever, with the stamps of the others."""
    kept: list[Image] = []

    def alter(message: Image) -> Sequence[Message]:
        kept[:] = kept or [message]
        return (_like(message, data=kept[0].data),)

    return alter


def filled(value: int) -> Alteration:
    """A picture of one value."""
    return lambda message: (_like(message, data=bytes([value]) * len(message.data)),)


def thinned() -> Alteration:
    """Every second message."""
    count = iter(range(1 << 62))
    return lambda message: (message,) if next(count) % 2 else ()


def smaller(message: Image) -> Sequence[Message]:
    """The left upper quarter of a picture."""
    pixels = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.width, 3)
    part = np.ascontiguousarray(pixels[: message.height // 2, : message.width // 2])
    changed = Image(header=message.header, height=part.shape[0], width=part.shape[1], encoding=message.encoding, step=3 * part.shape[1])
    changed.data = part.tobytes()
    return (changed,)


def encoded_as(encoding: str) -> Alteration:
    """The same bytes under another encoding."""
    return lambda message: (_like(message, encoding=encoding),)


def shifted(seconds: float) -> Alteration:
    """Stamped earlier or later."""

    def alter(message: Any) -> Sequence[Message]:
        if isinstance(message, Clock):
            message.clock = stamp(nanoseconds(message.clock) + round(seconds * 1e9))
        else:
            message.header.stamp = stamp(nanoseconds(message.header.stamp) + round(seconds * 1e9))
        return (message,)

    return alter


def positions_of(joint: int, value: float) -> Alteration:
    """One joint at ``value``."""

    def alter(message: JointState) -> Sequence[Message]:
        message.position[joint] = value
        return (message,)

    return alter


def without_joint(joint: int) -> Alteration:
    """One joint less."""

    def alter(message: JointState) -> Sequence[Message]:
        kept = [index for index in range(len(message.name)) if index != joint]
        changed = JointState(name=[message.name[index] for index in kept], position=[message.position[index] for index in kept])
        changed.header = message.header
        return (changed,)

    return alter


def jumping(by: float) -> Alteration:
    """Every second joint state is off by ``by`` rad."""
    count = iter(range(1 << 62))

    def alter(message: JointState) -> Sequence[Message]:
        if next(count) % 2:
            message.position = [position + by for position in message.position]
        return (message,)

    return alter


def contradicted(publish: Callable[[JointState], object], *, by: float) -> Alteration:
    """Passed on as it is, while another publisher says in the same moment that each joint is ``by`` rad elsewhere."""

    def alter(message: JointState) -> Sequence[Message]:
        publish(JointState(header=message.header, name=message.name, position=[position + by for position in message.position]))
        return (message,)

    return alter


def flooded(times: int) -> Alteration:
    """Each message many times."""
    return lambda message: (message,) * times


def _like(message: Image, **changes: Any) -> Image:
    fields = {name: changes.get(name, getattr(message, name)) for name in ("height", "width", "encoding", "step", "is_bigendian", "data")}
    return Image(header=message.header, **fields)
