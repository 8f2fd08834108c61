"""Which signals a kind of run says anything about."""

from collections.abc import Mapping
from types import MappingProxyType

from ttt_ros.evaluation.calibration.records import Source
from ttt_ros.safeguard import signals

_ALWAYS_LIVE = frozenset(
    each.name
    for each in (
        signals.SENSOR_PUBLISHERS,
        signals.CLOCK_STALL,
        signals.POLICY_AGE,
        signals.CONTROL_JITTER,
        signals.UNDERRUNS,
        signals.ADAPTATION_BUSY,
        signals.QUEUE_DEPTH,
    )
)
"""They tell how a machine and its ROS graph do; a run that computes as fast as it can, one thing after the other, has neither."""

_OF_TRANSPORT = frozenset(
    each.name
    for each in (
        signals.CAMERA_AGE,
        signals.JOINT_STATE_AGE,
        signals.CAMERA_RATE,
        signals.JOINT_STATE_RATE,
        signals.STAMP_DISORDER,
    )
)
"""They tell how messages travel; on a virtual clock these take no time and none is lost."""

_OF_DEMAND = frozenset(each.name for each in (signals.CHUNK_AGE, signals.ADAPTATION_AGE))
"""They tell how often somebody asks for something, and how long inference takes; here goal follows upon goal, and it takes no time."""

NOT_JUDGED: Mapping[Source, frozenset[str]] = MappingProxyType(
    {"simulation": _ALWAYS_LIVE | _OF_TRANSPORT | _OF_DEMAND, "bag": _ALWAYS_LIVE}
)
"""Signals whose silence in a run of that kind means nothing."""
