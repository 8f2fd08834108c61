"""The safeguard as a process of its own: watches the policy and the robot's streams, permits adaptation, orders the mode."""

import math
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from ttt_ros.configuration import expanded_path, load_yaml
from ttt_ros.errors import ConfigurationError
from ttt_ros.msg import SafeguardState
from ttt_ros.nodes import diagnostics, lifecycle
from ttt_ros.nodes.mode_log import ModeLog, in_words
from ttt_ros.nodes.parameters import declare, refuse_unknown, value
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE
from ttt_ros.nodes.safeguard_input import SafeguardInput
from ttt_ros.nodes.stamps import stamp
from ttt_ros.safeguard import signals
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard, Verdict
from ttt_ros.safeguard.ladder import Mode

_DEFAULT_RULES = "safeguard.yaml"
_UNKNOWN_RATES = [0.0]

_LEVELS = {
    Mode.ADAPTING: DiagnosticStatus.OK,
    Mode.FROZEN: DiagnosticStatus.WARN,
    Mode.BASE: DiagnosticStatus.WARN,
    Mode.HOLD: DiagnosticStatus.ERROR,
    Mode.STOP: DiagnosticStatus.ERROR,
}


class SafeguardNode(LifecycleNode):
    """Feeds readings to ``Safeguard`` and publishes its verdict as a latched state and a heartbeat."""

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("safeguard", **options)
        declare(self, "rules", _DEFAULT_RULES, "file with the rules; a name without a folder is one in the package's config folder")
        declare(self, "policy_node", "policy", "name of the policy node that is watched")
        declare(self, "cameras", ["scene", "wrist"], "names of the cameras that must not fall silent")
        declare(self, "camera_rates", _UNKNOWN_RATES, "nominal rates of these cameras, 0: unknown; [0.0]: none is known [Hz]")
        declare(self, "joint_state_rate", 0.0, "nominal rate of the joint states, 0: unknown [Hz]", minimum=0.0, maximum=10_000.0)
        declare(self, "commands_topic", "joint_trajectory", "commands to the robot, which it is seen to follow")
        declare(self, "compressed", False, "watch camera/NAME/image_raw/compressed instead of camera/NAME/image_raw")
        refuse_unknown(self)
        self._safeguard: Safeguard | None = None
        self._entities: list[Callable[[], object]] = []

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads the rules and the cameras' rates."""
        return lifecycle.guarded(self, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begins to watch and to publish."""
        return lifecycle.guarded(self, self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Falls silent, which the policy node answers with mode base."""
        return lifecycle.guarded(self, self._release)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets the rules."""
        return lifecycle.guarded(self, self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup, from any state."""
        return lifecycle.guarded(self, self._release)

    def close(self) -> None:
        """Runs the shutdown transition."""
        lifecycle.shut_down(self)

    def _configure(self) -> None:
        given = value(self, "rules") or _DEFAULT_RULES
        path = expanded_path(given)
        if "/" not in given:
            path = Path(get_package_share_directory("ttt_ros"), "config", path)
        self._config = load_yaml(path, SafeguardConfig)
        self._camera_rates = _camera_rates(value(self, "cameras"), value(self, "camera_rates"))
        self.get_logger().info(f"{len(self._config.rules)} rules from {path}")

    def _activate(self) -> None:
        cameras = list(self._camera_rates)
        self._safeguard = Safeguard(
            self._config,
            cameras=cameras,
            now=self._now(),
            camera_rates=self._camera_rates,
            joint_state_rate=value(self, "joint_state_rate"),
        )
        self._modes = ModeLog(self)
        self._published: Mode | None = None
        self._input = SafeguardInput(
            self,
            self._safeguard,
            cameras=cameras,
            compressed=value(self, "compressed"),
            policy=value(self, "policy_node"),
            commands_topic=value(self, "commands_topic"),
            judged=self._publish_change,
        )
        self._state_publisher = self.create_publisher(SafeguardState, "~/state", LATCHED)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        service = self.create_service(Trigger, "~/reset", self._on_reset)
        # Each state is published a second time between two heartbeats, so that one which comes late takes no permit away.
        beats = cycle((self._on_heartbeat, self._repeat))
        heartbeat = self.create_timer(self._config.heartbeat_period / 2, lambda: next(beats)())
        wall = self.create_timer(self._config.heartbeat_period, self._input.watch_clock, clock=Clock(clock_type=ClockType.STEADY_TIME))
        reporting = self.create_timer(diagnostics.PERIOD, self._on_diagnostics)
        self._entities += [
            self._input.close,
            lambda: self.destroy_publisher(self._state_publisher),
            lambda: self.destroy_publisher(self._diagnostics_publisher),
            lambda: self.destroy_service(service),
            lambda: self.destroy_timer(heartbeat),
            lambda: self.destroy_timer(wall),
            lambda: self.destroy_timer(reporting),
        ]
        self._publish(self._safeguard.judge())

    def _release(self) -> None:
        while self._entities:
            self._entities.pop()()
        self._safeguard = None

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _publish_change(self) -> None:
        """A changed mode does not wait for the next heartbeat."""
        verdict = self._safeguard.judge()
        if verdict.mode != self._published:
            self._publish(verdict)

    def _on_heartbeat(self) -> None:
        self._input.look()
        self._publish(self._safeguard.tick(self._now()))

    def _repeat(self) -> None:
        self._publish(self._safeguard.judge())

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        verdict = self._safeguard.reset(self._now())
        self._publish(verdict)
        response.success = not verdict.latched
        response.message = in_words(verdict.mode, verdict.reasons)
        return response

    def _publish(self, verdict: Verdict) -> None:
        self._published = verdict.mode
        self._modes.entered(verdict.mode, verdict.reasons)
        message = SafeguardState(
            mode=int(verdict.mode),
            permit=verdict.permit,
            permit_validity=self._config.permit_validity,
            trusted_version=verdict.trusted_version,
            reasons=list(verdict.reasons),
            since=stamp(verdict.since),
            reset=stamp(verdict.reset),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._state_publisher.publish(message)

    def _on_diagnostics(self) -> None:
        self._input.count_publishers()
        verdict = self._safeguard.judge()
        values: dict[str, object] = {"mode": verdict.mode.label, "latched": verdict.latched, "trusted version": verdict.trusted_version}
        values |= {f"entered {kind}": count for kind, count in self._modes.counts.items()}
        level = _LEVELS[verdict.mode]
        mode = diagnostics.status(self, "mode", level, in_words(verdict.mode, verdict.reasons), values)
        read = diagnostics.status(self, "signals", DiagnosticStatus.OK, f"{len(self._safeguard.latest)} signals read", self._signals())
        self._diagnostics_publisher.publish(diagnostics.array(self, [mode, read]))

    def _signals(self) -> dict[str, object]:
        """The newest reading of each signal by its name and unit; those never read are told as well."""
        readings = self._safeguard.latest
        return {
            f"{signal.name} [{signal.unit or 1}]": _in_short(readings[name]) if name in readings else "not read"
            for name, signal in signals.SIGNALS.items()
        }


def _camera_rates(cameras: list[str], rates: list[float]) -> dict[str, float]:
    """The nominal rate of each camera, in Hz; 0 if it is unknown."""
    if rates == _UNKNOWN_RATES:
        return dict.fromkeys(cameras, 0.0)
    if len(rates) != len(cameras):
        raise ConfigurationError(
            f"camera_rates has length {len(rates)}, cameras has length {len(cameras)}; give each camera its rate, 0 where it is unknown"
        )
    for camera, rate in zip(cameras, rates, strict=True):
        if not (math.isfinite(rate) and rate >= 0.0):
            raise ConfigurationError(
                f"camera_rates gives camera '{camera}' {rate:g} Hz; a rate is finite and not negative, 0 if it is unknown"
            )
    return dict(zip(cameras, rates, strict=True))


def _in_short(reading: signals.Reading) -> str:
    return f"{reading.value:.6g}" + (f" ({reading.source})" if reading.source else "")


def main() -> None:
    """Entry point of ``ros2 run ttt_ros safeguard_node``."""
    raise SystemExit(lifecycle.run(SafeguardNode, close=SafeguardNode.close))


if __name__ == "__main__":
    main()
