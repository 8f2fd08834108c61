"""The catalogue of signals that rules can be written on."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ttt_ros.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One number that the safeguard watches.

    Attributes:
        name: as rules call it.
        unit: SI symbol, empty for a pure number.
        cadence: read once per adaptation "window", per action "chunk", or per "tick" of the safeguard's heartbeat.
        origin: the "robot" produces it whatever the mode; the "policy" may fall silent in hold and stop, and a
            reset then forgets what was read.
        definition: what exactly is measured.
        source: the paper that the idea comes from, if one does, and the message and field that it is read from.
        needed: nothing better than base is ordered before it has been read as good.
    """

    name: str
    unit: str
    cadence: Literal["window", "chunk", "tick"]
    origin: Literal["robot", "policy"]
    definition: str
    source: str
    needed: bool = False

    def quantity(self, value: float) -> str:
        """``value`` in words, with the unit."""
        return f"{value:.4g} {self.unit}".rstrip()


GRADIENT_NORM = Signal(
    name="gradient_norm",
    unit="",
    cadence="window",
    origin="policy",
    definition="L2 norm of the window's gradient over all fast weights, before clipping",
    source="clipped in Pascanu et al., ICML 2013; AdaptationStatus.gradient_norm",
)
UPDATE_NORM = Signal(
    name="update_norm",
    unit="",
    cadence="window",
    origin="policy",
    definition="L2 norm of the change of the fast weights by the window, after clip, pull-back and projection; 0 if it was refused",
    source="AdaptationStatus.update_norm",
)
DRIFT_TOTAL = Signal(
    name="drift_total",
    unit="",
    cadence="window",
    origin="policy",
    definition="L2 distance of the fast weights from the base, relative to the L2 norm of the base's fast weights",
    source="penalised in L2-SP, ICML 2018; AdaptationStatus.drift",
)
DRIFT_MODULE = Signal(
    name="drift_module",
    unit="",
    cadence="window",
    origin="policy",
    definition="the same distance within one fast module, relative to that module's norm; the worst module",
    source="penalised in L2-SP, ICML 2018; AdaptationStatus.module_drift",
)
ACTION_DEVIATION = Signal(
    name="action_deviation",
    unit="rad",
    cadence="window",
    origin="policy",
    definition="largest difference of any joint in any step between adapted and base action chunks, over the stored probe observations",
    source="AdaptationStatus.action_deviation",
)
PREDICTION_LOSS = Signal(
    name="prediction_loss",
    unit="",
    cadence="window",
    origin="policy",
    definition="reconstruction loss of the window's new transitions, scored before the update",
    source="prequential error, Dawid 1984; AdaptationStatus.prediction_loss",
)
LOSS_RATIO = Signal(
    name="loss_ratio",
    unit="",
    cadence="window",
    origin="policy",
    definition="prediction loss over the 0.9 quantile of those of the last 64 windows that passed every check; not read before 8 of them",
    source="AdaptationStatus.prediction_loss, compared with its own past",
)
TRIMMED = Signal(
    name="trimmed",
    unit="",
    cadence="window",
    origin="policy",
    definition="share of the window's transitions that the trim left out as outliers",
    source="least trimmed squares, Rousseeuw 1984; AdaptationStatus.samples_trimmed over AdaptationStatus.samples",
)
REJECTED = Signal(
    name="rejected",
    unit="",
    cadence="window",
    origin="policy",
    definition="1 if the gate or the commit checks refused the window, 0 if not",
    source="AdaptationStatus.committed and AdaptationStatus.withheld",
)
BASE_DEVIATION = Signal(
    name="base_deviation",
    unit="rad",
    cadence="chunk",
    origin="policy",
    definition="largest difference of any joint in any step between a chunk and that of the base policy, frozen beside it, on the same "
    "observation",
    source="ActionChunk.base_deviation",
)
FEATURE_DEVIATION = Signal(
    name="feature_deviation",
    unit="",
    cadence="chunk",
    origin="policy",
    definition="squared Mahalanobis distance of the observation's features from those of training, over their dimension: 1 in the mean of "
    "training; mean and covariance are in the checkpoint; not read without them",
    source="feature alignment of TTT++, NeurIPS 2021; ActionChunk.feature_deviation",
)
CAMERA_AGE = Signal(
    name="camera_age",
    unit="s",
    cadence="tick",
    origin="robot",
    definition="distance in time of the newest frame's stamp from now, the worst of all cameras; a stamp in the future counts as well",
    source="header.stamp of sensor_msgs/Image or CompressedImage",
    needed=True,
)
JOINT_STATE_AGE = Signal(
    name="joint_state_age",
    unit="s",
    cadence="tick",
    origin="robot",
    definition="distance in time of the newest joint state's stamp from now; a stamp in the future counts as well",
    source="header.stamp of sensor_msgs/JointState",
    needed=True,
)
CAMERA_RATE = Signal(
    name="camera_rate",
    unit="",
    cadence="tick",
    origin="robot",
    definition="frames that arrived within the last two seconds over those due by the nominal rate, of the camera furthest from 1",
    source="arrival of sensor_msgs/Image or CompressedImage",
)
JOINT_STATE_RATE = Signal(
    name="joint_state_rate",
    unit="",
    cadence="tick",
    origin="robot",
    definition="joint states that arrived within the last two seconds over those due by the nominal rate",
    source="arrival of sensor_msgs/JointState",
)
STAMP_DISORDER = Signal(
    name="stamp_disorder",
    unit="",
    cadence="tick",
    origin="robot",
    definition="share of the last 30 messages whose stamp was not newer than that before, the worst of all sensor streams",
    source="header.stamp of sensor_msgs/Image or CompressedImage and of sensor_msgs/JointState",
)
CAMERA_STUCK = Signal(
    name="camera_stuck",
    unit="rad",
    cadence="tick",
    origin="robot",
    definition="how far any joint had moved, when a camera's newest frame came, since the content of its frames last changed, the worst of "
    "all cameras: a frozen picture of a moving arm",
    source="data of sensor_msgs/Image or CompressedImage beside position of sensor_msgs/JointState",
)
CAMERA_SATURATION = Signal(
    name="camera_saturation",
    unit="",
    cadence="tick",
    origin="robot",
    definition="share of the newest frame's values at 0 or at 255, from some thousand of them, the worst of all cameras",
    source="data of sensor_msgs/Image or CompressedImage",
)
JOINT_SPEED = Signal(
    name="joint_speed",
    unit="rad/s",
    cadence="tick",
    origin="robot",
    definition="fastest change of any joint between two joint states since the last tick; NaN if a position was not finite",
    source="position over header.stamp of sensor_msgs/JointState",
)
FOLLOWING_ERROR = Signal(
    name="following_error",
    unit="rad",
    cadence="tick",
    origin="policy",
    definition="largest distance of a measured joint from the range of the commands of the last second, the one in force at its beginning "
    "included; not read until a second after the first command since the start, an empty trajectory or a reset",
    source="position of sensor_msgs/JointState beside points of trajectory_msgs/JointTrajectory",
)
SENSOR_PUBLISHERS = Signal(
    name="sensor_publishers",
    unit="",
    cadence="tick",
    origin="robot",
    definition="most publishers on one topic of a camera or the joint states, by the ROS graph",
    source="the ROS graph: count_publishers of a node",
)
CLOCK_STALL = Signal(
    name="clock_stall",
    unit="s",
    cadence="tick",
    origin="robot",
    definition="wall time for which the ROS clock has stood still, read once per heartbeat of the wall clock; 0 without use_sim_time",
    source="clock of rosgraph_msgs/Clock beside the monotonic clock of the machine",
)
CHUNK_AGE = Signal(
    name="chunk_age",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time since the last action chunk arrived; not read before the first",
    source="arrival of ActionChunk",
    needed=True,
)
ADAPTATION_AGE = Signal(
    name="adaptation_age",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time for which action chunks have been arriving without an adaptation status; not read before the first chunk",
    source="arrival of ActionChunk and AdaptationStatus",
    needed=True,
)
POLICY_AGE = Signal(
    name="policy_age",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time since the last control status arrived; not read before the first",
    source="arrival of ControlStatus",
)
CONTROL_JITTER = Signal(
    name="control_jitter",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="largest distance between two control ticks beyond the control period, in the last control status",
    source="ControlStatus.jitter",
)
UNDERRUNS = Signal(
    name="underruns",
    unit="",
    cadence="tick",
    origin="policy",
    definition="share of control ticks without a step to play although a chunk was due, in the last control status",
    source="ControlStatus.underruns",
)
ADAPTATION_BUSY = Signal(
    name="adaptation_busy",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time that the adaptation thread has spent on its present window; infinite if the thread is dead or halted",
    source="ControlStatus.adaptation_busy and ControlStatus.adaptation_alive",
)
QUEUE_DEPTH = Signal(
    name="queue_depth",
    unit="",
    cadence="tick",
    origin="policy",
    definition="windows that wait for the adaptation thread",
    source="ControlStatus.queue_depth",
)

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        signal.name: signal
        for signal in (
            GRADIENT_NORM,
            UPDATE_NORM,
            DRIFT_TOTAL,
            DRIFT_MODULE,
            ACTION_DEVIATION,
            PREDICTION_LOSS,
            LOSS_RATIO,
            TRIMMED,
            REJECTED,
            BASE_DEVIATION,
            FEATURE_DEVIATION,
            CAMERA_AGE,
            JOINT_STATE_AGE,
            CAMERA_RATE,
            JOINT_STATE_RATE,
            STAMP_DISORDER,
            CAMERA_STUCK,
            CAMERA_SATURATION,
            JOINT_SPEED,
            FOLLOWING_ERROR,
            SENSOR_PUBLISHERS,
            CLOCK_STALL,
            CHUNK_AGE,
            ADAPTATION_AGE,
            POLICY_AGE,
            CONTROL_JITTER,
            UNDERRUNS,
            ADAPTATION_BUSY,
            QUEUE_DEPTH,
        )
    }
)
"""All signals by name.

Window signals come from each adaptation status. The adaptation thread scores and reports its windows in every mode in which
the policy acts, permitted to commit or not: without reports from a frozen policy, no rule on them could ever clear.
"""


def signal_named(name: str) -> Signal:
    """The signal called ``name``.

    Raises:
        ConfigurationError: there is none; the message lists all.
    """
    if name not in SIGNALS:
        raise ConfigurationError(f"unknown signal '{name}'; known signals are {', '.join(SIGNALS)}")
    return SIGNALS[name]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value of a signal; ``source`` names the stream or module where there are several."""

    signal: str
    value: float
    source: str = ""


def worst(signal: Signal, values: Mapping[str, float]) -> tuple[Reading, ...]:
    """The greatest of ``values`` by source, NaN before all; nothing of none."""
    if not values:
        return ()
    source = max(values, key=lambda each: (values[each] != values[each], values[each]))
    return (Reading(signal=signal.name, value=values[source], source=source),)
