"""What the safeguard node hears: the robot's streams, the commands, and all that the policy node says."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.control.images import decode_compressed
from ttt_ros.errors import MessageError, ObservationError, TttRosError
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus
from ttt_ros.nodes import policy_messages
from ttt_ros.nodes.quality_of_service import RELIABLE, SENSOR
from ttt_ros.nodes.stamps import nanoseconds, serialized_stamp
from ttt_ros.safeguard import signals
from ttt_ros.safeguard.joint_values import MAX_NAME, joint_values
from ttt_ros.safeguard.judge import Safeguard
from ttt_ros.safeguard.pictures import content_digest, saturated_share
from ttt_ros.safeguard.sensors import JOINT_STATES

_AFTER_STAMP = 12
"""Bytes of a serialized message up to the end of its header's stamp: encapsulation, seconds, nanoseconds."""

_MAX_MODULES = 1000
"""Fast modules that a policy may report; the largest models have a tenth of that."""

_THROTTLE = 1.0
"""Seconds between two logs of refused messages."""

_BEFORE_PIXELS = 128
"""Bytes that hold the fields before the pixels; frame names and encodings are short."""


class SafeguardInput:
    """Subscribes and hands everything to a safeguard; calls ``judged`` after what may have changed the mode.

    A malformed message is logged and counts as none, so that its stream grows old and is judged by that.
    Images are not deserialized. Of those that come between two heartbeats only the newest is looked at, in ``look``.
    """

    def __init__(
        self,
        node: Node,
        safeguard: Safeguard,
        *,
        cameras: list[str],
        compressed: bool,
        policy: str,
        commands_topic: str,
        judged: Callable[[], None],
    ) -> None:
        """Creates the subscriptions."""
        self._node = node
        self._safeguard = safeguard
        self._compressed = compressed
        self._judged = judged
        self._frames: dict[str, bytes] = {}
        self._clock = (0, time.monotonic())
        self._subscriptions: list[Any] = []
        image_kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        self._topics = {camera: f"camera/{camera}/image_raw{suffix}" for camera in cameras} | {JOINT_STATES: "joint_states"}
        for camera in cameras:
            self._subscribe(image_kind, self._topics[camera], self._image_taker(camera), SENSOR, raw=True)
        self._subscribe(JointState, "joint_states", self._take_joints, SENSOR)
        self._subscribe(JointTrajectory, commands_topic, self._take_command, RELIABLE)
        self._subscribe(ActionChunk, f"{policy}/action_chunk", self._take_chunk, RELIABLE)
        self._subscribe(AdaptationStatus, f"{policy}/adaptation_status", self._take_window, RELIABLE)
        self._subscribe(ControlStatus, f"{policy}/control_status", self._take_control, RELIABLE)

    def close(self) -> None:
        """Destroys the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def look(self) -> None:
        """Looks at the frames that came since the last time."""
        for camera, message in self._frames.items():
            content = memoryview(message)[_AFTER_STAMP:]
            self._safeguard.sensors.saw(camera, digest=content_digest(content), saturation=self._saturation(message))
        self._frames.clear()

    def count_publishers(self) -> None:
        """Counts who publishes each sensor topic."""
        self._safeguard.sensors.counted_publishers({name: self._node.count_publishers(topic) for name, topic in self._topics.items()})

    def watch_clock(self) -> None:
        """Reads for how long the ROS clock has stood still.

        Call it once for each heartbeat, but by the wall clock: those of a clock that stands still do not come.
        """
        now, wall = self._now(), time.monotonic()
        if now != self._clock[0]:
            self._clock = (now, wall)
        self._safeguard.read(signals.CLOCK_STALL.name, wall - self._clock[1], now)
        self._judged()

    def _subscribe(self, kind: type, topic: str, take: Callable[[Any], None], profile: QoSProfile, *, raw: bool = False) -> None:
        def receive(message: Any) -> None:
            try:
                take(message)
            except TttRosError as error:
                self._node.get_logger().error(f"{topic}: {error}", throttle_duration_sec=_THROTTLE)

        self._subscriptions.append(self._node.create_subscription(kind, topic, receive, profile, raw=raw))

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _saturation(self, message: bytes) -> float:
        if not self._compressed:
            return saturated_share(np.frombuffer(message, dtype=np.uint8, offset=min(_BEFORE_PIXELS, len(message))))
        try:
            image = deserialize_message(message, CompressedImage)
            return saturated_share(decode_compressed(memoryview(image.data), image.format))
        except (ObservationError, RuntimeError):  # the latter is how rclpy says that it cannot be deserialized
            return math.nan  # which every rule takes for a violation

    def _image_taker(self, camera: str) -> Callable[[bytes], None]:
        def take(message: bytes) -> None:
            stamp = serialized_stamp(message)
            self._safeguard.heard_camera(camera, stamp=stamp, now=self._now())
            self._frames[camera] = message

        return take

    def _take_joints(self, message: JointState) -> None:
        positions = joint_values(message.name, message.position)
        self._safeguard.heard_joints(positions, stamp=nanoseconds(message.header.stamp), now=self._now())

    def _take_command(self, message: JointTrajectory) -> None:
        if message.points:
            self._safeguard.sensors.commanded(joint_values(message.joint_names, message.points[0].positions), now=self._now())
        else:
            self._safeguard.sensors.released()

    def _take_chunk(self, message: ActionChunk) -> None:
        self._safeguard.heard_chunk(policy_messages.chunk_figures(message), self._now())
        self._judged()

    def _take_window(self, message: AdaptationStatus) -> None:
        _check_modules([each.module for each in message.module_drift])
        self._safeguard.heard_window(policy_messages.window_figures(message), self._now())
        self._judged()

    def _take_control(self, message: ControlStatus) -> None:
        self._safeguard.control.heard(policy_messages.control_health(message), self._now())


def _check_modules(names: list[str]) -> None:
    longest = max(map(len, names), default=0)
    if len(names) > _MAX_MODULES or longest > MAX_NAME:
        raise MessageError(
            f"an adaptation status names {len(names)} modules with up to {longest} characters, and at most {_MAX_MODULES} with {MAX_NAME} "
            "are taken; check who publishes it"
        )
