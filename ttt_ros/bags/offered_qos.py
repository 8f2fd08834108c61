"""The quality of service that a recorded publisher offered."""

from dataclasses import dataclass

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

_INFINITE = QosTime(9223372036, 854775807)
"""How rosbag2 writes a duration without end."""


@dataclass(frozen=True, kw_only=True)
class OfferedQos:
    """What a replay must offer to reach the same subscribers; deadline, lifespan and liveliness are the defaults.

    Attributes:
        reliable: reliable, not best effort.
        latched: transient local: late subscribers get the last ``depth`` messages.
        depth: messages kept.
    """

    reliable: bool
    latched: bool
    depth: int

    @classmethod
    def from_rosbags(cls, qos: Qos) -> "OfferedQos":
        """Reads what a bag says."""
        return cls(
            reliable=qos.reliability is QosReliability.RELIABLE,
            latched=qos.durability is QosDurability.TRANSIENT_LOCAL,
            depth=qos.depth,
        )

    def to_rosbags(self) -> Qos:
        """What a bag says."""
        return Qos(
            history=QosHistory.KEEP_LAST,
            depth=self.depth,
            reliability=QosReliability.RELIABLE if self.reliable else QosReliability.BEST_EFFORT,
            durability=QosDurability.TRANSIENT_LOCAL if self.latched else QosDurability.VOLATILE,
            deadline=_INFINITE,
            lifespan=_INFINITE,
            liveliness=QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=_INFINITE,
            avoid_ros_namespace_conventions=False,
        )
