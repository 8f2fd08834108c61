"""Switching protections off in the process that loads the faulty policy: what a fault suite that cannot fail would look like."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from rclpy.clock import Clock, ClockType

from ttt_ros.adaptation import checks, snapshot, thread
from ttt_ros.control import clock_watch, loop, orders, schedule, session, streams
from ttt_ros.control.observation import ObservationAssembler
from ttt_ros.errors import ObservationError
from ttt_ros.nodes import policy_input, policy_node


def _nothing(*_arguments: Any, **_options: Any) -> None:
    return None


def _finite_checks() -> None:
    checks.gradient_finite_and_below = _nothing
    checks.weights_finite = _nothing
    checks.actions_near_base = _nothing


def _exceptions() -> None:
    thread.Adaptation._adapt = lambda self, job: self._learner.adapt(job.window, epoch=job.epoch, permitted=job.permitted)


def _halt() -> None:
    def received(_self: thread.Adaptation, receive: Callable[[Any], None], report: Any) -> Any:
        with suppress(Exception):
            receive(report)
        return report

    thread.Adaptation._received_or_taken_back = received


def _snapshot() -> None:
    snapshot.facts_checksum = lambda _metadata: "unchecked"
    original = snapshot.tensor_checksum
    snapshot.tensor_checksum = lambda tensors: _Equal() if tensors else original(tensors)
    snapshot._check_fit = _nothing


class _Equal(str):
    def __eq__(self, _other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def _permit_expiry() -> None:
    orders.Orders._is_valid = lambda self, now: self._order is not None


def _images() -> None:
    """An image that cannot be used is taken for a black one."""

    def lenient(convert: Callable[..., Any]) -> Callable[..., Any]:
        def converted(message: Any, camera: Any) -> Any:
            try:
                return convert(message, camera)
            except ObservationError:
                return torch.zeros(camera.height, camera.width, 3, dtype=torch.uint8)

        return converted

    policy_input.raw_image = lenient(policy_input.raw_image)


def _joints() -> None:
    """A joint that is missing or no number is taken to stand at 0."""
    original = ObservationAssembler._selected_positions

    def lenient(self: ObservationAssembler, names: Any, positions: Any) -> Any:
        known = {name: position if math.isfinite(position) else 0.0 for name, position in zip(names, positions, strict=False)}
        return original(self, self._joint_names, [known.get(name, 0.0) for name in self._joint_names])

    ObservationAssembler._selected_positions = lenient


def _ages() -> None:
    """However old or from whenever, the newest message is acted on."""
    ObservationAssembler._untimely = lambda self, now: None
    ObservationAssembler._spread_cameras = lambda self: None
    original = ObservationAssembler.assemble

    def assembled(self: ObservationAssembler, now: int) -> Any:
        self._tolerance = math.inf
        return original(self, now)

    ObservationAssembler.assemble = assembled


def _position_doubt() -> None:
    """Wherever the robot may stand by now, what it was told last is gone on from."""
    loop.ControlLoop._doubt_position = _nothing


def _clock_jumps() -> None:
    streams.StampOrder.jumps_back = lambda self, stamp: False
    clock_watch.ClockWatch.broken = lambda self, now, *, wall: False


def _late_chunks() -> None:
    """A chunk is played from its first step, however old the observation that it answers."""
    schedule._elapsed_steps = lambda chunk, now: 0


def _wall_ticks() -> None:
    """Control ticks come by the wall clock, whatever the ROS clock does."""
    original = policy_node.PolicyNode.create_timer

    def create_timer(self: Any, period: float, callback: Callable[[], None], **options: Any) -> Any:
        return original(self, period, callback, **{**options, "clock": Clock(clock_type=ClockType.STEADY_TIME)})

    policy_node.PolicyNode.create_timer = create_timer


def _old_instructions() -> None:
    """A chunk that answers the instruction before is played all the same."""
    original = loop.ControlLoop._take_answer

    def taken(self: Any, order: Any, now: int) -> str:
        if self._request is not None and self._request.answer.done():
            self._instruction = self._request.observation.instruction
        return original(self, order, now)

    loop.ControlLoop._take_answer = taken


def _second_policy() -> None:
    policy_node.PolicyNode._refuse_second_policy = _nothing


def _rollback() -> None:
    session.Session.rollback = lambda self: self.store.current


PATCHES: dict[str, Callable[[], None]] = {
    "finite_checks": _finite_checks,
    "exceptions": _exceptions,
    "halt": _halt,
    "snapshot": _snapshot,
    "permit_expiry": _permit_expiry,
    "images": _images,
    "joints": _joints,
    "ages": _ages,
    "position_doubt": _position_doubt,
    "clock_jumps": _clock_jumps,
    "late_chunks": _late_chunks,
    "wall_ticks": _wall_ticks,
    "old_instructions": _old_instructions,
    "second_policy": _second_policy,
    "rollback": _rollback,
}
"""By the name in a fault's protection."""
