"""Faults of whole processes, their files and the processor."""

from collections.abc import Callable
from types import MappingProxyType

from std_srvs.srv import Trigger

from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults.fault import CHUNK, HEARTBEATS, MAX_JOINT_AGE, Fault, Injection, Protection
from ttt_ros.nodes.faults.reactions import acts_in, commands_cease, either, ordered
from ttt_ros.nodes.faults.rig import Rig
from ttt_ros.safeguard.ladder import Mode


def _refused_to_configure(rig: Rig, _injection: Injection) -> float | None:
    return rig.answered - rig.asked if rig.answer is False else None


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


_LATENESS = (
    *("control_jitter", "underruns", "adaptation_busy", "queue_depth", "policy_age", "chunk_age", "adaptation_age"),
    *(
        "camera_age",
        "camera_rate",
        "camera_stuck",
        "joint_state_age",
        "joint_state_rate",
        "stamp_disorder",
        "joint_speed",
        "following_error",
    ),
)
"""Signals in which it shows that a machine does not keep its time."""

_RATE_SPAN = 2.0
"""Seconds over which the safeguard counts messages; on a machine that is late it goes by what arrives."""

_PERMIT = Protection(patches=("permit_expiry",))
_WATCHING_THE_POLICY = Protection(rules=("policy_age", "chunk_age", "adaptation_age"))

PROCESS_FAULTS: tuple[Fault, ...] = (
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
        reaction=acts_in(Mode.BASE, since="safeguard"),
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
        reaction=acts_in(Mode.BASE, since="safeguard"),
        deadline=HEARTBEATS,
        lasts=0.5,
        protection=_PERMIT,
    ),
    Fault(
        name="safeguard_restarted",
        injected="SIGINT to the safeguard, and a new one",
        demand="mode base within two heartbeats",
        inject=_restarted_cleanly,
        reaction=acts_in(Mode.BASE, since="safeguard"),
        deadline=HEARTBEATS,
        protection=_PERMIT,
    ),
    Fault(
        name="policy_killed",
        injected="SIGKILL to the policy node, and a new one",
        demand="ordered base; the new node begins with version 0",
        inject=lambda rig: rig.kill("policy"),
        remove=_restart("policy"),
        reaction=ordered(Mode.BASE, because=("policy_age", "chunk_age")),
        deadline=1.5,
        protection=_WATCHING_THE_POLICY,
    ),
    Fault(
        name="disk_full",
        injected="no file of the policy node may grow any further",
        demand="adaptation halted, mode frozen",
        inject=_disk_full,
        remove=_disk_has_room,
        reaction=acts_in(Mode.FROZEN, because=("adaptation_busy",)),
        deadline=CHUNK + 0.5,
        lasts=1.0,
        protection=Protection(patches=("halt",)),
    ),
    Fault(
        name="second_policy",
        injected="another policy node for the same arm",
        demand="refused at configure",
        inject=_another_policy,
        remove=lambda rig: rig.end("second_policy"),
        reaction=_refused_to_configure,
        deadline=5.0,
        protection=Protection(patches=("second_policy",)),
    ),
    Fault(
        name="simulation_restarted",
        injected="SIGKILL to the peer that publishes the sensors, and a new one",
        demand=f"mode hold within a control period of the age limit, {MAX_JOINT_AGE:g} s, or no command",
        inject=lambda rig: rig.kill("simulation"),
        remove=_restart("simulation"),
        reaction=either(acts_in(Mode.HOLD, since="joint_states"), commands_cease),
        deadline=0.3,
        protection=Protection(patches=("ages", "wall_ticks", "position_doubt"), rules=("camera_age", "joint_state_age", "clock_stall")),
        unheld={Net.SAFEGUARD: "its heartbeat goes by the clock that is lost with the peer, and by the wall clock it waits for seconds"},
    ),
    Fault(
        name="processor_starved",
        injected="twelve busy processes for each processor",
        demand="mode frozen or safer: nothing is learnt on a machine that is late",
        inject=lambda rig: rig.hog_processors(),
        remove=lambda rig: rig.release_processors(),
        reaction=acts_in(Mode.FROZEN, since="joint_states"),
        deadline=2.0,
        lasts=3.0,
        protection=Protection(
            parameters=MappingProxyType({"control.max_inference_time": 60.0}), patches=("ages", "permit_expiry"), rules=_LATENESS
        ),
        safeguard_later=_RATE_SPAN,
    ),
)
