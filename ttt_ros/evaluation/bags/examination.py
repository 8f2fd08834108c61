"""What a bag says about itself, before any policy sees it: its streams, and whether the robot did what it was told."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.evaluation.run_record import Count, Seconds

Share = Annotated[float, Field(ge=0, le=1)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class StreamFigures:
    """One topic.

    Attributes:
        topic: its name.
        role: ``camera NAME``, ``joint_states``, ``commands`` or ``instruction``.
        message_type: such as ``sensor_msgs/msg/Image``.
        messages: how many there are.
        rate: per second, between the first and the last; None for fewer than two.
        longest_gap: greatest time between two.
        repeated: messages with the header stamp of the one before.
        backwards: messages with an earlier header stamp than the one before.
        lag: median of the time from header stamp to the bag's clock, s; None without a header.
        frozen: longest stretch of images with the same content while a joint moved, s; 0 for other streams.
        unreadable: messages that could not be read.
        problem: the first reason for that; empty if there is none.
    """

    topic: str
    role: str
    message_type: str
    messages: Count
    rate: float | None
    longest_gap: Seconds
    repeated: Count
    backwards: Count
    lag: float | None
    frozen: Seconds
    unreadable: Count
    problem: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Following:
    """How a joint followed its commands.

    Attributes:
        joint: its name.
        gain: slope of the measured on the commanded changes of position, at the delay that explains most; 1: it does as told. None where
            the joint hardly moved or nothing was commanded.
        delay: that delay, s.
        explained: share of the measured variance that the commands explain.
        follows: the joint whose commands explain this joint's motion best: another name means that two are exchanged.
    """

    joint: str
    gain: float | None
    delay: float | None
    explained: Share | None
    follows: str


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Examination:
    """A bag.

    Attributes:
        bag: its name.
        inputs: SHA-256 over topic, stamp and content of every message that was read, in order.
        start: of the bag's clock, ns.
        duration: s.
        streams: every mapped topic.
        joints: every joint of the policy.
        damage: what could not be read and why; empty if all of it could.
    """

    bag: str
    inputs: str
    start: Count
    duration: Seconds
    streams: tuple[StreamFigures, ...]
    joints: tuple[Following, ...]
    damage: str
