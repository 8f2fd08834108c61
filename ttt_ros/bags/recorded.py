"""What a recording holds: topics and serialized messages."""

from dataclasses import dataclass
from typing import NamedTuple

from ttt_ros.bags.offered_qos import OfferedQos


@dataclass(frozen=True, kw_only=True)
class BagTopic:
    """A recorded topic: its ``name``, ``message_type``, ``count`` of messages, and ``qos`` (None if it was not recorded)."""

    name: str
    message_type: str
    count: int
    qos: OfferedQos | None


class BagMessage(NamedTuple):
    """One recorded message, serialized; ``stamp`` is when it was received, in nanoseconds."""

    topic: str
    message_type: str
    stamp: int
    cdr: bytes
