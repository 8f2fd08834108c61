"""What the topics tell during a trial, and what must never be seen on them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.control.limits import JointLimits
from ttt_ros.errors import ActionError
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, SafeguardState
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.safeguard.ladder import Mode

Message = TypeVar("Message")

_GAP = 0.5
"""Seconds without a command after which the next one is a step from where the robot stands: its node may be another one."""

_EVERY_ONE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)
"""For commands: one that is lost to a pause of this process would look like a step of the robot's."""

_ROUNDING = 1e-3
"""Share by which a figure may pass its limit: what float32 leaves of a norm."""


@dataclass(frozen=True, kw_only=True)
class Heard(Generic[Message]):
    """A message and the ``time.monotonic`` at which it came."""

    at: float
    message: Message


class Observer:
    """Listens through a node and keeps what came since ``begin``.

    Attributes:
        joints, states, controls, chunks, windows, commands: what came, oldest first.
        violations: in words, what must not happen in any trial.
    """

    def __init__(self, node: Node, limits: JointLimits, *, period: float, adaptation: AdaptationConfig, base_norm: float) -> None:
        """Subscribes.

        Args:
            limits: of the joints, which every command must keep.
            period: seconds between two commands.
            adaptation: whose limits every committed window and version must keep.
            base_norm: Euclidean norm of the base's fast weights.
        """
        self._limits = limits
        self._period = period
        self._adaptation = adaptation
        # A clipped step and the pull-back from the edge of the trust region; the projection on to it only shortens their sum.
        pulled = adaptation.pull_back * adaptation.drift_limit * base_norm
        self._longest_update = adaptation.learning_rate * adaptation.clip_norm + pulled
        self._measured: dict[str, float] = {}
        self._last: tuple[float, NDArray[np.float64]] | None = None
        self.begin()
        for kind, topic, take, profile in (
            # Before the commands, so that after a pause of this process they are compared with where the robot stands by then.
            (JointState, "joint_states", self._on_joints, SENSOR),
            (SafeguardState, "safeguard/state", self._on_state, LATCHED),
            (ControlStatus, "policy/control_status", self._on_control, RELIABLE),
            (ActionChunk, "policy/action_chunk", self._on_chunk, RELIABLE),
            (AdaptationStatus, "policy/adaptation_status", self._on_window, RELIABLE),
            (JointTrajectory, "joint_trajectory", self._on_command, _EVERY_ONE),
        ):
            node.create_subscription(kind, topic, take, profile)

    def begin(self) -> None:
        """Forgets what came before."""
        self.joints: list[Heard[JointState]] = []
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

    def fresh(self, seconds: float) -> bool:
        """Whether both nodes have told their mode within the last ``seconds``: without a clock they say nothing more."""
        now = time.monotonic()
        return all(heard and now - heard[-1].at < seconds for heard in (self.states, self.controls))

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
        if message.committed:
            self.violations += [f"window {message.window_sequence} was applied with {words}" for words in self._broken(message)]

    def _broken(self, message: AdaptationStatus) -> Iterator[str]:
        """Which limits a committed window breaks; a figure that is not finite breaks its own."""
        config = self._adaptation
        drift = max((each.relative for each in message.module_drift), default=message.drift)
        for name, figure, limit in (
            ("a gradient of norm", message.gradient_norm, config.gradient_limit),
            ("an update of norm", message.update_norm, self._longest_update),
            ("a drift of", drift, config.drift_limit),
            ("an action deviation of", message.action_deviation, config.probe_limit),
        ):
            if not figure <= limit * (1.0 + _ROUNDING):
                yield f"{name} {figure:.4g}, above {limit:.4g}"

    def _on_joints(self, message: JointState) -> None:
        self.joints.append(_heard(message))
        self._measured = dict(zip(message.name, message.position, strict=False))

    def _on_command(self, message: JointTrajectory) -> None:
        heard = _heard(message)
        self.commands.append(heard)
        if not message.points:
            self._last = None
            return
        positions = np.array(message.points[0].positions)
        try:
            self._limits.check_chunk(positions[None], current=self._current(heard.at), period=self._period)
        except ActionError as error:
            self.violations.append(f"a command outside the limits: {error}")
        self._last = (heard.at, positions)

    def _current(self, now: float) -> NDArray[np.float64]:
        """What the next command is a step from: the last one, or after a gap where the robot stands."""
        if self._last is not None and now - self._last[0] < _GAP:
            return self._last[1]
        return np.array([self._measured[name] for name in self._limits.names])


def _heard(message: Message) -> Heard[Message]:
    return Heard(at=time.monotonic(), message=message)


def first(heard: Sequence[Heard[Message]], since: float, found: Callable[[Message], bool]) -> Heard[Message] | None:
    """The first of the messages after ``since`` (``time.monotonic``) that is what is looked for."""
    return next((each for each in heard if each.at >= since and found(each.message)), None)


def stayed_away(joints: Sequence[Heard[JointState]], by: float, *, since: float, seconds: float) -> float | None:
    """From when a joint was ``by`` rad or more from where it stood at ``since``, for ``seconds`` on end; None if never.

    Instants are those of ``time.monotonic``.
    """
    stood = next((heard.message.position for heard in reversed(joints) if heard.at <= since), None)
    begun = None
    for heard in joints if stood is not None else ():
        away = heard.at > since and np.abs(np.subtract(heard.message.position, stood)).max() >= by
        begun = (begun or heard.at) if away else None
        if begun is not None and heard.at - begun >= seconds:
            return begun
    return None
