"""Faults of the clock, and an instruction at the wrong moment."""

from collections.abc import Callable

from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults import faulty_policy, relay
from ttt_ros.nodes.faults.fault import CAMERA, CHUNK, Fault, Injection, Protection
from ttt_ros.nodes.faults.injections import all_altered, altered, pass_on, policy_behaves
from ttt_ros.nodes.faults.observer import first
from ttt_ros.nodes.faults.reactions import acts_in, after, commands_cease, ordered
from ttt_ros.nodes.faults.relay import CLOCK_TOPIC
from ttt_ros.nodes.faults.rig import Rig
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode


def _instruction_changes(rig: Rig) -> None:
    rig.command_policy(faulty_policy.PENSIVE)
    rig.instruct_in_mid_inference()


def _answers_the_new_instruction(rig: Rig, _injection: Injection) -> float | None:
    """The next chunk answers no observation from before the new instruction: the one under way was dropped."""
    chunk = first(rig.observer.chunks, rig.instructed, lambda message: True)
    if chunk is None or nanoseconds(chunk.message.header.stamp) < rig.seen_when_instructed:
        return None
    return chunk.at - rig.instructed


def _acts_in_the_time_before(rig: Rig, injection: Injection) -> float | None:
    """In base or safer, and then a chunk answers an observation that is dated before the jump."""
    back = injection.last[CAMERA] - _BACK * NANOSECONDS // 2
    chunk = first(rig.observer.chunks, injection.at, lambda message: nanoseconds(message.header.stamp) < back)
    return None if chunk is None or acts_in(Mode.BASE)(rig, injection) is None else after(chunk, injection)


def _shifted_clock(seconds: float) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        for stream in (*rig.relay.sensors, CLOCK_TOPIC):
            rig.relay.alterations[stream] = relay.shifted(seconds)

    return inject


_BACK = 5  # s

TIME_FAULTS: tuple[Fault, ...] = (
    Fault(
        name="instruction_in_mid_chunk",
        injected="another instruction while an inference is under way",
        demand="the next chunk answers the new one",
        inject=_instruction_changes,
        remove=policy_behaves,
        reaction=_answers_the_new_instruction,
        deadline=CHUNK,
        protection=Protection(patches=("old_instructions",)),
    ),
    Fault(
        name="clock_forward",
        injected="the clock and all stamps jump 5 s ahead",
        demand="mode base or safer",
        inject=_shifted_clock(5.0),
        remove=pass_on,
        reaction=acts_in(Mode.BASE),
        deadline=0.5,
        lasts=1.0,
        protection=Protection(patches=("ages", "permit_expiry", "late_chunks"), rules=("camera_age", "joint_state_age", "policy_age")),
        unheld={Net.SAFEGUARD: "streams and clock jump together, and are old at a single heartbeat, where three must find them so"},
    ),
    Fault(
        name="clock_back",
        injected=f"the clock and all stamps jump {_BACK} s back",
        demand="mode base or safer, and a chunk of the new time",
        inject=_shifted_clock(-_BACK),
        reaction=_acts_in_the_time_before,
        deadline=1.5,
        lasts=1.5,
        remove=pass_on,
        protection=Protection(patches=("clock_jumps",)),
    ),
    Fault(
        name="clock_paused",
        injected="clock and sensors stand still",
        demand="no command any more",
        inject=all_altered(lambda rig: (*rig.relay.sensors, CLOCK_TOPIC), lambda: relay.silent),
        remove=pass_on,
        reaction=commands_cease,
        deadline=0.2,
        protection=Protection(patches=("wall_ticks",)),
    ),
    Fault(
        name="clock_lost",
        injected="/clock alone is lost",
        demand="ordered base",
        inject=altered(CLOCK_TOPIC, lambda: relay.silent),
        remove=pass_on,
        reaction=ordered(Mode.BASE, because=("clock_stall",)),
        deadline=7.0,
        protection=Protection(rules=("clock_stall",)),
    ),
)
