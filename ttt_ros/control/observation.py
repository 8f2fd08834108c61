"""Assembling one observation from camera frames, joint states and an instruction, or saying why it cannot be done."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.control.images import DeferredImage
from ttt_ros.control.streams import StampOrder, StreamHealth
from ttt_ros.errors import ObservationError, SpecificationError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import CameraSpecification, PolicySpecification
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.joint_values import check_names

JOINT_STATES = "joint_states"
INSTRUCTION = "instruction"

_UNFELT = 5.0
"""Times max_joint_age for which a robot that is not felt is taken to stand where it was."""

_GREATEST_ANGLE = float(np.finfo(np.float32).max)
"""What float32, in which policies compute, can hold; anything beyond becomes infinite."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why there is no observation.

    Attributes:
        kind: "missing" (nothing came yet), "stale", "future" (stamped ahead of the clock) or "apart" (streams do not match in time).
        stream: name of the camera, ``joint_states`` or ``instruction``.
        reason: in words, with stream, value and limit.
        value: seconds that were too many, None if missing.
        limit: seconds, None if missing.
    """

    kind: Literal["missing", "stale", "future", "apart"]
    stream: str
    reason: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Frame:
    stamp: int
    image: Tensor | DeferredImage


class _Images(Mapping[str, Tensor]):
    """The images of one observation by camera; a deferred one is made when it is first looked at."""

    def __init__(self, images: Mapping[str, Tensor | DeferredImage]) -> None:
        self._images = images

    def __getitem__(self, name: str) -> Tensor:
        image = self._images[name]
        return image.tensor if isinstance(image, DeferredImage) else image

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)


@dataclass(frozen=True, kw_only=True)
class _JointReading:
    stamp: int
    positions: Tensor


class ObservationAssembler:
    """Keeps what the sensors said last and puts one observation together on demand.

    Nothing is filled in and nothing is repeated silently: the same frames give the same observation with the same stamp, and
    frames that are too old give a fault. Stamps and ``now`` are nanoseconds of one clock. One thread calls all methods.
    """

    def __init__(self, specification: PolicySpecification, *, tolerance: float, max_camera_age: float, max_joint_age: float) -> None:
        """Sets the limits, all in seconds.

        Args:
            specification: the cameras, image sizes and joints that the policy expects.
            tolerance: by which streams may differ from each other and be stamped ahead of the clock.
            max_camera_age: oldest frame that may be acted on.
            max_joint_age: oldest joint state that may be the newest one.

        Raises:
            SpecificationError: the policy has no camera, so that nothing would date its observations.
        """
        if not specification.cameras:
            raise SpecificationError("the policy names no camera, and an observation is dated by its frames; name at least one")
        self._joint_names = specification.joint_names
        self._cameras = {camera.name: camera for camera in specification.cameras}
        self._tolerance = tolerance
        self._max_camera_age = max_camera_age
        self._max_joint_age = max_joint_age
        self._longest_gap = round(_UNFELT * max_joint_age * NANOSECONDS)
        self._interrupted = False
        self._history_span = round((max_camera_age + 2 * tolerance) * NANOSECONDS)
        self._orders = {name: StampOrder(name) for name in (*self._cameras, JOINT_STATES)}
        self._frames: dict[str, _Frame] = {}
        self._joints: deque[_JointReading] = deque()
        self._instruction = ""
        self._instruction_refusal = ""

    def was_unfelt(self, now: int) -> bool:
        """Whether no joint state came for five times max_joint_age, or the clock was set back, by ``now`` or since this was asked last.

        The robot may have been moved or restarted then, and stands anywhere.
        """
        interrupted, self._interrupted = self._interrupted, False
        return interrupted or not self._joints or abs(now - self._joints[-1].stamp) > self._longest_gap

    def add_image(self, name: str, stamp: int, image: Tensor | DeferredImage) -> None:
        """Takes a frame of camera ``name``: RGB, uint8, (height, width, 3) as specified. The tensor is kept, not copied.

        Raises:
            ObservationError: the camera is unknown, or shape or dtype are not those specified.
        """
        self._check_camera(name)
        if isinstance(image, Tensor):
            self._check_image(name, image)
        if self._in_order(name, stamp):
            self._frames[name] = _Frame(stamp=stamp, image=image)

    def add_joints(self, stamp: int, names: Sequence[str], positions: Sequence[float] | NDArray[np.float64]) -> None:
        """Takes a joint state in radians; joints are found by name in any order, and further joints are ignored.

        Raises:
            ObservationError: lengths differ, a name is doubled, or a joint of the policy is missing or not finite.
        """
        reading = _JointReading(stamp=stamp, positions=self._selected_positions(names, positions))
        if not self._in_order(JOINT_STATES, stamp):
            return
        self._interrupted |= bool(self._joints) and stamp - self._joints[-1].stamp > self._longest_gap
        self._joints.append(reading)
        while self._joints[0].stamp < stamp - self._history_span:
            self._joints.popleft()

    def set_instruction(self, text: str) -> None:
        """Sets the task in words; an empty text withdraws it."""
        self._instruction, self._instruction_refusal = text.strip(), ""

    def refuse_instruction(self, reason: str) -> None:
        """Withdraws the task because the new one cannot be read; the fault says so, with ``reason``, until the next is set."""
        self._instruction, self._instruction_refusal = "", reason

    def assemble(self, now: int) -> Observation | Fault:
        """The newest frame of each camera with the joint state nearest in time to the oldest of those frames."""
        fault = self._missing() or self._untimely(now) or self._spread_cameras()
        if fault is not None:
            return fault
        oldest = min(frame.stamp for frame in self._frames.values())
        joints = min(self._joints, key=lambda reading: abs(reading.stamp - oldest))
        distance = abs(joints.stamp - oldest) / NANOSECONDS
        if distance > self._tolerance:
            return _fault("apart", JOINT_STATES, "nearest reading is away from the oldest camera frame by", distance, self._tolerance)
        return Observation(
            stamp=max(frame.stamp for frame in self._frames.values()),
            images=_Images({name: self._frames[name].image for name in self._cameras}),
            joint_positions=joints.positions,
            instruction=self._instruction,
            sources={name: self._frames[name].stamp for name in self._cameras} | {JOINT_STATES: joints.stamp},
        )

    def forget(self) -> None:
        """Drops all that was heard, because time was broken off: whatever comes next may be of a robot that stands elsewhere."""
        for order in self._orders.values():
            order.clear()
        self._frames.clear()
        self._joints.clear()
        self._interrupted = True

    def health(self, now: int) -> tuple[StreamHealth, ...]:
        """Age, rate and counts of every camera and of the joint states."""
        return tuple(order.health(now) for order in self._orders.values())

    def _in_order(self, name: str, stamp: int) -> bool:
        order = self._orders[name]
        if order.jumps_back(stamp):
            self.forget()
        return order.accept(stamp)

    def _missing(self) -> Fault | None:
        for name in self._cameras:
            if name not in self._frames:
                return Fault(kind="missing", stream=name, reason=f"camera '{name}': no frame has come; check the camera and its topic")
        if not self._joints:
            return Fault(kind="missing", stream=JOINT_STATES, reason=f"{JOINT_STATES}: none has come; check the robot driver and its topic")
        if not self._instruction:
            why = self._instruction_refusal or "none is set; publish one"
            return Fault(kind="missing", stream=INSTRUCTION, reason=f"{INSTRUCTION}: {why}")
        return None

    def _untimely(self, now: int) -> Fault | None:
        newest = [(name, frame.stamp, self._max_camera_age) for name, frame in self._frames.items()]
        newest.append((JOINT_STATES, self._joints[-1].stamp, self._max_joint_age))
        for name, stamp, max_age in newest:
            age = (now - stamp) / NANOSECONDS
            if age > max_age:
                return _fault("stale", name, "newest message is old by", age, max_age)
            if -age > self._tolerance:
                return _fault("future", name, "newest message is stamped ahead of the clock by", -age, self._tolerance)
        return None

    def _spread_cameras(self) -> Fault | None:
        oldest = min(self._frames, key=lambda name: self._frames[name].stamp)
        spread = (max(frame.stamp for frame in self._frames.values()) - self._frames[oldest].stamp) / NANOSECONDS
        if spread > self._tolerance:
            return _fault("apart", oldest, "newest frame is behind that of another camera by", spread, self._tolerance)
        return None

    def _check_camera(self, name: str) -> None:
        if name not in self._cameras:
            raise ObservationError(f"camera '{name}' is not one of the policy's: {', '.join(self._cameras)}")

    def _check_image(self, name: str, image: Tensor) -> None:
        expected = _image_shape(self._cameras[name])
        if tuple(image.shape) != expected:
            raise ObservationError(f"camera '{name}': image of shape {tuple(image.shape)}, the policy expects {expected}")
        if image.dtype != torch.uint8:
            raise ObservationError(f"camera '{name}': image of dtype {image.dtype}, the policy expects torch.uint8")

    def _selected_positions(self, names: Sequence[str], positions: Sequence[float] | NDArray[np.float64]) -> Tensor:
        if len(names) != len(positions):
            raise ObservationError(f"{JOINT_STATES}: {len(names)} names and {len(positions)} positions; each joint needs both")
        selected = np.asarray(positions, dtype=np.float64)[_columns(tuple(names), self._joint_names)]
        for name, position in zip(self._joint_names, selected.tolist(), strict=True):
            if not abs(position) <= _GREATEST_ANGLE:  # NaN is not either
                raise ObservationError(f"{JOINT_STATES}: position of joint '{name}' is {position}, which is not a finite angle")
        return torch.from_numpy(selected.astype(np.float32))


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each of the ``wanted`` joints is among ``names``, which are the same in every message of a driver."""
    check_names(names)
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ObservationError(f"{JOINT_STATES}: joint '{doubled}' is named twice; check for two publishers on one topic")
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ObservationError(f"{JOINT_STATES}: joint '{missing[0]}' is missing; the message names {', '.join(names) or 'no joint'}")
    return np.array([names.index(name) for name in wanted], dtype=np.int64)


def _image_shape(camera: CameraSpecification) -> tuple[int, int, int]:
    return (camera.height, camera.width, 3)


def _fault(kind: Literal["stale", "future", "apart"], stream: str, what: str, value: float, limit: float) -> Fault:
    reason = f"{stream}: {what} {value:.3f} s (limit {limit:g} s)"
    return Fault(kind=kind, stream=stream, reason=reason, value=value, limit=limit)
