"""A session on a virtual clock whose sensors are recorded into a bag as well, beside the journal of its adaptation."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from control_session import Bench

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.message_types import message_types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.control.loop import Command
from ttt_ros.policies.protocol import Policy
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode

JOINT_TOPIC = "/joint_states"
IMAGE = "sensor_msgs/msg/Image"
JOINT_STATE = "sensor_msgs/msg/JointState"
ADAPTATION = AdaptationConfig(window=4, minimum_samples=2, gate_warmup=4, gate_history=8, probes=2, queue_size=64)

_QOS = OfferedQos(reliable=True, latched=False, depth=10)
_TYPES = message_types(message_packages={})
_TEN_MILLISECONDS = 10_000_000


def camera_topic(name: str) -> str:
    return f"/camera/{name}/image_raw"


def streams(policy: Policy) -> StreamMapping:
    """What the topics of such a bag mean."""
    cameras = {camera.name: camera_topic(camera.name) for camera in policy.specification.cameras}
    return StreamMapping(cameras=cameras, joint_states=JOINT_TOPIC, text="reach")


def header(stamp: int) -> Any:
    time = _TYPES.types["builtin_interfaces/msg/Time"](sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS)
    return _TYPES.types["std_msgs/msg/Header"](stamp=time, frame_id="")


class RecordedBench(Bench):
    """Writes ``folder/bag`` and ``folder/journal``; close it before reading either."""

    def __init__(self, folder: Path, policy: Policy | None = None, *, adaptation: AdaptationConfig = ADAPTATION, **options: Any) -> None:
        super().__init__(policy, adaptation=adaptation, journal=folder / "journal", **options)
        self.bag = BagWriter(folder / "bag", message_packages={})
        self.bag.add_topic(JOINT_TOPIC, JOINT_STATE, qos=_QOS)
        for camera in self.specification.cameras:
            self.bag.add_topic(camera_topic(camera.name), IMAGE, qos=_QOS)
        self.received = 0

    def sense(self) -> None:
        """Two joint states and a frame of each camera, of which the bag has the frames first and all of it late."""
        names = self.specification.joint_names
        for camera in self.specification.cameras:
            image = torch.randint(0, 256, (camera.height, camera.width, 3), dtype=torch.uint8, generator=self.generator)
            self.session.assembler.add_image(camera.name, self.now, image)
            fields = {"height": camera.height, "width": camera.width, "encoding": "rgb8", "is_bigendian": 0, "step": 3 * camera.width}
            self.write(camera_topic(camera.name), IMAGE, data=image.numpy().reshape(-1), stamp=self.now, **fields)
        for stamp in (self.now - _TEN_MILLISECONDS, self.now):
            positions = torch.randn(len(names), generator=self.generator).tolist()
            self.session.assembler.add_joints(stamp, names, positions)
            empty = np.zeros(0)
            self.write(JOINT_TOPIC, JOINT_STATE, name=list(names), position=np.array(positions), velocity=empty, effort=empty, stamp=stamp)

    def write(self, topic: str, message_type: str, *, stamp: int, **fields: Any) -> None:
        message = _TYPES.types[message_type](header=header(stamp), **fields)
        self.received = max(self.received + 1, self.now + 3 * _TEN_MILLISECONDS)
        self.bag.write(topic, self.received, bytes(_TYPES.serialize_cdr(message, message_type)))

    def tick(self) -> Command:
        """Waits for the inference, if that has a thread, so that every run asks at the same ticks."""
        command = super().tick()
        request = self.session.loop._request
        if request is not None:
            request.answer.exception(timeout=30)
        return command

    def run_until_reports(self, count: int, mode: Mode = Mode.ADAPTING) -> None:
        """Ticks until ``count`` more windows were reported, be it by a thread that lags behind."""
        wanted = len(self.reports) + count
        while len(self.reports) < wanted:
            self.run(1, mode)

    def close(self) -> None:
        assert self.session.adaptation.stop(timeout=30)  # longer than a node may take: a busy machine is no failure here
        assert self.session.close()
        self.bag.close()
