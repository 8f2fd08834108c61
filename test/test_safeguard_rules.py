"""Rules: k of n to trip, hysteresis and evidence to clear, NaN is a violation."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.configuration import validated
from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.rules import Rule, RuleState, demand, observe

RULE = Rule(signal="gradient_norm", limit=20.0, clear_limit=10.0, trips=2, of_last=3, clear_after=4, mode=Mode.FROZEN)
SINGLE = replace(RULE, trips=1, of_last=1, clear_after=1)

not_finite = st.sampled_from([math.nan, math.inf, -math.inf])
values = st.one_of(st.floats(0.0, 40.0), st.sampled_from([10.0, 20.0, 20.000001]), not_finite)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    trips = draw(st.integers(1, 4))
    direction = draw(st.sampled_from(["above", "below"]))
    limit, clear_limit = (20.0, 10.0) if direction == "above" else (10.0, 20.0)
    return Rule(
        signal="gradient_norm",
        limit=limit,
        clear_limit=clear_limit,
        direction=direction,  # type: ignore[arg-type]
        trips=trips,
        of_last=draw(st.integers(trips, 6)),
        clear_after=draw(st.integers(trips, 8)),
        mode=Mode.FROZEN,
    )


def states_of(rule: Rule, readings: list[float]) -> list[RuleState]:
    states = [RuleState()]
    for value in readings:
        states.append(observe(rule, states[-1], value))
    return states


def final_demand(rule: Rule, readings: list[float]) -> object:
    return demand(rule, states_of(rule, readings)[-1])


def reason(rule: Rule, readings: list[float], source: str = "") -> str:
    state = RuleState()
    for value in readings:
        state = observe(rule, state, value, source=source)
    found = demand(rule, state)
    assert found is not None
    return found.reason


@given(rules(), st.lists(values, max_size=30))
def test_a_rule_is_tripped_exactly_by_k_violations_of_the_last_n_and_cleared_by_a_run_of_good_readings(
    rule: Rule, readings: list[float]
) -> None:
    tripped, history = False, []
    for value, state in zip(readings, states_of(rule, readings)[1:], strict=True):
        history.append(value)
        if tripped:
            recent = history[-rule.clear_after :]
            tripped = not (len(recent) == rule.clear_after and all(rule.satisfied_by(each) for each in recent))
            if not tripped:
                history = []
        else:
            tripped = sum(rule.violated_by(each) for each in history[-rule.of_last :]) >= rule.trips
            history = [] if tripped else history
        assert (state.trip is not None) == tripped


@given(rules(), st.lists(st.floats(10.0, 20.0, exclude_min=True, exclude_max=True), min_size=1, max_size=40), st.data())
def test_a_signal_swinging_around_its_limit_inside_the_band_never_clears(rule: Rule, band: list[float], data: st.DataObject) -> None:
    violating = 21.0 if rule.direction == "above" else 9.0
    swings = [data.draw(st.sampled_from([value, violating])) for value in band]
    trips = [state.trip is not None for state in states_of(rule, swings)]
    assert sum(before != after for before, after in pairwise(trips)) <= 1


@given(rules(), not_finite)
def test_readings_that_are_not_finite_trip_every_rule(rule: Rule, value: float) -> None:
    assert final_demand(rule, [value] * rule.trips) is not None


@given(rules(), st.lists(values, max_size=10), not_finite)
def test_a_reading_that_is_not_finite_is_never_evidence_that_all_is_well(rule: Rule, readings: list[float], value: float) -> None:
    assert states_of(rule, [*readings, value])[-1].good_readings == 0


@pytest.mark.parametrize(("value", "tripped"), [(20.0, False), (20.000001, True)])
def test_a_reading_at_the_limit_is_allowed_and_one_beyond_it_is_not(value: float, tripped: bool) -> None:
    assert (final_demand(SINGLE, [value]) is not None) == tripped


@pytest.mark.parametrize(("value", "cleared"), [(10.0, True), (10.000001, False), (20.0, False)])
def test_only_a_reading_back_at_the_clear_limit_clears(value: float, cleared: bool) -> None:
    assert (final_demand(SINGLE, [25.0, value]) is None) == cleared


def test_a_reading_between_the_limits_breaks_a_run_of_good_ones() -> None:
    assert final_demand(RULE, [25.0, 25.0, 5.0, 5.0, 5.0, 15.0, 5.0, 5.0, 5.0]) is not None
    assert final_demand(RULE, [25.0, 25.0, 5.0, 5.0, 5.0, 5.0]) is None


def test_a_cleared_rule_does_not_remember_violations_from_before() -> None:
    slow = replace(RULE, of_last=8)
    assert final_demand(slow, [25.0, 25.0, 5.0, 5.0, 5.0, 5.0, 25.0]) is None


def test_violations_may_lie_apart_within_the_last_n() -> None:
    assert final_demand(RULE, [25.0, 5.0, 25.0]) is not None
    assert final_demand(RULE, [25.0, 5.0, 5.0, 25.0]) is None


def test_a_rule_below_a_limit_watches_the_other_side() -> None:
    below = replace(SINGLE, direction="below", limit=10.0, clear_limit=20.0)
    assert final_demand(below, [9.0]) is not None
    assert final_demand(below, [11.0]) is None
    assert final_demand(below, [9.0, 19.0]) is not None
    assert final_demand(below, [9.0, 20.0]) is None


def test_the_reason_names_signal_value_limit_and_count() -> None:
    assert reason(RULE, [5.0, 40.0, 63.1]) == "gradient_norm 63.1 above 20 in 2 of 3 windows"


def test_the_reason_says_when_a_value_was_not_finite() -> None:
    assert reason(SINGLE, [math.nan]) == "gradient_norm nan is not finite (limit 20) in 1 of 1 windows"


def test_the_reason_gives_units_and_the_stream() -> None:
    rule = Rule(signal="camera_age", limit=0.5, clear_limit=0.3, trips=2, of_last=2, clear_after=2, mode=Mode.HOLD)
    assert reason(rule, [0.6, 0.7], source="front") == "camera_age 0.7 s (front) above 0.5 s in 2 of 2 ticks"


def test_the_reason_keeps_the_reading_that_tripped_the_rule() -> None:
    assert reason(SINGLE, [25.0, 99.0]) == "gradient_norm 25 above 20 in 1 of 1 windows"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": "mood"}, "unknown signal 'mood'; known signals are gradient_norm, .*adaptation_age"),
        ({"clear_after": 1}, "clear_after 1 is less evidence than trips 2"),
        ({"trips": 4}, "trips 4 can never be reached in of_last 3"),
        ({"clear_limit": 20.0}, "clear_limit 20 must lie below limit 20"),
        ({"clear_limit": 30.0}, "clear_limit 30 must lie below limit 20"),
        ({"direction": "below"}, "clear_limit 10 must lie above limit 20"),
        ({"clear_limit": math.nan}, "clear_limit nan must lie below"),
        ({"mode": Mode.ADAPTING}, "'adapting' demands nothing"),
    ],
)
def test_a_contradictory_rule_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(RULE, **change)  # type: ignore[arg-type]


WRITTEN = {"signal": "drift_total", "limit": 0.3, "clear_limit": 0.2, "trips": 1, "of_last": 1, "clear_after": 1, "mode": "hold"}


def test_a_rule_is_read_from_plain_values_with_the_mode_by_its_label() -> None:
    assert validated(Rule, WRITTEN, source="rules").mode is Mode.HOLD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "HOLD"}, "must be one of adapting, frozen, base, hold, stop"),
        ({"mode": 3}, "must be one of"),
        ({"trips": 0}, "'trips' = 0"),
        ({"limit": math.inf}, "'limit' = inf"),
        ({"direction": "beside"}, "'direction' = 'beside'"),
        ({"patience": 3}, "unknown key 'patience'"),
    ],
)
def test_a_malformed_rule_is_refused_with_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        validated(Rule, WRITTEN | change, source="rules")
