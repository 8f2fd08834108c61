"""Leads one run of the closed loop: gives goals, brings the shift in, and writes down what the topics tell."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.evaluation import run_record
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState
from ttt_ros.nodes.bring_up import BringUpError
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.nodes.tick_monitor import TickMonitor
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode

_SPIN_TIMEOUT = 0.02  # s


class Director(Node):
    """Speaks to the nodes of a run over topics and services alone; times are seconds of ROS time since ``begin``."""

    def __init__(self, executor: SingleThreadedExecutor, *, period: float) -> None:
        super().__init__("director", parameter_overrides=[Parameter("use_sim_time", value=True)])
        self._period = period
        self._spinner = executor
        executor.add_node(self)
        self.goals: list[run_record.Goal] = []
        self.chunks: list[run_record.Chunk] = []
        self.windows: list[run_record.Window] = []
        self.modes: list[run_record.ModeChange] = []
        self.updates_due = 0
        self.lateness: list[float] = []
        self._ticks = TickMonitor(period)
        self._last_command: float | None = None
        self._permit = False
        self._begun: int | None = None
        self._succeeded = ""
        self._touched = ""
        self._control: dict[str, str] = {}
        self._instruction_publisher = self.create_publisher(String, "instruction", LATCHED)
        self.create_subscription(ActionChunk, "policy/action_chunk", self._on_chunk, RELIABLE)
        self.create_subscription(AdaptationStatus, "policy/adaptation_status", self._on_status, RELIABLE)
        self.create_subscription(SafeguardState, "safeguard/state", self._on_state, LATCHED)
        self.create_subscription(JointTrajectory, "joint_trajectory", self._on_command, RELIABLE)
        self.create_subscription(String, "simulation/succeeded", self._on_succeeded, LATCHED)
        self.create_subscription(String, "simulation/touched", self._on_touched, LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)

    @property
    def elapsed(self) -> float:
        """Seconds since ``begin``, 0 before."""
        return 0.0 if self._begun is None else (self.get_clock().now().nanoseconds - self._begun) / NANOSECONDS

    @property
    def mode(self) -> str:
        """What the safeguard ordered last, in a word."""
        return self.modes[-1].mode if self.modes else "-"

    def spin(self) -> None:
        """Takes what has come, waiting a little."""
        self._spinner.spin_once(timeout_sec=_SPIN_TIMEOUT)

    def begin(self) -> None:
        """Starts the time of the run and forgets what came before."""
        self._begun = self.get_clock().now().nanoseconds
        self.chunks.clear()
        self.windows.clear()
        self.modes[:-1] = []
        self.modes[:] = [run_record.ModeChange(time=0.0, mode=each.mode, reasons=each.reasons) for each in self.modes]
        self.lateness.clear()
        self._ticks = TickMonitor(self._period)
        self._last_command = None
        self.updates_due = 0

    def pursue(self, instruction: str, *, until: float, on_spin: Callable[[], None]) -> None:
        """Gives one goal and follows it until it succeeds or the run is at ``until`` seconds."""
        start = self.elapsed
        self._succeeded = self._touched = ""
        self._instruction_publisher.publish(String(data=instruction))
        while self._succeeded != instruction and self.elapsed < until:
            self.spin()
            on_spin()
        self.goals.append(
            run_record.Goal(
                index=len(self.goals),
                instruction=instruction,
                start=start,
                end=self.elapsed,
                succeeded=self._succeeded == instruction,
                first_touched=self._touched or None,
            )
        )

    def shift(self, values: dict[str, object], *, timeout: float) -> None:
        """Sets shift parameters of the simulation node.

        Raises:
            BringUpError: the node did not answer in ``timeout`` seconds, or refused.
        """
        client = self.create_client(SetParameters, "simulation/set_parameters")
        parameters = [Parameter(f"shift.{name}", value=value).to_parameter_msg() for name, value in values.items()]
        if not client.wait_for_service(timeout):
            raise BringUpError(f"the simulation node did not take the shift within {timeout:g} s; see its log")
        answer = client.call_async(SetParameters.Request(parameters=parameters))
        self._spinner.spin_until_future_complete(answer, timeout)
        refused = [result.reason for result in answer.result().results if not result.successful] if answer.done() else ["no answer"]
        self.destroy_client(client)
        if refused:
            raise BringUpError(f"the simulation node refused the shift: {'; '.join(refused)}")

    def settle(self, duration: float) -> None:
        """Takes what comes for ``duration`` seconds of wall time."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self.spin()

    def wait_for_node(self, name: str, *, timeout: float) -> None:
        """Waits until the node ``name`` is seen.

        Raises:
            BringUpError: it did not appear within ``timeout`` seconds.
        """
        self._wait_until(lambda: name in self.get_node_names(), f"node {name}", timeout)

    def frames(self, cameras: Sequence[str], *, timeout: float) -> dict[str, Image]:
        """One new frame of each camera.

        Raises:
            BringUpError: a camera sent none within ``timeout`` seconds.
        """
        frames: dict[str, Image] = {}

        def keep(name: str) -> Callable[[Image], None]:
            return lambda message: frames.__setitem__(name, message)

        subscriptions = [self.create_subscription(Image, f"camera/{name}/image_raw", keep(name), SENSOR) for name in cameras]
        try:
            self._wait_until(lambda: len(frames) == len(cameras), f"a frame of each camera ({', '.join(cameras)})", timeout)
        finally:
            for subscription in subscriptions:
                self.destroy_subscription(subscription)
        return frames

    def _wait_until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise BringUpError(f"{what} did not come within {timeout:g} s; see the logs of the nodes")
            self.spin()

    def control(self) -> run_record.Control:
        """How well the control rate was kept, by the commands that arrived here and by what the policy node counted."""
        return run_record.Control(
            period=self._period,
            ticks_due=self._ticks.met + self._ticks.missed,
            ticks_met=self._ticks.met,
            deadline_misses=int(self._control.get("deadline misses", 0)),
            lateness=tuple(self.lateness),
        )

    @property
    def underruns(self) -> int:
        """Control ticks without a step to play, as the policy node counted them."""
        return int(self._control.get("chunks: underrun", 0))

    def _on_chunk(self, message: ActionChunk) -> None:
        if self.chunks and self._permit and self.windows:
            self.updates_due += 1  # this chunk ends the one before
        age = (self.get_clock().now().nanoseconds - nanoseconds(message.header.stamp)) / NANOSECONDS
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
        self._permit = message.permit
        mode, reasons = Mode(message.mode).label, tuple(message.reasons)
        if not self.modes or self.modes[-1].mode != mode:
            self.modes.append(run_record.ModeChange(time=self.elapsed, mode=mode, reasons=reasons))

    def _on_command(self, _message: JointTrajectory) -> None:
        now = time.monotonic()
        if self._last_command is not None:
            self.lateness.append(max(0.0, now - self._last_command - self._period))
        self._last_command = now
        self._ticks.tick(self.get_clock().now().nanoseconds)

    def _on_succeeded(self, message: String) -> None:
        self._succeeded = message.data

    def _on_touched(self, message: String) -> None:
        self._touched = message.data

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy: control":
                self._control = {each.key: each.value for each in status.values}


def goals(instructions: Sequence[str], *, seed: int) -> Iterator[str]:
    """An endless sequence of goals, never the same twice in a row."""
    generator = random.Random(seed)
    last = ""
    while True:
        last = generator.choice([each for each in instructions if each != last])
        yield last


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) and value >= 0.0 else None
