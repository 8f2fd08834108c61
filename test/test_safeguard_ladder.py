"""The mode ladder: down at once, up only without demands, latched at hold and stop."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.safeguard import ladder
from ttt_ros.safeguard.ladder import Demand, LadderState, Mode

demands = st.lists(st.sampled_from(list(Mode)[1:]).map(lambda mode: Demand(mode=mode, reason=f"wants {mode.label}")), max_size=3)
histories = st.lists(demands, max_size=20)


def states_of(history: list[list[Demand]]) -> list[LadderState]:
    states = [ladder.entered([], 0)]
    for now, standing in enumerate(history, start=1):
        states.append(ladder.advance(states[-1], standing, now))
    return states


def worst(standing: list[Demand]) -> Mode:
    return max((demand.mode for demand in standing), default=Mode.ADAPTING)


def test_modes_are_ordered_from_best_to_safest_and_carry_their_published_label() -> None:
    assert [mode.label for mode in sorted(Mode)] == ["adapting", "frozen", "base", "hold", "stop"]


@given(histories)
def test_the_mode_is_never_better_than_a_standing_demand(history: list[list[Demand]]) -> None:
    for standing, state in zip(history, states_of(history)[1:], strict=True):
        assert state.mode >= worst(standing)


@given(histories)
def test_a_step_down_goes_exactly_as_far_as_demanded_in_one_transition(history: list[list[Demand]]) -> None:
    states = states_of(history)
    for standing, before, after in zip(history, states, states[1:], strict=False):
        if after.mode > before.mode:
            assert after.mode == worst(standing)


@given(histories)
def test_hold_and_stop_are_never_left_upwards_without_a_reset(history: list[list[Demand]]) -> None:
    states = states_of(history)
    for before, after in pairwise(states):
        assert before.latched == (before.mode >= Mode.HOLD)
        if before.latched:
            assert after.mode >= before.mode


@given(histories)
def test_below_the_latch_the_mode_is_exactly_the_worst_demand(history: list[list[Demand]]) -> None:
    for standing, state in zip(history, states_of(history)[1:], strict=True):
        if not state.latched:
            assert state.mode == worst(standing)


@given(histories)
def test_since_changes_with_the_mode_and_only_then(history: list[list[Demand]]) -> None:
    states = states_of(history)
    for now, (before, after) in enumerate(pairwise(states), start=1):
        assert after.since == (before.since if after.mode == before.mode else now)


@given(histories, demands)
def test_a_reset_leads_as_far_up_as_the_standing_demands_allow(history: list[list[Demand]], standing: list[Demand]) -> None:
    state = ladder.reset(states_of(history)[-1], standing, 99)
    assert state.mode == worst(standing)
    assert state.latched == (state.mode >= Mode.HOLD)


def test_a_latched_hold_still_goes_down_to_stop() -> None:
    held = ladder.entered([Demand(mode=Mode.HOLD, reason="blind")], 1)
    stopped = ladder.advance(held, [Demand(mode=Mode.STOP, reason="worse")], 2)
    assert (stopped.mode, stopped.reasons, stopped.since) == (Mode.STOP, ("worse",), 2)


def test_a_latched_state_keeps_the_reasons_that_led_to_it() -> None:
    held = ladder.entered([Demand(mode=Mode.HOLD, reason="blind")], 1)
    assert ladder.advance(held, [], 2) == held
    assert ladder.advance(held, [Demand(mode=Mode.BASE, reason="late")], 2) == held


def test_reasons_are_ordered_from_the_safest_mode_demanded_downwards() -> None:
    state = ladder.entered([Demand(mode=Mode.FROZEN, reason="mild"), Demand(mode=Mode.BASE, reason="grave")], 1)
    assert state.reasons == ("grave", "mild")


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.BASE])
def test_a_new_reason_for_the_same_mode_is_shown_without_entering_it_anew(mode: Mode) -> None:
    state = ladder.entered([Demand(mode=mode, reason="first")], 1)
    state = ladder.advance(state, [Demand(mode=mode, reason="second")], 2)
    assert (state.reasons, state.since) == (("second",), 1)
