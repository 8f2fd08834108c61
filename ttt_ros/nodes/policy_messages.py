"""Between the types of the core and the messages that the policy node sends and receives."""

import math
from collections.abc import Sequence

from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.orders import Order, received_order
from ttt_ros.control.schedule import Chunk, Positions
from ttt_ros.msg import ActionChunk, AdaptationStatus, ControlStatus, ModuleDrift, SafeguardState
from ttt_ros.nodes.stamps import nanoseconds, stamp
from ttt_ros.safeguard.control_health import ControlHealth
from ttt_ros.safeguard.figures import ChunkFigures, WindowFigures
from ttt_ros.safeguard.ladder import Mode

NOT_COMPUTED = -1.0


def chunk_message(chunk: Chunk, joint_names: Sequence[str]) -> ActionChunk:
    """A scheduled chunk; its positions are absolute whatever the policy's own action meaning."""
    message = ActionChunk(
        sequence=chunk.sequence,
        reset_epoch=chunk.epoch,
        joint_names=list(joint_names),
        horizon=len(chunk.positions),
        period=chunk.period,
        positions=chunk.positions.ravel(),
        action_meaning=ActionChunk.ABSOLUTE,
        weights_version=chunk.version,
        weights_checksum=chunk.checksum,
        inference_time=chunk.inference_time,
        base_deviation=_figure(chunk.base_deviation),
        feature_deviation=_figure(chunk.feature_deviation),
    )
    message.header.stamp = stamp(chunk.stamp)
    return message


def status_message(report: WindowReport) -> AdaptationStatus:
    """The report on one window."""
    message = AdaptationStatus(
        window_sequence=report.window_sequence,
        reset_epoch=report.epoch,
        samples=report.samples,
        samples_trimmed=report.trimmed or 0,
        prediction_loss=_figure(report.prediction_loss),
        loss_after=_figure(report.loss_after),
        gradient_norm=_figure(report.gradient_norm),
        update_norm=report.update_norm,
        drift=report.drift_total,
        module_drift=[ModuleDrift(module=module, relative=drift) for module, drift in report.drift_per_module.items()],
        action_deviation=_figure(report.action_deviation),
        committed=report.committed,
        withheld=report.withheld,
        reason=report.reason,
        weights_version=report.version,
        weights_checksum=report.checksum,
        duration=report.duration,
        queue_depth=report.queue_depth,
        dropped_windows=report.dropped_windows,
    )
    message.header.stamp = stamp(report.stamps[-1])
    return message


def control_message(health: ControlHealth, mode: Mode, now: int, *, ticks_lost: int) -> ControlStatus:
    """How control and adaptation do at ``now`` (nanoseconds) in ``mode``; an adaptation that is infinitely busy is dead."""
    message = ControlStatus(
        mode=mode.value,
        jitter=health.jitter,
        underruns=health.underruns,
        ticks_lost=ticks_lost,
        adaptation_alive=math.isfinite(health.busy),
        adaptation_busy=health.busy,
        queue_depth=health.queue_depth,
    )
    message.header.stamp = stamp(now)
    return message


def control_health(message: ControlStatus) -> ControlHealth:
    """The same as the safeguard reads it."""
    return ControlHealth(
        jitter=message.jitter,
        underruns=message.underruns,
        busy=message.adaptation_busy if message.adaptation_alive else math.inf,
        queue_depth=message.queue_depth,
    )


def chunk_figures(message: ActionChunk) -> ChunkFigures:
    """What the safeguard reads of a chunk."""
    return ChunkFigures(base_deviation=_computed(message.base_deviation), feature_deviation=_computed(message.feature_deviation))


def window_figures(message: AdaptationStatus) -> WindowFigures:
    """What the safeguard reads of a window."""
    return WindowFigures(
        version=message.weights_version,
        committed=message.committed,
        withheld=message.withheld,
        samples=message.samples,
        trimmed=message.samples_trimmed,
        prediction_loss=_computed(message.prediction_loss),
        gradient_norm=_computed(message.gradient_norm),
        update_norm=message.update_norm,
        action_deviation=_computed(message.action_deviation),
        drift_total=message.drift,
        drift_per_module={each.module: each.relative for each in message.module_drift},
    )


def trajectory_message(positions: Positions, joint_names: Sequence[str], *, period: float) -> JointTrajectory:
    """One waypoint to reach within ``period`` seconds; the stamp 0 makes a joint_trajectory_controller start at once."""
    point = JointTrajectoryPoint(positions=positions.tolist())
    point.time_from_start.sec, point.time_from_start.nanosec = divmod(round(period * 1e9), 1_000_000_000)
    return JointTrajectory(joint_names=list(joint_names), points=[point])


def order(message: SafeguardState, *, max_validity: float) -> Order:
    """The safeguard's state as the control loop obeys it. Raises MessageError, as ``received_order``."""
    return received_order(
        mode=message.mode,
        permit=message.permit,
        validity=message.permit_validity,
        trusted_version=message.trusted_version,
        reasons=message.reasons,
        reset=nanoseconds(message.reset),
        max_validity=max_validity,
    )


def state_message(order: Order, now: int) -> SafeguardState:
    """What a safeguard that gives ``order`` at ``now`` (nanoseconds) publishes."""
    message = SafeguardState(
        mode=order.mode.value,
        permit=order.permit,
        permit_validity=order.validity,
        trusted_version=order.trusted_version,
        reasons=list(order.reasons),
        reset=stamp(order.reset),
    )
    message.header.stamp = stamp(now)
    return message


def _figure(value: float | None) -> float:
    return NOT_COMPUTED if value is None else value


def _computed(figure: float) -> float | None:
    return None if figure == NOT_COMPUTED else figure
