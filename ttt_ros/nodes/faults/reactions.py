"""Ways to see that a fault was reacted to, each as the seconds that it took."""

import time
from collections.abc import Sequence
from typing import Any

from ttt_ros.nodes.faults.fault import Injection, Reaction
from ttt_ros.nodes.faults.observer import Heard, first, stayed_away
from ttt_ros.nodes.faults.rig import Rig
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode


def acts_in(mode: Mode, *, since: str = "", because: tuple[str, ...] = ()) -> Reaction:
    """The policy node acts in ``mode`` or a safer one, counted from the injection by the wall clock.

    Args:
        because: signals of which one must be among the safeguard's reasons by then: another one may trip for a reason of its own.
        since: stream whose last good stamp is counted from instead, or ``safeguard`` for its last word that allowed a better mode, which is
            not that of another one begun since; by the stamps, since a busy machine delays what is seen here, but not those.
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
            allowing = [heard.message for heard in rig.observer.states if heard.at < found.at and heard.message.mode < mode]
            begun = nanoseconds(allowing[-1].header.stamp)
        else:
            begun = injection.last[since]
        return (nanoseconds(found.message.header.stamp) - begun) / NANOSECONDS

    return seen


def acts_once_moved(mode: Mode, *, by: float, seconds: float, because: tuple[str, ...]) -> Reaction:
    """As ``acts_in``, but counted from when a joint had moved ``by`` rad and stayed there for ``seconds``; 0 if it acts before.

    Before that nothing tells the fault from an arm at rest.
    """
    acts = acts_in(mode, because=because)

    def seen(rig: Rig, injection: Injection) -> float | None:
        took = acts(rig, injection)
        if took is None:
            return None
        moved = stayed_away(rig.observer.joints, by, since=injection.at, seconds=seconds)
        return 0.0 if moved is None else max(0.0, injection.at + took - moved)

    return seen


def _names(reasons: Sequence[str], signals: tuple[str, ...]) -> bool:
    return any(reason.startswith(f"{signal} ") for reason in reasons for signal in signals)


def ordered(mode: Mode, *, because: tuple[str, ...]) -> Reaction:
    """The safeguard orders ``mode`` or a safer one, for a reason that names one of the signals."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        ordered = first(rig.observer.states, injection.at, lambda message: message.mode >= mode and _names(message.reasons, because))
        return after(ordered, injection)

    return seen


def refused(*fragments: str) -> Reaction:
    """A window is refused for a reason that holds one of ``fragments``."""

    def refusal(message: Any) -> bool:
        return not message.committed and any(fragment in message.reason for fragment in fragments)

    def seen(rig: Rig, injection: Injection) -> float | None:
        return after(first(rig.observer.windows, injection.at, refusal), injection)

    return seen


def either(*reactions: Reaction) -> Reaction:
    """The first of several."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        return min((time for time in (reaction(rig, injection) for reaction in reactions) if time is not None), default=None)

    return seen


def after(heard: Heard[Any] | None, injection: Injection) -> float | None:
    return None if heard is None else heard.at - injection.at


def kept_up(seconds: float) -> Reaction:
    """The run simply goes on: after ``seconds`` it has never left mode adapting and has met its control ticks."""

    def seen(rig: Rig, injection: Injection) -> float | None:
        if time.monotonic() - injection.at < seconds:
            return None
        told = [heard.message for heard in rig.observer.controls if heard.at >= injection.at]
        calm = bool(told) and all(message.mode == Mode.ADAPTING and message.underruns == 0.0 for message in told)
        return 0.0 if calm else None

    return seen


def endured(seconds: float) -> Reaction:
    """The fault lasted for ``seconds``; whether all limits were kept meanwhile is what the observer tells."""
    return lambda _rig, injection: seconds if time.monotonic() - injection.at >= seconds else None


def commands_cease(rig: Rig, injection: Injection) -> float | None:
    """Nothing is commanded any more for half a second, or the mode is base or safer."""
    commands = [heard.at for heard in rig.observer.commands if heard.at >= injection.at]
    last = max(commands, default=injection.at)
    return last - injection.at if time.monotonic() - last > 0.5 else None
