"""What the topics of a bag mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttt_ros.configuration import strict
from ttt_ros.errors import ConfigurationError

IMAGE_TYPES: tuple[str, ...] = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
JOINT_TYPES: tuple[str, ...] = ("sensor_msgs/msg/JointState",)
COMMAND_TYPES: tuple[str, ...] = ("trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray")
TEXT_TYPES: tuple[str, ...] = ("std_msgs/msg/String",)


@strict
@dataclass(frozen=True, kw_only=True)
class StreamMapping:
    """Which topic is what.

    Attributes:
        cameras: topic (Image or CompressedImage) by the policy's name of the camera.
        joint_states: topic of the measured joint positions (JointState).
        commands: topic of the commanded positions: JointTrajectory, whose first point counts, JointState, or Float64MultiArray in the
            order of the policy's joints. Empty: none was recorded.
        instruction: topic of the instruction (String). Empty: ``text`` holds for the whole bag.
        text: the instruction where no topic carries it.
        joints: name in the bag by the policy's name of the joint, for those whose names differ.

    Raises:
        ConfigurationError: no camera, neither or both of ``instruction`` and ``text``, or one topic in two places.
    """

    cameras: Mapping[str, str]
    joint_states: str
    commands: str = ""
    instruction: str = ""
    text: str = ""
    joints: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ConfigurationError("streams.cameras is empty; name the topic of each camera of the policy")
        if bool(self.instruction) == bool(self.text):
            raise ConfigurationError(
                f"streams.instruction is '{self.instruction}' and streams.text '{self.text}'; give the topic or the text, one of them"
            )

        topics = [topic for topic in (*self.cameras.values(), self.joint_states, self.commands, self.instruction) if topic]
        twice = sorted({topic for topic in topics if topics.count(topic) > 1})
        if twice:
            raise ConfigurationError(f"streams name {', '.join(twice)} twice; a topic is one thing")

    def types_by_topic(self) -> dict[str, tuple[str, ...]]:
        """The message types that each topic may have."""
        types: dict[str, tuple[str, ...]] = dict.fromkeys(self.cameras.values(), IMAGE_TYPES)
        types[self.joint_states] = JOINT_TYPES
        if self.commands:
            types[self.commands] = COMMAND_TYPES
        if self.instruction:
            types[self.instruction] = TEXT_TYPES
        return types
