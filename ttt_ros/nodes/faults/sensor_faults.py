"""Faults of cameras and joint states."""

import math
from collections.abc import Callable
from typing import Any

from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults import relay
from ttt_ros.nodes.faults.fault import (
    AGE_HEARTBEATS,
    BOTH_NETS,
    CAMERA,
    HEARTBEATS,
    MAX_CAMERA_AGE,
    MAX_JOINT_AGE,
    MAX_STUCK,
    SAFEGUARD_CAMERA_AGE,
    SAFEGUARD_JOINT_AGE,
    TICK,
    Fault,
    Protection,
)
from ttt_ros.nodes.faults.injections import all_altered, altered, pass_on
from ttt_ros.nodes.faults.reactions import acts_in, acts_once_moved
from ttt_ros.safeguard.ladder import Mode

_JOINT = 1

_STUCK_FOR_SURE = MAX_STUCK + 0.05
"""Rad: where the joints stood in the frozen picture is known here to a frame, in which they move by less than 0.05 rad."""


def _of_the_camera(name: str, injected: str, alteration: Callable[[], relay.Alteration], **more: Any) -> Fault:
    defaults: dict[str, Any] = {
        "demand": f"mode hold within a control period of the age limit, {MAX_CAMERA_AGE:g} s",
        "reaction": acts_in(Mode.HOLD, since=CAMERA),
        "deadline": MAX_CAMERA_AGE + TICK,
        "safeguard_later": SAFEGUARD_CAMERA_AGE - MAX_CAMERA_AGE + AGE_HEARTBEATS,
        "lasts": BOTH_NETS,
    }
    return Fault(name=name, injected=injected, inject=altered(CAMERA, alteration), remove=pass_on, **(defaults | more))


_CAMERA_AGES = Protection(patches=("ages",), rules=("camera_age", "camera_rate"))
_NOT_BY_THE_SAFEGUARD = {Net.SAFEGUARD: "it looks at neither size nor encoding, and freezes the weights only when the features are unknown"}
_CAMERA_CONTENT = Protection(patches=("images",), rules=("camera_age", "camera_saturation", "feature_deviation"))

_CAMERA_FAULTS = (
    _of_the_camera("camera_stopped", "no frame of a camera any more", lambda: relay.silent, protection=_CAMERA_AGES),
    _of_the_camera(
        "camera_frozen",
        "a camera repeats one picture under new stamps",
        relay.frozen,
        demand=f"mode hold once a joint stays {_STUCK_FOR_SURE:g} rad away",
        reaction=acts_once_moved(Mode.HOLD, by=_STUCK_FOR_SURE, seconds=2 * HEARTBEATS, because=("camera_stuck",)),
        deadline=1.0,
        begins_within=20.0,
        protection=Protection(rules=("camera_stuck",)),
    ),
    _of_the_camera(
        "camera_black",
        "a camera shows black",
        lambda: relay.filled(0),
        demand="mode hold",
        reaction=acts_in(Mode.HOLD, because=("camera_saturation",)),
        deadline=1.0,
        protection=Protection(rules=("camera_saturation", "camera_stuck", "feature_deviation")),
    ),
    _of_the_camera(
        "camera_saturated",
        "a camera shows white",
        lambda: relay.filled(255),
        demand="mode hold",
        reaction=acts_in(Mode.HOLD, because=("camera_saturation",)),
        deadline=1.0,
        protection=Protection(rules=("camera_saturation", "camera_stuck", "feature_deviation")),
    ),
    _of_the_camera(
        "camera_half_rate",
        "every second frame is lost",
        relay.thinned,
        demand="mode frozen",
        reaction=acts_in(Mode.FROZEN, because=("camera_rate",)),
        deadline=3.0,
        protection=Protection(rules=("camera_rate",)),
    ),
    _of_the_camera(
        "camera_wrong_size", "a quarter of each picture", lambda: relay.smaller, protection=_CAMERA_CONTENT, unheld=_NOT_BY_THE_SAFEGUARD
    ),
    _of_the_camera(
        "camera_wrong_encoding",
        "the bytes are said to be mono16",
        lambda: relay.encoded_as("mono16"),
        protection=_CAMERA_CONTENT,
        unheld=_NOT_BY_THE_SAFEGUARD,
    ),
    _of_the_camera("camera_in_the_past", "frames are stamped 0.5 s earlier", lambda: relay.shifted(-0.5), protection=_CAMERA_AGES),
    _of_the_camera(
        "camera_in_the_future",
        "frames are stamped 1 s ahead",
        lambda: relay.shifted(1.0),
        demand="mode hold at the next control tick",
        deadline=2 * TICK,
        safeguard_later=AGE_HEARTBEATS,
        protection=_CAMERA_AGES,
    ),
)


def _of_the_joints(name: str, injected: str, alteration: Callable[[], relay.Alteration], **more: Any) -> Fault:
    defaults: dict[str, Any] = {
        "demand": f"mode hold within a control period of the age limit, {MAX_JOINT_AGE:g} s",
        "reaction": acts_in(Mode.HOLD, since="joint_states"),
        "deadline": MAX_JOINT_AGE + TICK,
        "safeguard_later": SAFEGUARD_JOINT_AGE - MAX_JOINT_AGE + AGE_HEARTBEATS,
        "lasts": BOTH_NETS,
    }
    return Fault(name=name, injected=injected, inject=altered("joint_states", alteration), remove=pass_on, **(defaults | more))


_CONTRADICTIONS = ("sensor_publishers", "joint_speed", "following_error")
"""Signals of two publishers that do not agree; what they say may lead to hold before the graph is looked at, and a hold is latched."""

_JOINT_FAULTS = (
    _of_the_joints(
        "joints_stopped",
        "no joint state any more",
        lambda: relay.silent,
        protection=Protection(patches=("ages",), rules=("joint_state_age", "joint_state_rate")),
    ),
    _of_the_joints(
        "joints_nan",
        "a joint position is NaN",
        lambda: relay.positions_of(_JOINT, math.nan),
        protection=Protection(patches=("joints",), rules=("joint_speed", "following_error", "camera_stuck")),
    ),
    _of_the_joints(
        "joint_missing",
        "one joint is missing in each message",
        lambda: relay.without_joint(_JOINT),
        protection=Protection(patches=("joints",)),
    ),
    _of_the_joints(
        "joints_jumping",
        "every second joint state is off by 1 rad",
        lambda: relay.jumping(1.0),
        demand="mode hold",
        reaction=acts_in(Mode.HOLD, because=("joint_speed", "following_error")),
        deadline=1.0,
        protection=Protection(rules=("joint_speed", "following_error", "camera_stuck", "feature_deviation")),
    ),
    Fault(
        name="second_publisher",
        injected="a second publisher on joint_states, which contradicts each by 0.5 rad",
        demand="mode base",
        inject=lambda rig: rig.intrude(),
        remove=lambda rig: rig.withdraw(),
        reaction=acts_in(Mode.BASE, because=_CONTRADICTIONS),
        deadline=4.0,
        protection=Protection(rules=(*_CONTRADICTIONS, "joint_state_rate", "stamp_disorder", "camera_stuck", "feature_deviation")),
    ),
    Fault(
        name="message_flood",
        injected="every joint state and every frame comes 20 times",
        demand="mode frozen",
        inject=all_altered(lambda rig: rig.relay.sensors, lambda: relay.flooded(20)),
        remove=pass_on,
        reaction=acts_in(Mode.FROZEN, because=("camera_rate", "joint_state_rate", "stamp_disorder")),
        deadline=3.0,
        protection=Protection(rules=("camera_rate", "joint_state_rate", "stamp_disorder", "control_jitter", "underruns", "camera_age")),
    ),
)

SENSOR_FAULTS: tuple[Fault, ...] = (*_CAMERA_FAULTS, *_JOINT_FAULTS)
