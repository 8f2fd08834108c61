"""Bags of the simulated arm at work, led by the expert: what the tests of the bag evaluation evaluate."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttt_ros.bags.content import types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.deployment import Deployment
from ttt_ros.simulation.pointing import PARKED

IMAGE, JOINTS, COMMANDS, INSTRUCTION = "/camera/overhead/image_raw", "/joint_states", "/joint_trajectory", "/instruction"
START = 1_000_000_000
PARAMETERS = Path(__file__).parent.parent / "config" / "policy_node.yaml"
STREAMS = {"cameras": {"overhead": IMAGE}, "joint_states": JOINTS, "commands": COMMANDS, "instruction": INSTRUCTION}

_TYPES = {
    IMAGE: "sensor_msgs/msg/Image",
    JOINTS: "sensor_msgs/msg/JointState",
    COMMANDS: "trajectory_msgs/msg/JointTrajectory",
    INSTRUCTION: "std_msgs/msg/String",
}
_SENSOR = OfferedQos(reliable=False, latched=False, depth=5)
_RELIABLE = OfferedQos(reliable=True, latched=False, depth=10)
_LATCHED = OfferedQos(reliable=True, latched=True, depth=1)
_QOS = {IMAGE: _SENSOR, JOINTS: _SENSOR, COMMANDS: _RELIABLE, INSTRUCTION: _LATCHED}
_WAIT = 6
"""Control steps for which the arm rests before each movement, as a real one waits for its chunk."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What is wrong with the recording, if anything.

    Attributes:
        condition: kind of robot, as in the deployment suite.
        drives: from the command that is recorded to the one that the robot follows, (joints,).
        names: of the joints, as the joint states give them.
        image: from frame number and image to the image that is recorded.
        camera_late: ns by which the camera's stamps lie before the moment that they show.
    """

    condition: str = "training/all"
    drives: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda command: command
    names: tuple[str, ...] = JOINT_NAMES
    image: Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]] = lambda number, image: image
    camera_late: int = 0


def gain(factor: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A robot that moves ``factor`` times as far as it is told, from where it is parked."""
    return lambda command: np.asarray(PARKED) + factor * (command - PARKED)


def exchanged(first: int, second: int) -> tuple[str, ...]:
    """The names of the joints with two of them exchanged."""
    names = list(JOINT_NAMES)
    names[first], names[second] = names[second], names[first]
    return tuple(names)


def frozen_from(number: int) -> Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]]:
    """A camera that gives the same picture from frame ``number`` on."""
    kept: list[NDArray[np.uint8]] = []

    def image(at: int, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if at >= number:
            kept.append(picture)
            return kept[0]
        return picture

    return image


def record_deployment(path: Path, *, goals: int, seed: int = 0, world: World | None = None) -> Path:
    """Records ``goals`` goals, each with the way back to rest, about 3 s a goal."""
    world = world or World()
    robot = CONDITIONS[world.condition].robot(seed)
    deployment = Deployment(robot, seed=seed)
    recording = _Recording(path, deployment, world)
    try:
        for index in range(goals):
            deployment.begin_goal(index)
            recording.movement()
            deployment.rest()
            recording.movement()
    finally:
        recording.close()
        deployment.close()
    return path


class _Recording:
    def __init__(self, path: Path, deployment: Deployment, world: World) -> None:
        self._deployment = deployment
        self._world = world
        self._frames = 0
        self._bag = BagWriter(path, message_packages={})
        for topic, kind in _TYPES.items():
            self._bag.add_topic(topic, kind, qos=_QOS[topic])
        self._standing = np.asarray(PARKED, dtype=np.float64)
        self._observe()

    def close(self) -> None:
        self._bag.close()

    def movement(self) -> None:
        """One instruction, the wait, and the expert's chunk."""
        self._write(INSTRUCTION, data=self._deployment.instruction)
        for command in (*[self._standing] * _WAIT, *self._deployment.demonstration().chunk):
            self._step(command)

    def _step(self, command: NDArray[np.float64]) -> None:
        point = _message(
            "trajectory_msgs/msg/JointTrajectoryPoint",
            positions=np.asarray(command),
            velocities=np.zeros(0),
            accelerations=np.zeros(0),
            effort=np.zeros(0),
            time_from_start=_message("builtin_interfaces/msg/Duration", sec=0, nanosec=33_333_333),
        )
        self._write(COMMANDS, header=_header(0), joint_names=list(JOINT_NAMES), points=[point])
        self._deployment.play(self._world.drives(np.asarray(command))[None])
        self._standing = np.asarray(command)
        self._observe()

    def _observe(self) -> None:
        observation = self._deployment.observe()
        (picture,) = (image.numpy() for image in observation.images.values())
        image = self._world.image(self._frames, picture)
        self._frames += 1
        height, width, _ = image.shape
        self._write(
            JOINTS,
            header=_header(self._now),
            name=list(self._world.names),
            position=observation.joint_positions.double().numpy(),
            velocity=np.zeros(0),
            effort=np.zeros(0),
        )
        self._write(
            IMAGE,
            header=_header(self._now - self._world.camera_late),
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=np.ascontiguousarray(image).reshape(-1),
        )

    @property
    def _now(self) -> int:
        return START + round(self._deployment.time * 1e9)

    def _write(self, topic: str, **fields: Any) -> None:
        kind = _TYPES[topic]
        self._bag.write(topic, self._now, bytes(types().serialize_cdr(_message(kind, **fields), kind)))


def _message(kind: str, **fields: Any) -> Any:
    return types().types[kind](**fields)


def _header(stamp: int) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    return _message("std_msgs/msg/Header", stamp=_message("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds), frame_id="")
