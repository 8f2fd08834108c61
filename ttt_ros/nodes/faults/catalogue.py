"""Every fault: how it is injected and removed, how its reaction is seen and in what time it must be, and what protects from it."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from std_srvs.srv import Trigger

from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes.faults import faulty_policy, relay
from ttt_ros.nodes.faults.observer import Heard, first
from ttt_ros.nodes.faults.relay import CLOCK_TOPIC
from ttt_ros.nodes.faults.rig import Rig
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode

CAMERA = "scene"
_JOINT = 1

HEARTBEATS = 0.2
"""Two heartbeat periods of the safeguard, s."""

_TICK = 1 / 30 + 0.01
"""The reactive policy's control period, and that of the simulation's clock, by which a tick may be late; s."""

_BOTH_NETS = 1.2
"""Seconds that a sensor's fault stays on, so that the safeguard notices as well what the policy node has noticed before it."""

_MAX_CAMERA_AGE, _MAX_JOINT_AGE = 0.2, 0.1  # s, as in config/policy_node_reactive.yaml; the test of the catalogue compares them


@dataclass(frozen=True, kw_only=True)
class Injection:
    """When a fault began.

    Attributes:
        at: ``time.monotonic``.
        last: nanoseconds of the newest stamp of each stream that was passed on before it.
    """

    at: float
    last: Mapping[str, int]


Reaction = Callable[[Rig, Injection], float | None]
"""Seconds from a fault to the reaction that is asked for; None while it is not seen."""


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What ``--without`` switches off.

    Attributes:
        parameters: of the policy node.
        rules: signals whose rules are left out.
        patches: see ``unprotected``.
    """

    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()


def _nothing(_rig: Rig) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to break the system.

    Attributes:
        name: as it is called on the command line.
        injected: how, in words.
        demand: the reaction that is asked for, in words.
        inject: breaks it.
        remove: ends the fault; then the run must go on.
        reaction: tells when the reaction was seen.
        deadline: seconds within which it must be.
        lasts: seconds that the fault stays on at least, so that what must not happen has time to happen.
        protection: without which the trial must fail.
    """

    name: str
    injected: str
    demand: str
    inject: Callable[[Rig], None]
    remove: Callable[[Rig], None] = _nothing
    reaction: Reaction
    deadline: float
    lasts: float = 0.0
    protection: Protection


def _acts_in(mode: Mode, *, since: str = "", because: tuple[str, ...] = ()) -> Reaction:
    """The policy node acts in ``mode`` or a safer one, counted from the injection by the wall clock.

    Args:
        because: signals of which one must be among the safeguard's reasons by then: another one may trip for a reason of its own.
        since: stream whose last good stamp is counted from instead, or ``safeguard`` for its last word; by the stamps, since a busy machine
            delays what is seen here, but not those.
    """

    def seen(rig: Rig, injection: Injection) -> float | None:
        ordered = first(rig.observer.states, injection.at, lambda message: _names(message.reasons, because)) if because else None
        if because and ordered is None:
            return None
        found = first(rig.observer.controls, ordered.at if ordered else injection.at, lambda message: message.mode >= mode)
        if found is None:
            return None
        if not since:
            return found.at - injection.at
        if since == "safeguard":
            begun = nanoseconds([heard.message for heard in rig.observer.states if heard.at < found.at][-1].header.stamp)
        else:
            begun = injection.last[since]
        return (nanoseconds(found.message.header.stamp) - begun) / NANOSECONDS

    return seen


def _names(reasons: Sequence[str], signals: tuple[str, ...]) -> bool:
    return any(reason.startswith(f"{signal} ") for reason in reasons for signal in signals)


def _ordered(mode: Mode, *, because: tuple[str, ...]) -> Reaction:
    """The safeguard orders ``mode`` or a safer one, for a reason that names one of the signals."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        ordered = first(rig.observer.states, injection.at, lambda message: message.mode >= mode and _names(message.reasons, because))
        return _after(ordered, injection)

    return seen


def _refused(*fragments: str) -> Reaction:
    """A window is refused for a reason that holds one of ``fragments``."""

    def refusal(message: Any) -> bool:
        return not message.committed and any(fragment in message.reason for fragment in fragments)

    def seen(rig: Rig, injection: Injection) -> float | None:
        return _after(first(rig.observer.windows, injection.at, refusal), injection)

    return seen


def _either(*reactions: Reaction) -> Reaction:
    """The first of several."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        return min((time for time in (reaction(rig, injection) for reaction in reactions) if time is not None), default=None)

    return seen


def _after(heard: Heard[Any] | None, injection: Injection) -> float | None:
    return None if heard is None else heard.at - injection.at


def _kept_up(seconds: float) -> Reaction:
    """The run simply goes on: after ``seconds`` it has never left mode adapting and has met its control ticks."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        if time.monotonic() - injection.at < seconds:
            return None
        told = [heard.message for heard in rig.observer.controls if heard.at >= injection.at]
        calm = bool(told) and all(message.mode == Mode.ADAPTING and message.underruns == 0.0 for message in told)
        return 0.0 if calm else None

    return seen


def _endured(seconds: float) -> Reaction:
    """The fault lasted for ``seconds``; whether all limits were kept meanwhile is what the observer tells."""
    return lambda _rig, injection: seconds if time.monotonic() - injection.at >= seconds else None


def _commands_cease(rig: Rig, injection: Injection) -> float | None:
    """Nothing is commanded any more for half a second, or the mode is base or safer."""
    commands = [heard.at for heard in rig.observer.commands if heard.at >= injection.at]
    last = max(commands, default=injection.at)
    return last - injection.at if time.monotonic() - last > 0.5 else None


def _altered(stream: str, alteration: Callable[[], relay.Alteration]) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.relay.alterations[stream] = alteration()

    return inject


def _all_altered(streams: Callable[[Rig], tuple[str, ...]], alteration: Callable[[], relay.Alteration]) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.relay.alterations |= {stream: alteration() for stream in streams(rig)}

    return inject


def _pass_on(rig: Rig) -> None:
    rig.relay.reset()


def _policy_does(fault: str) -> Callable[[Rig], None]:
    return lambda rig: rig.command_policy(fault)


def _policy_behaves(rig: Rig) -> None:
    rig.command_policy(faulty_policy.NONE)


def _policy_configured_anew(rig: Rig) -> None:
    rig.command_policy(faulty_policy.NONE)
    rig.configured_anew()


def _of_the_policy(name: str, injected: str, *, remove: Callable[[Rig], None] = _policy_behaves, **more: Any) -> Fault:
    return Fault(name=name, injected=injected, inject=_policy_does(name), remove=remove, **more)


def _rolled_back(rig: Rig, _injection: Injection) -> float | None:
    """The first chunk after the answer of the service is of no newer version."""
    chunk = first(rig.observer.chunks, rig.answered, lambda message: True)
    if chunk is None or chunk.message.weights_version > rig.rolled_back_to:
        return None
    return chunk.at - rig.answered


def _keeps_ticking(rig: Rig, injection: Injection) -> float | None:
    share = rig.share_of_ticks(injection.at, _STARVED)
    return 0.0 if share is not None and share >= _LEAST_TICKS else None


_PUSHED = 8.0  # s, some thirty windows
_STARVED = 3.0  # s
_LEAST_TICKS = 0.8  # of those due

_CHUNK = 1.0
"""Seconds within which a window follows upon the one before: a chunk is asked for every quarter of a second."""

_GATES_OFF: Mapping[str, object] = MappingProxyType(
    {"adaptation.drift_limit": 10.0, "adaptation.probe_limit": 6.3, "adaptation.gate_factor": 1e6, "adaptation.trim_factor": 1e6}
)
_DRIFT_RULES = ("drift_total", "drift_module", "action_deviation", "base_deviation", "update_norm", "loss_ratio", "prediction_loss")

_ADAPTATION = (
    _of_the_policy(
        faulty_policy.NAN_GRADIENT,
        "the reconstruction's backward pass gives NaN",
        demand="window refused",
        reaction=_refused("gradient is not finite"),
        deadline=_CHUNK,
        protection=Protection(patches=("finite_checks",)),
    ),
    _of_the_policy(
        faulty_policy.INFINITE_GRADIENT,
        "the reconstruction's backward pass gives infinity",
        demand="window refused",
        reaction=_refused("gradient is not finite"),
        deadline=_CHUNK,
        protection=Protection(patches=("finite_checks",)),
    ),
    _of_the_policy(
        faulty_policy.LARGE_GRADIENT,
        "the reconstruction's backward pass gives 100 times the gradient",
        demand="window refused",
        reaction=_refused("above gradient_limit"),
        deadline=_CHUNK,
        protection=Protection(parameters=MappingProxyType({"adaptation.gradient_limit": 1e6})),
    ),
    _of_the_policy(
        faulty_policy.SLOW_DRIFT,
        "every gradient points the same way, just shorter than the clip",
        demand="windows refused, mode frozen, or drift and actions kept within their limits",
        reaction=_either(_refused("probe_limit", "gate's limit"), _acts_in(Mode.FROZEN, because=_DRIFT_RULES), _endured(_PUSHED)),
        deadline=_PUSHED,
        lasts=_PUSHED,
        protection=Protection(parameters=_GATES_OFF, rules=_DRIFT_RULES),
    ),
    _of_the_policy(
        faulty_policy.FALLING_LOSS,
        "a loss that falls in every window while its gradient drives the actions away",
        demand="windows refused, mode frozen, or drift and actions kept within their limits",
        reaction=_either(_refused("probe_limit", "gate's limit"), _acts_in(Mode.FROZEN, because=_DRIFT_RULES), _endured(_PUSHED)),
        deadline=_PUSHED,
        lasts=_PUSHED,
        protection=Protection(parameters=_GATES_OFF, rules=_DRIFT_RULES),
    ),
    _of_the_policy(
        faulty_policy.HANG,
        "the step does not return",
        demand="mode frozen",
        reaction=_acts_in(Mode.FROZEN, because=("adaptation_busy", "queue_depth")),
        deadline=3.5,
        protection=Protection(rules=("adaptation_busy", "adaptation_age", "queue_depth")),
    ),
    _of_the_policy(
        faulty_policy.DEATH,
        "SystemExit in the step: the adaptation thread ends",
        demand="mode frozen",
        reaction=_acts_in(Mode.FROZEN, because=("adaptation_busy",)),
        deadline=_CHUNK + 0.5,
        remove=_policy_configured_anew,
        protection=Protection(rules=("adaptation_busy", "adaptation_age", "queue_depth")),
    ),
    _of_the_policy(
        faulty_policy.EXCEPTION,
        "RuntimeError in the step",
        demand="window refused",
        reaction=_refused("RuntimeError"),
        deadline=_CHUNK,
        remove=_policy_configured_anew,
        protection=Protection(patches=("exceptions",)),
    ),
    _of_the_policy(
        faulty_policy.SLOW,
        f"each inference takes {faulty_policy.SLOW_BY * 1000:g} ms longer, three times as long as before",
        demand="the run goes on without an underrun",
        reaction=_kept_up(3.0),
        deadline=0.1,
        protection=Protection(parameters=MappingProxyType({"control.request_at": 0})),
    ),
    Fault(
        name="rollback",
        injected="the service ~/adaptation/rollback in mid-chunk",
        demand="the version before acts from the next chunk on",
        inject=lambda rig: rig.roll_back(),
        reaction=_rolled_back,
        deadline=16 * _TICK,
        protection=Protection(patches=("rollback",)),
    ),
)


def _refused_to_configure(rig: Rig, _injection: Injection) -> float | None:
    return rig.answered - rig.asked if rig.answer is not None and not rig.answer.success else None


def _another_policy(rig: Rig) -> None:
    rig.another_policy("second_policy")
    rig.ask_to_configure("second_policy")


def _altered_snapshot(rig: Rig) -> None:
    path = rig.checkpoint.with_name("altered.safetensors")
    if not path.exists():
        rig.call(Trigger, "policy/adaptation/save", Trigger.Request())
        data = bytearray(rig.snapshot.read_bytes())
        data[-1] ^= 0x01
        path.write_bytes(bytes(data))
    rig.another_policy("restored", namespace="elsewhere", parameters={"adaptation.initial_weights": path})
    rig.ask_to_configure("elsewhere/restored")


def _restart(name: str) -> Callable[[Rig], None]:
    def remove(rig: Rig) -> None:
        rig.start(name)

    return remove


def _restarted_cleanly(rig: Rig) -> None:
    rig.stop("safeguard")
    rig.start("safeguard")


def _disk_full(rig: Rig) -> None:
    rig.fill_disk("policy")


def _disk_has_room(rig: Rig) -> None:
    rig.empty_disk("policy")
    rig.configured_anew()


_PERMIT = Protection(patches=("permit_expiry",))
_WATCHING_THE_POLICY = Protection(rules=("policy_age", "chunk_age", "adaptation_age"))

_PROCESSES = (
    Fault(
        name="altered_snapshot",
        injected="one bit of a saved snapshot of fast weights is flipped, and a node starts with it",
        demand="refused at configure",
        inject=_altered_snapshot,
        reaction=_refused_to_configure,
        deadline=5.0,
        protection=Protection(patches=("snapshot",)),
    ),
    Fault(
        name="safeguard_killed",
        injected="SIGKILL to the safeguard",
        demand="mode base within two heartbeats",
        inject=lambda rig: rig.kill("safeguard"),
        remove=_restart("safeguard"),
        reaction=_acts_in(Mode.BASE, since="safeguard"),
        deadline=HEARTBEATS,
        lasts=0.5,
        protection=_PERMIT,
    ),
    Fault(
        name="safeguard_stopped",
        injected="SIGSTOP to the safeguard",
        demand="mode base within two heartbeats",
        inject=lambda rig: rig.pause("safeguard"),
        remove=lambda rig: rig.resume(rig.processes["safeguard"]),
        reaction=_acts_in(Mode.BASE, since="safeguard"),
        deadline=HEARTBEATS,
        lasts=0.5,
        protection=_PERMIT,
    ),
    Fault(
        name="safeguard_restarted",
        injected="SIGINT to the safeguard, and a new one",
        demand="mode base within two heartbeats",
        inject=_restarted_cleanly,
        reaction=_acts_in(Mode.BASE, since="safeguard"),
        deadline=HEARTBEATS,
        protection=_PERMIT,
    ),
    Fault(
        name="policy_killed",
        injected="SIGKILL to the policy node, and a new one",
        demand="ordered base; the new node begins with version 0",
        inject=lambda rig: rig.kill("policy"),
        remove=_restart("policy"),
        reaction=_ordered(Mode.BASE, because=("policy_age", "chunk_age")),
        deadline=1.5,
        protection=_WATCHING_THE_POLICY,
    ),
    Fault(
        name="disk_full",
        injected="no file of the policy node may grow any further",
        demand="adaptation halted, mode frozen",
        inject=_disk_full,
        remove=_disk_has_room,
        reaction=_acts_in(Mode.FROZEN, because=("adaptation_busy",)),
        deadline=_CHUNK + 0.5,
        lasts=1.0,
        protection=Protection(patches=("halt",)),
    ),
    Fault(
        name="second_policy",
        injected="another policy node for the same arm",
        demand="refused at configure",
        inject=_another_policy,
        reaction=_refused_to_configure,
        deadline=5.0,
        protection=Protection(patches=("second_policy",)),
    ),
    Fault(
        name="simulation_restarted",
        injected="SIGKILL to the peer that publishes the sensors, and a new one",
        demand=f"mode hold within a control period of the age limit, {_MAX_JOINT_AGE:g} s, or no command",
        inject=lambda rig: rig.kill("simulation"),
        remove=_restart("simulation"),
        reaction=_either(_acts_in(Mode.HOLD, since="joint_states"), _commands_cease),
        deadline=0.3,
        protection=Protection(patches=("ages",), rules=("camera_age", "joint_state_age", "clock_stall")),
    ),
    Fault(
        name="processor_starved",
        injected="a busy process for each processor",
        demand=f"at least {100 * _LEAST_TICKS:g} % of the control ticks are met",
        inject=lambda rig: rig.hog_processor(),
        remove=lambda rig: rig.release_processor(),
        reaction=_keeps_ticking,
        deadline=0.1,
        lasts=_STARVED,
        protection=Protection(patches=("threads",)),
    ),
)


def _of_the_camera(name: str, injected: str, alteration: Callable[[], relay.Alteration], **more: Any) -> Fault:
    defaults: dict[str, Any] = {
        "demand": f"mode hold within a control period of the age limit, {_MAX_CAMERA_AGE:g} s",
        "reaction": _acts_in(Mode.HOLD, since=CAMERA),
        "deadline": _MAX_CAMERA_AGE + _TICK,
        "lasts": _BOTH_NETS,
    }
    return Fault(name=name, injected=injected, inject=_altered(CAMERA, alteration), remove=_pass_on, **(defaults | more))


_CAMERA_AGES = Protection(patches=("ages",), rules=("camera_age", "camera_rate"))
_CAMERA_CONTENT = Protection(patches=("images",), rules=("camera_age", "camera_saturation", "feature_deviation"))

_CAMERAS = (
    _of_the_camera("camera_stopped", "no frame of a camera any more", lambda: relay.silent, protection=_CAMERA_AGES),
    _of_the_camera(
        "camera_frozen",
        "a camera repeats one picture under new stamps",
        relay.frozen,
        demand="mode hold once the arm has moved",
        reaction=_acts_in(Mode.HOLD, because=("camera_stuck",)),
        deadline=10.0,
        protection=Protection(rules=("camera_stuck",)),
    ),
    _of_the_camera(
        "camera_black",
        "a camera shows black",
        lambda: relay.filled(0),
        demand="mode hold",
        reaction=_acts_in(Mode.HOLD, because=("camera_saturation",)),
        deadline=1.0,
        protection=Protection(rules=("camera_saturation", "camera_stuck", "feature_deviation")),
    ),
    _of_the_camera(
        "camera_saturated",
        "a camera shows white",
        lambda: relay.filled(255),
        demand="mode hold",
        reaction=_acts_in(Mode.HOLD, because=("camera_saturation",)),
        deadline=1.0,
        protection=Protection(rules=("camera_saturation", "camera_stuck", "feature_deviation")),
    ),
    _of_the_camera(
        "camera_half_rate",
        "every second frame is lost",
        relay.thinned,
        demand="mode frozen",
        reaction=_acts_in(Mode.FROZEN, because=("camera_rate",)),
        deadline=3.0,
        protection=Protection(rules=("camera_rate",)),
    ),
    _of_the_camera("camera_wrong_size", "a quarter of each picture", lambda: relay.smaller, protection=_CAMERA_CONTENT),
    _of_the_camera(
        "camera_wrong_encoding", "the bytes are said to be mono16", lambda: relay.encoded_as("mono16"), protection=_CAMERA_CONTENT
    ),
    _of_the_camera("camera_in_the_past", "frames are stamped 0.5 s earlier", lambda: relay.shifted(-0.5), protection=_CAMERA_AGES),
    _of_the_camera(
        "camera_in_the_future",
        "frames are stamped 1 s ahead",
        lambda: relay.shifted(1.0),
        demand="mode hold at the next control tick",
        deadline=2 * _TICK,
        protection=_CAMERA_AGES,
    ),
)


def _of_the_joints(name: str, injected: str, alteration: Callable[[], relay.Alteration], **more: Any) -> Fault:
    defaults: dict[str, Any] = {
        "demand": f"mode hold within a control period of the age limit, {_MAX_JOINT_AGE:g} s",
        "reaction": _acts_in(Mode.HOLD, since="joint_states"),
        "deadline": _MAX_JOINT_AGE + _TICK,
        "lasts": _BOTH_NETS,
    }
    return Fault(name=name, injected=injected, inject=_altered("joint_states", alteration), remove=_pass_on, **(defaults | more))


_JOINTS = (
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
        reaction=_acts_in(Mode.HOLD, because=("joint_speed", "following_error")),
        deadline=1.0,
        protection=Protection(rules=("joint_speed", "following_error", "camera_stuck", "feature_deviation")),
    ),
    Fault(
        name="second_publisher",
        injected="a second publisher on joint_states",
        demand="mode base",
        inject=lambda rig: rig.intrude(),
        remove=lambda rig: rig.withdraw(),
        reaction=_acts_in(Mode.BASE, because=("sensor_publishers",)),
        deadline=4.0,
        protection=Protection(rules=("sensor_publishers",)),
    ),
    Fault(
        name="message_flood",
        injected="every joint state and every frame comes 20 times",
        demand="mode frozen",
        inject=_all_altered(lambda rig: rig.relay.sensors, lambda: relay.flooded(20)),
        remove=_pass_on,
        reaction=_acts_in(Mode.FROZEN, because=("camera_rate", "joint_state_rate", "stamp_disorder")),
        deadline=3.0,
        protection=Protection(rules=("camera_rate", "joint_state_rate", "stamp_disorder", "control_jitter", "underruns", "camera_age")),
    ),
)


def _instruction_changes(rig: Rig) -> None:
    rig.command_policy(faulty_policy.SLOW)
    rig.instruct_in_mid_inference()


def _answers_the_new_instruction(rig: Rig, injection: Injection) -> float | None:
    """The next chunk answers an observation made after the new instruction: one under way was dropped."""
    chunk = first(rig.observer.chunks, rig.instructed, lambda message: True)
    if chunk is None or nanoseconds(chunk.message.header.stamp) < injection.last[CAMERA]:
        return None
    return chunk.at - rig.instructed


def _shifted_clock(seconds: float) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        for stream in (*rig.relay.sensors, CLOCK_TOPIC):
            rig.relay.alterations[stream] = relay.shifted(seconds)

    return inject


_TIME = (
    Fault(
        name="instruction_in_mid_chunk",
        injected="another instruction while an inference is under way",
        demand="the next chunk answers the new one",
        inject=_instruction_changes,
        remove=_policy_behaves,
        reaction=_answers_the_new_instruction,
        deadline=_CHUNK,
        protection=Protection(patches=("old_instructions",)),
    ),
    Fault(
        name="clock_forward",
        injected="the clock and all stamps jump 5 s ahead",
        demand="mode base or safer",
        inject=_shifted_clock(5.0),
        remove=_pass_on,
        reaction=_acts_in(Mode.BASE),
        deadline=0.5,
        lasts=1.0,
        protection=Protection(patches=("ages", "permit_expiry", "clock_jumps"), rules=("camera_age", "joint_state_age", "policy_age")),
    ),
    Fault(
        name="clock_back",
        injected="the clock and all stamps jump 5 s back",
        demand="mode base or safer, and the run goes on in the new time",
        inject=_shifted_clock(-5.0),
        reaction=_acts_in(Mode.BASE),
        deadline=0.5,
        lasts=1.0,
        remove=_pass_on,
        protection=Protection(patches=("clock_jumps",)),
    ),
    Fault(
        name="clock_paused",
        injected="clock and sensors stand still",
        demand="no command any more",
        inject=_all_altered(lambda rig: (*rig.relay.sensors, CLOCK_TOPIC), lambda: relay.silent),
        remove=_pass_on,
        reaction=_commands_cease,
        deadline=0.2,
        protection=Protection(parameters=MappingProxyType({"use_sim_time": False}), patches=("ages",)),
    ),
    Fault(
        name="clock_lost",
        injected="/clock alone is lost",
        demand="ordered base",
        inject=_altered(CLOCK_TOPIC, lambda: relay.silent),
        remove=_pass_on,
        reaction=_ordered(Mode.BASE, because=("clock_stall",)),
        deadline=7.0,
        protection=Protection(rules=("clock_stall",)),
    ),
)

FAULTS: tuple[Fault, ...] = (*_ADAPTATION, *_PROCESSES, *_CAMERAS, *_JOINTS, *_TIME)
"""In the order of the table."""


def fault_named(name: str) -> Fault:
    """The fault called ``name``.

    Raises:
        ConfigurationError: there is none; the message lists all.
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise ConfigurationError(f"no fault is called '{name}'; there are {', '.join(fault.name for fault in FAULTS)}")
