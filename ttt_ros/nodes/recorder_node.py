"""Records the topics of a run into a rosbag2, without deserializing them."""

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.bags.message_types import DEFAULT_DISTRIBUTION
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import ConfigurationError
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState
from ttt_ros.nodes import lifecycle
from ttt_ros.nodes.parameters import declare, optional_path, refuse_unknown, value
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR

DEEP_SENSOR = QoSProfile(depth=100, reliability=SENSOR.reliability, durability=SENSOR.durability)
"""Sensor data with a queue, so that a burst is recorded whole."""

_KEPT_BEFORE_CLOCK = 100  # messages; latched ones for the most part


class RecorderNode(Node):
    """Subscribes to inputs, outputs and signals of the policy and writes every message as it came."""

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("recorder", **options)
        declare(self, "path", "", "folder of the new bag; must not exist")
        declare(self, "cameras", ["scene", "wrist"], "names of the cameras, on camera/NAME/image_raw")
        declare(self, "policy_node", "policy", "name of the policy node whose private topics are recorded")
        declare(self, "safeguard_node", "safeguard", "name of the safeguard node whose private topics are recorded")
        refuse_unknown(self)
        path = optional_path(self, "path")
        if path is None:
            raise ConfigurationError("parameter 'path' of the recorder is empty; name the folder of the new bag")
        messages = Path(get_package_share_directory("ttt_ros"), "msg")
        self._writer = BagWriter(
            path, message_packages={"ttt_ros": messages}, distribution=os.environ.get("ROS_DISTRO", DEFAULT_DISTRIBUTION)
        )
        self._before_clock: deque[tuple[str, bytes]] = deque(maxlen=_KEPT_BEFORE_CLOCK)
        policy, safeguard = value(self, "policy_node"), value(self, "safeguard_node")
        topics: dict[str, tuple[type, QoSProfile]] = {
            "joint_states": (JointState, DEEP_SENSOR),
            "instruction": (String, LATCHED),
            "joint_trajectory": (JointTrajectory, RELIABLE),
            "/diagnostics": (DiagnosticArray, RELIABLE),
            f"{policy}/action_chunk": (ActionChunk, RELIABLE),
            f"{policy}/adaptation_status": (AdaptationStatus, RELIABLE),
            f"{safeguard}/state": (SafeguardState, LATCHED),
        }
        for camera in value(self, "cameras"):
            topics[f"camera/{camera}/image_raw"] = (Image, DEEP_SENSOR)
            topics[f"camera/{camera}/camera_info"] = (CameraInfo, DEEP_SENSOR)
        for topic, (kind, profile) in topics.items():
            name = self.resolve_topic_name(topic)
            self._writer.add_topic(name, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}", qos=_offered(profile))
            self.create_subscription(kind, topic, self._write(name), profile, raw=True)

    def close(self) -> None:
        """Finishes the bag."""
        self._writer.close()

    def _write(self, topic: str) -> Callable[[bytes], None]:
        def write(message: bytes) -> None:
            now = self.get_clock().now().nanoseconds
            if not now:  # simulated time, and no /clock yet; stamped 0, a bag could span years
                self._before_clock.append((topic, message))
                return
            while self._before_clock:
                early_topic, early_message = self._before_clock.popleft()
                self._writer.write(early_topic, now, early_message)
            self._writer.write(topic, now, message)

        return write


def _offered(profile: QoSProfile) -> OfferedQos:
    return OfferedQos(
        reliable=profile.reliability == ReliabilityPolicy.RELIABLE,
        latched=profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        depth=profile.depth,
    )


def main() -> None:
    """Entry point of ``ros2 run ttt_ros recorder_node``."""
    raise SystemExit(lifecycle.run(RecorderNode, close=RecorderNode.close))


if __name__ == "__main__":
    main()
