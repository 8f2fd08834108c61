"""What the policy node says on /diagnostics: inputs, control and adaptation."""

import time
from collections import Counter
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.loop import Command
from ttt_ros.control.node_parameters import CameraParameters
from ttt_ros.control.session import Session
from ttt_ros.control.streams import StreamHealth
from ttt_ros.nodes import diagnostics
from ttt_ros.nodes.mode_log import ModeLog, in_words
from ttt_ros.nodes.tick_monitor import TickMonitor
from ttt_ros.safeguard.ladder import Mode

FAR_BELOW = 0.5
"""Share of its nominal rate below which a camera is reported: the default transport delivers far less, a busy machine rather more."""

_REASONS = 100
_REASON_LENGTH = 300
"""Characters of a refusal that are kept; some repeat what a message said."""

_TRANSPORT_HINT = (
    "the transport may be dropping raw images; start the camera's process and this one with the profiles of config/fastdds.xml"
    " (FASTDDS_DEFAULT_PROFILES_FILE, before Fast DDS 3 FASTRTPS_DEFAULT_PROFILES_FILE), or send compressed images"
)

OF_THE_SAFEGUARD = "safeguard"
"""Stream of the orders, as refusals name it."""


class PolicyDiagnostics:
    """Collects what the node sees and turns it into statuses once a second."""

    def __init__(self, node: Node, session: Session, cameras: Mapping[str, CameraParameters], *, modes: ModeLog, shadow: bool) -> None:
        self._node = node
        self._modes = modes
        self._shadow = shadow
        self._session = session
        self._cameras = cameras
        self._refusals: dict[str, Counter[str]] = {}
        self._newest_refusals: dict[str, str] = {}
        self._command: Command | None = None
        self._report: WindowReport | None = None
        self.start()

    def start(self) -> None:
        """Forgets the ticks of an earlier activation."""
        self._ticks = TickMonitor(self._session.policy.specification.period)

    def ticked(self, now: int) -> None:
        """Notes a control tick at ``now`` (nanoseconds)."""
        self._ticks.tick(now)

    def commanded(self, command: Command) -> None:
        """Notes what the tick decided."""
        self._command = command

    def reported(self, report: WindowReport) -> None:
        """Notes what became of a window."""
        self._report = report

    @property
    def mode(self) -> Mode | None:
        """In which the last tick was decided."""
        return None if self._command is None else self._command.mode

    @property
    def ticks_lost(self) -> int:
        """Control ticks that were due and never ran."""
        return self._ticks.missed

    def refused(self, stream: str, reason: str) -> None:
        """Counts a message of ``stream`` that was refused; only the first hundred reasons are told apart, by how they begin."""
        reason = reason[:_REASON_LENGTH]
        self._newest_refusals[stream] = reason
        counts = self._refusals.setdefault(stream, Counter())
        if reason in counts or len(counts) < _REASONS:
            counts[reason] += 1

    def statuses(self) -> list[DiagnosticStatus]:
        """One status each for the inputs, the control and the adaptation."""
        now = self._node.get_clock().now().nanoseconds
        inputs = [self._input(health) for health in self._session.assembler.health(now)]
        self._newest_refusals.clear()
        return [*inputs, self._control(), self._adaptation()]

    def _input(self, health: StreamHealth) -> DiagnosticStatus:
        level, message = DiagnosticStatus.OK, "receiving"
        camera, refusal = self._cameras.get(health.name), self._newest_refusals.get(health.name)
        if health.age is None:
            level, message = DiagnosticStatus.ERROR, refusal or "nothing received; check the publisher and the topic name"
        elif refusal is not None:
            level, message = DiagnosticStatus.WARN, refusal
        elif camera is not None and health.rate is not None and health.rate < FAR_BELOW * camera.rate:
            level, message = DiagnosticStatus.WARN, f"{health.rate:.1f} Hz, nominal {camera.rate:g} Hz: {_TRANSPORT_HINT}"
        values: dict[str, object] = {"age [s]": health.age, "rate [Hz]": health.rate, "received": health.received}
        values |= {f"dropped: {reason}": count for reason, count in health.dropped.items()}
        values |= {f"refused: {reason}": count for reason, count in self._refusals.get(health.name, {}).items()}
        return diagnostics.status(self._node, f"input {health.name}", level, message, values)

    def _control(self) -> DiagnosticStatus:
        command = self._command
        values: dict[str, object] = {"shadow": self._shadow, "ticks": self._ticks.met, "deadline misses": self._ticks.missed}
        values |= {f"chunks: {kind}": count for kind, count in sorted(self._session.schedule.counts.items())}
        values |= {f"entered {kind}": count for kind, count in self._modes.counts.items()}
        values |= {f"refused {OF_THE_SAFEGUARD}: {reason}": count for reason, count in self._refusals.get(OF_THE_SAFEGUARD, {}).items()}
        latency = self._session.loop.latencies.summary()
        if latency is not None:
            values |= {
                "latency p50 [s]": latency.p50,
                "latency p99 [s]": latency.p99,
                "latency p50 [steps]": latency.p50_steps,
                "latency p99 [steps]": latency.p99_steps,
            }
        if command is None:
            return diagnostics.status(self._node, "control", DiagnosticStatus.WARN, "no tick yet", values)
        level = DiagnosticStatus.OK if command.mode == Mode.ADAPTING else DiagnosticStatus.WARN
        level = DiagnosticStatus.ERROR if command.mode >= Mode.HOLD else level
        words = in_words(command.mode, command.reasons)
        return diagnostics.status(self._node, "control", level, f"in shadow, {words}" if self._shadow else words, values)

    def _adaptation(self) -> DiagnosticStatus:
        adaptation, version = self._session.adaptation, self._session.store.current
        busy = adaptation.busy_since
        values: dict[str, object] = {
            "thread alive": adaptation.alive,
            "busy for [s]": 0.0 if busy is None else time.monotonic() - busy,
            "windows waiting": adaptation.waiting,
            "windows dropped": 0 if self._report is None else self._report.dropped_windows,
            "version": version.number,
            "checksum": version.checksum,
            "reset epoch": self._session.store.epoch,
            "drift": version.drift_total,
            **{f"drift {module}": drift for module, drift in version.drift_per_module.items()},
            "enabled": self._session.enabled,
        }
        if not adaptation.alive:
            return diagnostics.status(
                self._node, "adaptation", DiagnosticStatus.ERROR, "the adaptation thread is dead; restart the node", values
            )
        if adaptation.halted:
            return diagnostics.status(self._node, "adaptation", DiagnosticStatus.ERROR, adaptation.halted, values)
        return diagnostics.status(self._node, "adaptation", DiagnosticStatus.OK, "running", values)
