"""Writes down what the topics tell about a run of the closed loop."""

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.evaluation import run_record
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.nodes.tick_monitor import TickMonitor
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode


class RunObserver:
    """Listens through a node; times are seconds of the node's clock since ``begin``, and 0 before.

    Attributes:
        chunks, windows, modes: what came so far.
        permit: whether the safeguard permits adaptation now.
    """

    def __init__(self, node: Node, *, period: float) -> None:
        """Subscribes; ``period`` is that of the control loop in seconds."""
        self.chunks: list[run_record.Chunk] = []
        self.windows: list[run_record.Window] = []
        self.modes: list[run_record.ModeChange] = []
        self._clock = node.get_clock()
        self._start: int | None = None
        self._period = period
        self._ticks = TickMonitor(period)
        self._lateness: list[float] = []
        self._last_command: float | None = None
        self.permit = False
        self._control: dict[str, str] = {}
        node.create_subscription(ActionChunk, "policy/action_chunk", self._on_chunk, RELIABLE)
        node.create_subscription(AdaptationStatus, "policy/adaptation_status", self._on_status, RELIABLE)
        node.create_subscription(SafeguardState, "safeguard/state", self._on_state, LATCHED)
        node.create_subscription(JointTrajectory, "joint_trajectory", self._on_command, RELIABLE)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)

    def begin(self) -> None:
        """Starts the time of the run; no command was given before."""
        self._start = self._now()

    @property
    def elapsed(self) -> float:
        """Seconds since ``begin``."""
        return 0.0 if self._start is None else (self._now() - self._start) / NANOSECONDS

    @property
    def control(self) -> run_record.Control:
        """How well the control rate was kept, by the commands that arrived here and by what the policy node counted."""
        return run_record.Control(
            period=self._period,
            ticks_due=self._ticks.met + self._ticks.missed,
            ticks_met=self._ticks.met,
            deadline_misses=int(self._control.get("deadline misses", 0)),
            lateness=tuple(self._lateness),
        )

    @property
    def underruns(self) -> int:
        """Control ticks without a step to play, as the policy node counted them."""
        return int(self._control.get("chunks: underrun", 0))

    def _now(self) -> int:
        return int(self._clock.now().nanoseconds)

    def _on_chunk(self, message: ActionChunk) -> None:
        age = (self._now() - nanoseconds(message.header.stamp)) / NANOSECONDS
        self.chunks.append(
            run_record.Chunk(
                time=self.elapsed,
                sequence=message.sequence,
                version=message.weights_version,
                inference_time=message.inference_time,
                latency_steps=max(0, round(age / message.period)),
            )
        )

    def _on_status(self, message: AdaptationStatus) -> None:
        self.windows.append(
            run_record.Window(
                time=self.elapsed,
                sequence=message.window_sequence,
                prediction_loss=_figure(message.prediction_loss),
                loss_after=_figure(message.loss_after) if message.committed else None,
                gradient_norm=_figure(message.gradient_norm),
                update_norm=message.update_norm if message.committed else None,
                drift_total=message.drift,
                drift={each.module: each.relative for each in message.module_drift},
                trimmed=message.samples_trimmed,
                committed=message.committed,
                reason=message.reason,
                version=message.weights_version,
                action_deviation=_figure(message.action_deviation),
                duration=message.duration,
            )
        )

    def _on_state(self, message: SafeguardState) -> None:
        self.permit = message.permit
        mode = Mode(message.mode).label
        if not self.modes or self.modes[-1].mode != mode:
            self.modes.append(run_record.ModeChange(time=self.elapsed, mode=mode, reasons=tuple(message.reasons)))

    def _on_command(self, _message: JointTrajectory) -> None:
        now = time.monotonic()
        if self._last_command is not None:
            self._lateness.append(max(0.0, now - self._last_command - self._period))
        self._last_command = now
        self._ticks.tick(self._now())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy: control":
                self._control = {each.key: each.value for each in status.values}


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) and value >= 0.0 else None
