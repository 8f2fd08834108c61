"""The mode ladder: down at once and as far as demanded, up only when no demand is left, latched at hold and stop."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class Mode(IntEnum):
    """What the robot may do, from best to safest: a greater mode is a safer one."""

    ADAPTING = 0
    """The policy acts and its weights may change."""
    FROZEN = 1
    """The policy acts with the last trusted version; nothing is committed."""
    BASE = 2
    """The policy acts with version 0."""
    HOLD = 3
    """The policy does not act; the last position is kept."""
    STOP = 4
    """Nothing is commanded any more."""

    @property
    def label(self) -> str:
        """The name in lower case, as it is configured and published."""
        return self.name.lower()


LATCHING = Mode.HOLD
"""From this mode downwards only a reset leads up: the robot has stood still, and a person decides when it moves again."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A claim that the mode be no better than ``mode``; it stands until whoever made it withdraws it."""

    mode: Mode
    reason: str


@dataclass(frozen=True, kw_only=True)
class LadderState:
    """Where the ladder stands.

    Attributes:
        mode: the mode in force.
        reasons: of the demands, the one for the safest mode first; while latched, those that led here.
        since: nanoseconds at which this mode was entered.
    """

    mode: Mode
    reasons: tuple[str, ...]
    since: int

    @property
    def latched(self) -> bool:
        """Whether only ``reset`` leads up from here."""
        return self.mode >= LATCHING


def entered(demands: Sequence[Demand], now: int) -> LadderState:
    """The state that ``demands`` alone lead to, entered at ``now`` (nanoseconds)."""
    return LadderState(mode=_demanded(demands), reasons=_reasons(demands), since=now)


def advance(state: LadderState, demands: Sequence[Demand], now: int) -> LadderState:
    """The state after ``demands``, all those that stand at ``now`` (nanoseconds).

    The mode goes down at once, past the modes between. It goes up as far as the demands left allow, so that the
    evidence for a step up lies with those who withdraw a demand. A latched mode only gets safer.
    """
    if state.latched and _demanded(demands) <= state.mode:
        return state
    return _obeying(state, demands, now)


def reset(state: LadderState, demands: Sequence[Demand], now: int) -> LadderState:
    """Lifts the latch, then obeys ``demands``: a reset cannot lead above a demand that still stands."""
    return _obeying(state, demands, now)


def _obeying(state: LadderState, demands: Sequence[Demand], now: int) -> LadderState:
    if _demanded(demands) == state.mode:
        return replace(state, reasons=_reasons(demands))
    return entered(demands, now)


def _demanded(demands: Sequence[Demand]) -> Mode:
    return max((demand.mode for demand in demands), default=Mode.ADAPTING)


def _reasons(demands: Sequence[Demand]) -> tuple[str, ...]:
    return tuple(demand.reason for demand in sorted(demands, key=lambda demand: demand.mode, reverse=True))
