"""Faults of the gradient, the update and the adaptation thread."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults import faulty_policy
from ttt_ros.nodes.faults.fault import CHUNK, STEPS_OF_A_CHUNK, TICK, Fault, Injection, Protection
from ttt_ros.nodes.faults.injections import policy_behaves
from ttt_ros.nodes.faults.observer import first
from ttt_ros.nodes.faults.reactions import acts_in, either, endured, kept_up, refused
from ttt_ros.nodes.faults.rig import INSTRUCTION_EVERY, Rig
from ttt_ros.safeguard.ladder import Mode


def _policy_does(fault: str) -> Callable[[Rig], None]:
    return lambda rig: rig.command_policy(fault)


def _slows_down_between_instructions(rig: Rig) -> None:
    """Not beside a new instruction, which drops the chunk of an inference under way: with the next as slow that may be an underrun."""
    rig.instruct()
    rig.spin(_ANSWERED)
    rig.command_policy(faulty_policy.SLOW)


def _policy_configured_anew(rig: Rig) -> None:
    rig.command_policy(faulty_policy.NONE)
    rig.configured_anew()


def _of_the_policy(name: str, injected: str, *, remove: Callable[[Rig], None] = policy_behaves, **more: Any) -> Fault:
    return Fault(name=name, injected=injected, inject=_policy_does(name), remove=remove, **more)


def _rolled_back(rig: Rig, _injection: Injection) -> float | None:
    """The first chunk of the epoch that the rollback began is of no newer version than the service answered."""
    epoch = max((heard.message.reset_epoch for heard in rig.observer.chunks if heard.at < rig.answered), default=0)
    chunk = first(rig.observer.chunks, rig.answered, lambda message: message.reset_epoch > epoch)
    if chunk is None or chunk.message.weights_version > rig.rolled_back_to:
        return None
    return chunk.at - rig.answered


_ANSWERED = 0.4  # s in which a new instruction is answered
_PUSHED = 12.0  # s, some fifty windows: without the limits it takes about thirty to be beyond them


_GATES_OFF: Mapping[str, object] = MappingProxyType(
    {"adaptation.drift_limit": 10.0, "adaptation.probe_limit": 6.3, "adaptation.gate_factor": 1e6, "adaptation.trim_factor": 1e6}
)
_DRIFT_RULES = ("drift_total", "drift_module", "action_deviation", "base_deviation", "update_norm", "loss_ratio", "prediction_loss")

LEARNING_FAULTS: tuple[Fault, ...] = (
    _of_the_policy(
        faulty_policy.NAN_GRADIENT,
        "the reconstruction's backward pass gives NaN",
        demand="window refused",
        reaction=refused("gradient is not finite"),
        deadline=CHUNK,
        protection=Protection(patches=("finite_checks",)),
    ),
    _of_the_policy(
        faulty_policy.INFINITE_GRADIENT,
        "the reconstruction's backward pass gives infinity",
        demand="window refused",
        reaction=refused("gradient is not finite"),
        deadline=CHUNK,
        protection=Protection(patches=("finite_checks",)),
    ),
    _of_the_policy(
        faulty_policy.LARGE_GRADIENT,
        "the reconstruction's backward pass gives 100 times the gradient",
        demand="windows refused, mode frozen, or every update kept within the clip",
        reaction=either(refused("above gradient_limit"), acts_in(Mode.FROZEN, because=("gradient_norm",)), endured(2 * CHUNK)),
        deadline=2 * CHUNK,
        lasts=2 * CHUNK,
        protection=Protection(
            parameters=MappingProxyType({"adaptation.gradient_limit": 1e6, "adaptation.clip_norm": 1e6}),
            rules=("gradient_norm", *_DRIFT_RULES),
        ),
        unheld={Net.SAFEGUARD: "it hears of a step only once that was taken"},
    ),
    _of_the_policy(
        faulty_policy.SLOW_DRIFT,
        "every gradient points the same way, just shorter than the clip",
        demand="windows refused, mode frozen, or drift and actions kept within their limits",
        reaction=either(refused("probe_limit", "gate's limit"), acts_in(Mode.FROZEN, because=_DRIFT_RULES), endured(_PUSHED)),
        deadline=_PUSHED,
        lasts=_PUSHED,
        protection=Protection(parameters=_GATES_OFF, rules=_DRIFT_RULES),
        unheld={Net.SAFEGUARD: "its limits on drift lie beyond that of the update rule, and what has drifted so far stays frozen"},
    ),
    _of_the_policy(
        faulty_policy.FALLING_LOSS,
        "a loss that falls in every window while its gradient drives the actions away",
        demand="windows refused, mode frozen, or drift and actions kept within their limits",
        reaction=either(refused("probe_limit", "gate's limit"), acts_in(Mode.FROZEN, because=_DRIFT_RULES), endured(_PUSHED)),
        deadline=_PUSHED,
        lasts=_PUSHED,
        protection=Protection(parameters=_GATES_OFF, rules=_DRIFT_RULES),
    ),
    _of_the_policy(
        faulty_policy.HANG,
        "the step does not return",
        demand="mode frozen",
        reaction=acts_in(Mode.FROZEN, because=("adaptation_busy", "queue_depth")),
        deadline=3.5,
        protection=Protection(rules=("adaptation_busy", "adaptation_age", "queue_depth")),
    ),
    _of_the_policy(
        faulty_policy.DEATH,
        "SystemExit in the step: the adaptation thread ends",
        demand="mode frozen",
        reaction=acts_in(Mode.FROZEN, because=("adaptation_busy",)),
        deadline=CHUNK + 0.5,
        remove=_policy_configured_anew,
        protection=Protection(rules=("adaptation_busy", "adaptation_age", "queue_depth")),
    ),
    _of_the_policy(
        faulty_policy.EXCEPTION,
        "RuntimeError in the step",
        demand="window refused",
        reaction=refused("RuntimeError"),
        deadline=CHUNK,
        remove=_policy_configured_anew,
        protection=Protection(patches=("exceptions",)),
    ),
    Fault(
        name=faulty_policy.SLOW,
        injected=f"each inference takes {faulty_policy.SLOW_BY * 1000:g} ms longer, three times as long as before",
        demand="the run goes on without an underrun",
        inject=_slows_down_between_instructions,
        remove=policy_behaves,
        reaction=kept_up(INSTRUCTION_EVERY),
        deadline=0.1,
        protection=Protection(parameters=MappingProxyType({"control.request_at": 0})),
    ),
    Fault(
        name="rollback",
        injected="the service ~/adaptation/rollback in mid-chunk",
        demand="the version before acts from the next chunk on",
        inject=lambda rig: rig.roll_back(),
        reaction=_rolled_back,
        deadline=STEPS_OF_A_CHUNK * TICK,
        protection=Protection(patches=("rollback",)),
    ),
)
