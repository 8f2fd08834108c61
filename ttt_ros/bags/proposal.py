"""Guessing from names and types what the topics of a bag mean; a person has the last word."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import yaml

from ttt_ros.bags.inspection import InspectedTopic, Inspection
from ttt_ros.bags.mapping import COMMAND_TYPES, IMAGE_TYPES, JOINT_TYPES, TEXT_TYPES, StreamMapping
from ttt_ros.errors import RecordingError

PLACEHOLDER = "describe the task here"
"""The proposed instruction where no topic carries one."""

_WIDTH = 120
_IMAGE_WORDS = ("image", "image_raw", "image_color", "image_rect", "image_rect_color", "compressed", "raw")
_CAMERA_WORDS = ("camera", "cameras", "color", "rgb", "sensors")
_INSTRUCTION_WORDS = ("instruction", "task", "prompt", "language")


def proposed_mapping(inspection: Inspection) -> StreamMapping:
    """The meaning of the topics, as far as their names and types tell.

    Every colour camera is taken once, raw rather than compressed; the joint states are the JointState topic of that name, or else the one
    with the most messages; the commands a trajectory for these joints, or else joint states or as many numbers; the instruction a text
    whose topic is named like one, or else a placeholder.

    Raises:
        RecordingError: the bag has no colour image, or no joint states.
    """
    usable = [topic for topic in inspection.topics if topic.content.usable]
    images = [topic.name for topic in usable if topic.message_type in IMAGE_TYPES]
    cameras = _cameras([name for name in images if name.removesuffix("/compressed") not in images or not name.endswith("/compressed")])
    measured = _joint_states(usable)
    if not cameras or measured is None:
        lacking = "colour image" if not cameras else "joint states"
        raise RecordingError(
            f"the bag {inspection.path} has no topic with {lacking} that a policy could use; it has "
            f"{', '.join(f'{topic.name} ({topic.message_type})' for topic in inspection.topics)}"
        )
    instruction = next(
        (topic.name for topic in usable if topic.message_type in TEXT_TYPES and any(word in topic.name for word in _INSTRUCTION_WORDS)), ""
    )
    return StreamMapping(
        cameras=cameras,
        joint_states=measured.name,
        commands=_commands(usable, measured),
        instruction=instruction,
        text="" if instruction else PLACEHOLDER,
    )


def proposal_yaml(inspection: Inspection) -> str:
    """The proposal as the section ``streams`` of a configuration, with the joints of the bag in a comment.

    Raises:
        RecordingError: as ``proposed_mapping``.
    """
    mapping = proposed_mapping(inspection)
    fields = {name: value for name, value in asdict(mapping).items() if value}
    lines = yaml.safe_dump({"streams": fields}, sort_keys=False, allow_unicode=True, width=_WIDTH)
    joints = next(topic.content.joints for topic in inspection.topics if topic.name == mapping.joint_states)
    comment = textwrap.fill(
        f"The bag's joints: {', '.join(joints)}", width=_WIDTH, initial_indent="  # ", subsequent_indent="  # ", break_on_hyphens=False
    )
    return f"{lines}{comment}\n  # Where the policy's names differ: joints: {{name in the policy: name in the bag}}\n"


def _cameras(topics: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for topic in topics:
        name = camera_name(topic)
        if name in named:
            name = _identifier([part for part in topic.split("/") if part])
        named[name] = topic
    return named


def camera_name(topic: str) -> str:
    """The camera's name in a topic: ``overhead`` for ``/camera/overhead/image_raw``, ``camera`` for ``/camera/image_raw``."""
    parts = [part for part in topic.split("/") if part and part not in _IMAGE_WORDS]
    telling = [part for part in parts if part not in _CAMERA_WORDS]
    return _identifier(telling or parts[-1:] or ["camera"])


def _identifier(parts: Iterable[str]) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts)).strip("_") or "camera"


def _joint_states(topics: Sequence[InspectedTopic]) -> InspectedTopic | None:
    candidates = [topic for topic in topics if topic.message_type in JOINT_TYPES]
    return max(candidates, key=lambda topic: (topic.name.endswith("joint_states"), topic.count), default=None)


def _commands(topics: Sequence[InspectedTopic], measured: InspectedTopic) -> str:
    def fits(topic: InspectedTopic) -> bool:
        content, joints = topic.content, measured.content.joints
        return topic.name != measured.name and (set(content.joints) <= set(joints) if content.joints else content.values == len(joints))

    candidates = [topic for topic in topics if topic.message_type in COMMAND_TYPES and fits(topic)]
    return max(candidates, key=lambda topic: (-COMMAND_TYPES.index(topic.message_type), topic.count)).name if candidates else ""
