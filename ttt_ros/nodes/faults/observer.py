"""What the topics tell during a trial, and what must never be seen on them."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.control.limits import JointLimits
from ttt_ros.errors import ActionError
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, SafeguardState
from ttt_ros.nodes.policy_messages import NOT_COMPUTED
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE
from ttt_ros.safeguard.ladder import Mode

Message = TypeVar("Message")

_GAP = 0.5
"""Seconds without a command after which the next one is compared with nothing: the robot may have been let go, or the node is another."""


@dataclass(frozen=True, kw_only=True)
class Heard(Generic[Message]):
    """A message and the ``time.monotonic`` at which it came."""

    at: float
    message: Message


class Observer:
    """Listens through a node and keeps what came since ``begin``.

    Attributes:
        states, controls, chunks, windows, commands: what came, oldest first.
        violations: in words, what must not happen in any trial.
    """

    def __init__(self, node: Node, limits: JointLimits, *, period: float, gradient_limit: float, drift_limit: float) -> None:
        """Subscribes.

        Args:
            limits: of the joints, which every command must keep.
            period: seconds between two commands.
            gradient_limit: of a committed window.
            drift_limit: of a committed version.
        """
        self._limits = limits
        self._period = period
        self._gradient_limit = gradient_limit
        self._drift_limit = drift_limit
        self._last: tuple[float, Any] | None = None
        self.begin()
        for kind, topic, take, profile in (
            (SafeguardState, "safeguard/state", self._on_state, LATCHED),
            (ControlStatus, "policy/control_status", self._on_control, RELIABLE),
            (ActionChunk, "policy/action_chunk", self._on_chunk, RELIABLE),
            (AdaptationStatus, "policy/adaptation_status", self._on_window, RELIABLE),
            (JointTrajectory, "joint_trajectory", self._on_command, RELIABLE),
        ):
            node.create_subscription(kind, topic, take, profile)

    def begin(self) -> None:
        """Forgets what came before."""
        self.states: list[Heard[SafeguardState]] = []
        self.controls: list[Heard[ControlStatus]] = []
        self.chunks: list[Heard[ActionChunk]] = []
        self.windows: list[Heard[AdaptationStatus]] = []
        self.commands: list[Heard[JointTrajectory]] = []
        self.violations: list[str] = []

    @property
    def mode(self) -> Mode | None:
        """In which the policy node acts, by its last word."""
        return Mode(self.controls[-1].message.mode) if self.controls else None

    @property
    def ordered(self) -> Mode | None:
        """Which the safeguard ordered last."""
        return Mode(self.states[-1].message.mode) if self.states else None

    def behaviour(self, since: float) -> str:
        """What the robot was told after ``since``, in words."""
        told = [heard.message for heard in self.commands if heard.at > since]
        if not told:
            return "got no command"
        last = {tuple(message.points[0].positions) for message in told if message.points}
        if not last:
            return "was stopped"
        return "kept its position" if len(last) == 1 else "moved on"

    def _on_state(self, message: SafeguardState) -> None:
        self.states.append(_heard(message))

    def _on_control(self, message: ControlStatus) -> None:
        self.controls.append(_heard(message))

    def _on_chunk(self, message: ActionChunk) -> None:
        self.chunks.append(_heard(message))
        if not np.isfinite(message.positions).all():
            self.violations.append(f"chunk {message.sequence} is not finite")

    def _on_window(self, message: AdaptationStatus) -> None:
        self.windows.append(_heard(message))
        if not message.committed:
            return
        if not math.isfinite(message.gradient_norm) or message.gradient_norm > self._gradient_limit:
            self.violations.append(f"window {message.window_sequence} was applied with a gradient of norm {message.gradient_norm:.4g}")
        if (
            not math.isfinite(message.drift)
            or max((each.relative for each in message.module_drift), default=0.0) > 1.001 * self._drift_limit
        ):
            self.violations.append(f"version {message.weights_version} was applied with a drift of {message.drift:.4g}")
        if message.action_deviation != NOT_COMPUTED and not math.isfinite(message.action_deviation):
            self.violations.append(f"version {message.weights_version} was applied with actions that are no numbers")

    def _on_command(self, message: JointTrajectory) -> None:
        heard = _heard(message)
        self.commands.append(heard)
        if not message.points:
            self._last = None
            return
        positions = np.array(message.points[0].positions)
        known = self._last is not None and heard.at - self._last[0] < _GAP
        current = self._last[1] if known else np.clip(positions, self._limits.lower, self._limits.upper)
        try:
            self._limits.check_chunk(positions[None], current=current, period=self._period)
        except ActionError as error:
            self.violations.append(f"a command outside the limits: {error}")
        self._last = (heard.at, positions)


def _heard(message: Message) -> Heard[Message]:
    return Heard(at=time.monotonic(), message=message)


def first(heard: Sequence[Heard[Message]], since: float, found: Callable[[Message], bool]) -> Heard[Message] | None:
    """The first of the messages after ``since`` (``time.monotonic``) that is what is looked for."""
    return next((each for each in heard if each.at >= since and found(each.message)), None)
