"""The safeguard as a process of its own: watches the policy and the robot's streams, permits adaptation, orders the mode."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger

from ttt_ros.configuration import load_yaml
from ttt_ros.msg import ActionChunk, AdaptationStatus, SafeguardState
from ttt_ros.nodes import diagnostics, lifecycle
from ttt_ros.nodes.mode_log import in_words, log_mode
from ttt_ros.nodes.parameters import declare, optional_path, refuse_unknown, value
from ttt_ros.nodes.policy_messages import NOT_COMPUTED
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import serialized_stamp, stamp
from ttt_ros.safeguard import signals
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard, Verdict
from ttt_ros.safeguard.ladder import Mode

_DEFAULT_RULES = "safeguard.yaml"

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
        declare(self, "compressed", False, "watch camera/NAME/image_raw/compressed instead of camera/NAME/image_raw")
        refuse_unknown(self)
        self._safeguard: Safeguard | None = None
        self._entities: list[Callable[[], object]] = []

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads the rules."""
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
        path = optional_path(self, "rules") or Path(_DEFAULT_RULES)
        if path.parent == Path():
            path = Path(get_package_share_directory("ttt_ros"), "config", path)
        self._config = load_yaml(path, SafeguardConfig)
        self.get_logger().info(f"{len(self._config.rules)} rules from {path}")

    def _activate(self) -> None:
        cameras, policy = value(self, "cameras"), value(self, "policy_node")
        self._safeguard = Safeguard(self._config, cameras=cameras, now=self._now())
        self._mode: Mode | None = None

        def subscribe(kind: type, topic: str, callback: Callable[..., None], profile, *, raw: bool = False) -> None:
            subscription = self.create_subscription(kind, topic, callback, profile, raw=raw)
            self._entities.append(lambda: self.destroy_subscription(subscription))

        # Images and joint states are not deserialized: only the stamp counts here.
        image_kind, suffix = (CompressedImage, "/compressed") if value(self, "compressed") else (Image, "")
        for camera in cameras:
            subscribe(image_kind, f"camera/{camera}/image_raw{suffix}", self._camera_callback(camera), SENSOR, raw=True)
        subscribe(JointState, "joint_states", self._on_joints, SENSOR, raw=True)
        subscribe(ActionChunk, f"{policy}/action_chunk", self._on_chunk, RELIABLE)
        subscribe(AdaptationStatus, f"{policy}/adaptation_status", self._on_status, RELIABLE)

        self._state_publisher = self.create_publisher(SafeguardState, "~/state", LATCHED)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        service = self.create_service(Trigger, "~/reset", self._on_reset)
        heartbeat = self.create_timer(self._config.heartbeat_period, self._on_heartbeat)
        reporting = self.create_timer(diagnostics.PERIOD, self._on_diagnostics)
        self._entities += [
            lambda: self.destroy_publisher(self._state_publisher),
            lambda: self.destroy_publisher(self._diagnostics_publisher),
            lambda: self.destroy_service(service),
            lambda: self.destroy_timer(heartbeat),
            lambda: self.destroy_timer(reporting),
        ]
        self._publish(self._safeguard.judge())

    def _release(self) -> None:
        while self._entities:
            self._entities.pop()()
        self._safeguard = None

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _camera_callback(self, camera: str) -> Callable[[bytes], None]:
        return lambda message: self._safeguard.streams.heard_camera(camera, serialized_stamp(message))

    def _on_joints(self, message: bytes) -> None:
        self._safeguard.streams.heard_joint_state(serialized_stamp(message))

    def _on_chunk(self, message: ActionChunk) -> None:
        self._safeguard.streams.heard_chunk(self._now())

    def _on_status(self, message: AdaptationStatus) -> None:
        readings = {
            signals.GRADIENT_NORM.name: message.gradient_norm,
            signals.DRIFT_TOTAL.name: message.drift,
            signals.ACTION_DEVIATION.name: message.action_deviation,
            signals.PREDICTION_LOSS.name: message.prediction_loss,
            signals.REJECTED.name: float(not (message.committed or message.withheld)),
        }
        computed = {name: reading for name, reading in readings.items() if reading != NOT_COMPUTED}
        before = self._safeguard.judge().mode
        self._safeguard.read_window(computed, self._now(), version=message.weights_version, committed=message.committed)
        verdict = self._safeguard.judge()
        if verdict.mode != before:  # a worse mode does not wait for the next heartbeat
            self._publish(verdict)

    def _on_heartbeat(self) -> None:
        self._publish(self._safeguard.tick(self._now()))

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        verdict = self._safeguard.reset(self._now())
        self._publish(verdict)
        response.success = not verdict.latched
        response.message = in_words(verdict.mode, verdict.reasons)
        return response

    def _publish(self, verdict: Verdict) -> None:
        if verdict.mode != self._mode:
            log_mode(self, verdict.mode, verdict.reasons)
            self._mode = verdict.mode
        message = SafeguardState(
            mode=int(verdict.mode),
            permit=verdict.permit,
            permit_validity=self._config.permit_validity,
            trusted_version=verdict.trusted_version,
            reasons=list(verdict.reasons),
            since=stamp(verdict.since),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._state_publisher.publish(message)

    def _on_diagnostics(self) -> None:
        verdict = self._safeguard.judge()
        values: dict[str, object] = {"mode": verdict.mode.label, "latched": verdict.latched, "trusted version": verdict.trusted_version}
        values |= {
            f"age of {reading.source or reading.signal} [s]": reading.value for reading in self._safeguard.streams.readings(self._now())
        }
        status = diagnostics.status(self, "mode", _LEVELS[verdict.mode], in_words(verdict.mode, verdict.reasons), values)
        self._diagnostics_publisher.publish(diagnostics.array(self, [status]))


def main() -> None:
    """Entry point of ``ros2 run ttt_ros safeguard_node``."""
    raise SystemExit(lifecycle.run(SafeguardNode, close=SafeguardNode.close))


if __name__ == "__main__":
    main()
