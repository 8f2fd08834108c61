"""Rules with hysteresis: when a signal's readings demand a safer mode, and when they no longer do."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.ladder import Demand, Mode
from ttt_ros.safeguard.signals import Signal, signal_named


def _mode_labelled(label: object) -> object:
    if isinstance(label, Mode):
        return label
    for mode in Mode:
        if mode.label == label:
            return mode
    raise ValueError(f"must be one of {', '.join(mode.label for mode in Mode)}")


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Rule:
    """Demands ``mode`` once ``trips`` of the last ``of_last`` readings violate ``limit``.

    The demand is withdrawn after ``clear_after`` consecutive good readings. Between the two limits a reading is neither: it
    counts as no violation and breaks a run of good ones, so that a signal swinging around a limit cannot make the mode chatter.

    Attributes:
        signal: name from the catalogue in ``signals``.
        limit: in the signal's unit; a reading beyond it violates, one that is not finite always does.
        clear_limit: a reading at or behind it is good.
        direction: the side of ``limit`` that violates.
        trips: violations that demand the mode.
        of_last: readings among which they are counted.
        clear_after: at least ``trips``, so that a step up takes as much evidence as the step down.
        mode: no better mode is allowed while the rule is tripped.

    Raises:
        ConfigurationError: the signal is unknown or the numbers contradict each other.
    """

    signal: str
    limit: float
    clear_limit: float
    direction: Literal["above", "below"] = "above"
    trips: Annotated[int, Field(ge=1)]
    of_last: Annotated[int, Field(ge=1)]
    clear_after: Annotated[int, Field(ge=1)]
    mode: Annotated[Mode, BeforeValidator(_mode_labelled)]

    def __post_init__(self) -> None:
        signal_named(self.signal)
        if self.mode == Mode.ADAPTING:
            raise ConfigurationError(f"rule on {self.signal}: mode 'adapting' demands nothing; name a safer mode")
        if self.trips > self.of_last:
            raise ConfigurationError(f"rule on {self.signal}: trips {self.trips} can never be reached in of_last {self.of_last} readings")
        if self.clear_after < self.trips:
            raise ConfigurationError(
                f"rule on {self.signal}: clear_after {self.clear_after} is less evidence than trips {self.trips}; make it at least as many"
            )
        gap = self.limit - self.clear_limit if self.direction == "above" else self.clear_limit - self.limit
        if not gap > 0:
            safe_side = "below" if self.direction == "above" else "above"
            raise ConfigurationError(
                f"rule on {self.signal}: clear_limit {self.clear_limit:g} must lie {safe_side} limit {self.limit:g}, or the mode chatters"
            )

    def violated_by(self, value: float) -> bool:
        """Whether one reading is beyond the limit or not finite."""
        if not math.isfinite(value):
            return True
        return value > self.limit if self.direction == "above" else value < self.limit

    def satisfied_by(self, value: float) -> bool:
        """Whether one reading counts as evidence that all is well again."""
        if not math.isfinite(value):
            return False
        return value <= self.clear_limit if self.direction == "above" else value >= self.clear_limit


@dataclass(frozen=True, kw_only=True)
class Trip:
    """The reading that tripped a rule.

    Attributes:
        value: the reading, in the signal's unit.
        source: which of several streams it came from, empty where there is one only.
        violations: of the last ``readings`` readings.
        readings: how many were there; fewer than the rule's ``of_last`` early on.
    """

    value: float
    source: str
    violations: int
    readings: int


@dataclass(frozen=True, kw_only=True)
class RuleState:
    """What a rule remembers.

    Attributes:
        violations: of the last ``of_last`` readings, the newest last.
        good_readings: consecutive good readings up to now, counted up to the rule's ``clear_after``.
        trip: what tripped the rule, None while it demands nothing.
    """

    violations: tuple[bool, ...] = ()
    good_readings: int = 0
    trip: Trip | None = None


def observe(rule: Rule, state: RuleState, value: float, *, source: str = "") -> RuleState:
    """The state after one more reading."""
    violations = (*state.violations, rule.violated_by(value))[-rule.of_last :]
    good_readings = min(state.good_readings + 1, rule.clear_after) if rule.satisfied_by(value) else 0
    if state.trip is None and sum(violations) >= rule.trips:
        trip = Trip(value=value, source=source, violations=sum(violations), readings=len(violations))
        return RuleState(violations=violations, good_readings=good_readings, trip=trip)
    if state.trip is not None and good_readings >= rule.clear_after:
        return RuleState(good_readings=good_readings)
    return RuleState(violations=violations, good_readings=good_readings, trip=state.trip)


def demand(rule: Rule, state: RuleState) -> Demand | None:
    """What the rule demands now, with the reason in words, or None."""
    if state.trip is None:
        return None
    return Demand(mode=rule.mode, reason=_reason(rule, signal_named(rule.signal), state.trip))


def _reason(rule: Rule, signal: Signal, trip: Trip) -> str:
    source = f" ({trip.source})" if trip.source else ""
    limit = signal.quantity(rule.limit)
    verdict = f"{rule.direction} {limit}" if math.isfinite(trip.value) else f"is not finite (limit {limit})"
    return f"{signal.name} {signal.quantity(trip.value)}{source} {verdict} in {trip.violations} of {trip.readings} {signal.cadence}s"
