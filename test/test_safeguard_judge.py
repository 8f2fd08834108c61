"""The safeguard as a whole: readings in, verdict out."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard, Verdict
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.rules import Rule

SECOND = 1_000_000_000
TICK = SECOND // 10
GRADIENT = Rule(signal="gradient_norm", limit=20.0, clear_limit=10.0, trips=2, of_last=3, clear_after=3, mode=Mode.FROZEN)
DRIFT = Rule(signal="drift_total", limit=0.5, clear_limit=0.2, trips=1, of_last=1, clear_after=2, mode=Mode.BASE)
DEVIATION = Rule(signal="action_deviation", limit=1.0, clear_limit=0.2, trips=1, of_last=1, clear_after=2, mode=Mode.HOLD)
LOSS = Rule(signal="prediction_loss", limit=9.0, clear_limit=4.0, trips=3, of_last=5, clear_after=3, mode=Mode.STOP)
CAMERA = Rule(signal="camera_age", limit=0.5, clear_limit=0.3, trips=2, of_last=2, clear_after=3, mode=Mode.HOLD)
CHUNK = Rule(signal="chunk_age", limit=0.5, clear_limit=0.3, trips=2, of_last=2, clear_after=2, mode=Mode.HOLD)

CLEAN = {"gradient_norm": 1.0, "drift_total": 0.1}
WILD = {"gradient_norm": 63.1, "drift_total": 0.1}


def safeguard_with(*rules: Rule) -> Safeguard:
    return Safeguard(SafeguardConfig(rules=rules, startup_grace=1.0), cameras=["front"], now=0)


def ticked(safeguard: Safeguard, start: int, ticks: int, *, camera: bool = True, chunks: bool = False) -> Verdict:
    for now in range(start, start + ticks * TICK, TICK):
        if camera:
            safeguard.streams.heard_camera("front", now)
        if chunks:
            safeguard.streams.heard_chunk(now)
        verdict = safeguard.tick(now)
    return verdict


readings = st.one_of(
    st.tuples(st.just("gradient_norm"), st.sampled_from([1.0, 10.0, 15.0, 20.0, 30.0, math.nan])),
    st.tuples(st.just("drift_total"), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6, math.inf])),
    st.tuples(st.just("action_deviation"), st.sampled_from([0.1, 0.5, 1.1])),
    st.tuples(st.just("prediction_loss"), st.sampled_from([1.0, 5.0, 10.0, math.nan])),
)
rule_sets = st.sampled_from([(GRADIENT, DRIFT), (GRADIENT, DRIFT, DEVIATION), (GRADIENT, DRIFT, DEVIATION, LOSS)])


def verdicts_of(rules: tuple[Rule, ...], history: list[tuple[str, float]]) -> list[Verdict]:
    safeguard = safeguard_with(*rules)
    verdicts = [safeguard.judge()]
    for now, (signal, value) in enumerate(history, start=1):
        safeguard.read(signal, value, now)
        verdicts.append(safeguard.judge())
    return verdicts


@given(rule_sets, st.lists(readings, max_size=60))
def test_a_climb_always_follows_at_least_as_many_good_readings_as_the_trip_took(
    rules: tuple[Rule, ...], history: list[tuple[str, float]]
) -> None:
    verdicts = verdicts_of(rules, history)
    for count, (before, after) in enumerate(pairwise(verdicts), start=1):
        if after.mode >= before.mode:
            continue
        withdrawn = [rule for rule in rules if after.mode < rule.mode and any(reason.startswith(rule.signal) for reason in before.reasons)]
        assert before.mode in {rule.mode for rule in withdrawn}
        for rule in withdrawn:
            evidence = [value for signal, value in history[:count] if signal == rule.signal][-rule.clear_after :]
            assert len(evidence) == rule.clear_after >= rule.trips
            assert all(rule.satisfied_by(value) for value in evidence)


@given(rule_sets, st.lists(readings, max_size=60))
def test_k_violations_in_a_row_always_demand_the_rules_mode_at_once(rules: tuple[Rule, ...], history: list[tuple[str, float]]) -> None:
    verdicts = verdicts_of(rules, history)
    for count, verdict in enumerate(verdicts):
        for rule in rules:
            own = [value for signal, value in history[:count] if signal == rule.signal][-rule.trips :]
            if len(own) == rule.trips and all(rule.violated_by(value) for value in own):
                assert verdict.mode >= rule.mode


@given(rule_sets, st.lists(readings, max_size=60))
def test_hold_and_stop_are_kept_and_only_adapting_permits(rules: tuple[Rule, ...], history: list[tuple[str, float]]) -> None:
    verdicts = verdicts_of(rules, history)
    for before, after in pairwise(verdicts):
        assert after.permit == (after.mode == Mode.ADAPTING)
        assert bool(after.reasons) == (after.mode != Mode.ADAPTING)
        if before.mode >= Mode.HOLD:
            assert after.mode >= before.mode


@given(rule_sets, st.lists(readings, max_size=60))
def test_the_same_readings_give_the_same_verdicts(rules: tuple[Rule, ...], history: list[tuple[str, float]]) -> None:
    assert verdicts_of(rules, history) == verdicts_of(rules, history)


@given(st.lists(st.sampled_from([10.1, 15.0, 19.9, 20.1, 500.0]), max_size=60))
def test_a_signal_swinging_around_its_limit_changes_the_mode_once_at_most(swings: list[float]) -> None:
    modes = [verdict.mode for verdict in verdicts_of((GRADIENT,), [("gradient_norm", value) for value in swings])]
    assert sum(before != after for before, after in pairwise(modes)) <= 1


def test_it_starts_in_base_and_permits_only_after_good_readings_of_every_stream() -> None:
    safeguard = safeguard_with(CAMERA)
    assert safeguard.judge().mode == Mode.BASE
    assert ticked(safeguard, 0, 2).reasons == ("starting: camera_age good in 2 of 3 ticks",)
    verdict = ticked(safeguard, 2 * TICK, 1)
    assert (verdict.mode, verdict.permit, verdict.reasons, verdict.since) == (Mode.ADAPTING, True, (), 2 * TICK)


def test_a_camera_that_never_comes_leads_to_hold_after_the_grace() -> None:
    safeguard = safeguard_with(CAMERA)
    assert ticked(safeguard, 0, 11, camera=False).mode == Mode.BASE
    verdict = ticked(safeguard, 11 * TICK, 2, camera=False)
    assert (verdict.mode, verdict.reasons[0]) == (Mode.HOLD, "camera_age 1.2 s (front) above 0.5 s in 2 of 2 ticks")


def test_a_rule_that_trips_at_the_start_does_not_lead_up_from_base() -> None:
    mild = Rule(signal="camera_age", limit=0.5, clear_limit=0.3, trips=1, of_last=1, clear_after=3, mode=Mode.FROZEN)
    safeguard = safeguard_with(mild)
    safeguard.read("camera_age", 9.0, 1)
    assert safeguard.judge().mode == Mode.BASE
    assert safeguard.judge().reasons[1] == "camera_age 9 s above 0.5 s in 1 of 1 ticks"


def test_without_chunks_nothing_is_permitted_and_nothing_is_held() -> None:
    verdict = ticked(safeguard_with(CAMERA, CHUNK), 0, 100)
    assert (verdict.mode, verdict.permit) == (Mode.BASE, False)
    assert verdict.reasons == ("starting: chunk_age good in 0 of 2 ticks",)


def test_a_verdict_carries_the_instant_and_the_reason_of_its_mode() -> None:
    safeguard = safeguard_with(GRADIENT)
    for now in (1, 2):
        safeguard.read_window(WILD, now, version=0, committed=False)
    verdict = safeguard.judge()
    assert (verdict.mode, verdict.since) == (Mode.FROZEN, 2)
    assert verdict.reasons == ("gradient_norm 63.1 above 20 in 2 of 2 windows",)


def test_a_reset_from_hold_waits_for_the_robots_streams_in_base_before_it_permits() -> None:
    safeguard = safeguard_with(CAMERA, DEVIATION)
    ticked(safeguard, 0, 5)
    safeguard.read("action_deviation", 2.0, 5 * TICK)
    assert ticked(safeguard, 5 * TICK, 50).mode == Mode.HOLD
    assert safeguard.reset(55 * TICK).mode == Mode.BASE
    assert ticked(safeguard, 55 * TICK, 3).mode == Mode.ADAPTING


def test_a_reset_cannot_talk_away_a_dead_camera() -> None:
    safeguard = safeguard_with(CAMERA)
    ticked(safeguard, 0, 5)
    assert ticked(safeguard, 5 * TICK, 20, camera=False).mode == Mode.HOLD
    assert safeguard.reset(25 * TICK).mode == Mode.HOLD
    assert ticked(safeguard, 25 * TICK, 3).mode == Mode.HOLD
    assert safeguard.reset(28 * TICK).mode == Mode.BASE


def test_a_reset_waits_for_the_policy_anew_where_hold_had_silenced_it() -> None:
    safeguard = safeguard_with(CHUNK)
    ticked(safeguard, 0, 5, chunks=True)
    assert ticked(safeguard, 5 * TICK, 20).mode == Mode.HOLD
    assert safeguard.reset(25 * TICK).mode == Mode.BASE
    assert ticked(safeguard, 25 * TICK, 20).mode == Mode.BASE
    assert ticked(safeguard, 45 * TICK, 2, chunks=True).mode == Mode.ADAPTING


def test_the_trusted_version_is_the_newest_whose_window_violated_no_rule() -> None:
    safeguard = safeguard_with(GRADIENT, DRIFT)
    safeguard.read_window(CLEAN, 1, version=1, committed=True)
    safeguard.read_window(WILD, 2, version=2, committed=True)
    assert safeguard.judge().trusted_version == 1
    safeguard.read_window(CLEAN, 3, version=3, committed=True)
    assert safeguard.judge().trusted_version == 3


def test_a_version_committed_with_a_nan_is_not_trusted() -> None:
    safeguard = safeguard_with(GRADIENT, DRIFT)
    safeguard.read_window(CLEAN | {"drift_total": math.nan}, 1, version=1, committed=True)
    assert safeguard.judge().trusted_version == 0


def test_a_window_counts_as_a_sign_of_life_of_the_adaptation() -> None:
    silence = Rule(signal="adaptation_age", limit=1.0, clear_limit=0.5, trips=1, of_last=1, clear_after=1, mode=Mode.FROZEN)
    safeguard = safeguard_with(silence)
    assert ticked(safeguard, 0, 12, chunks=True).mode == Mode.FROZEN
    safeguard.read_window({"rejected": 0.0}, 12 * TICK, version=0, committed=False)
    assert ticked(safeguard, 12 * TICK, 1, chunks=True).mode == Mode.ADAPTING


@pytest.mark.parametrize(("rejected", "mode"), [(0.0, Mode.ADAPTING), (1.0, Mode.FROZEN)])
def test_losses_that_have_grown_for_good_are_got_used_to_unless_the_windows_are_refused(rejected: float, mode: Mode) -> None:
    ratio = Rule(signal="loss_ratio", limit=10.0, clear_limit=3.0, trips=3, of_last=5, clear_after=5, mode=Mode.FROZEN)
    safeguard = safeguard_with(ratio)
    ticked(safeguard, 0, 5)
    for now in range(1, 41):
        safeguard.read_window({"prediction_loss": 0.1, "rejected": 0.0}, now, version=now, committed=True)
    assert safeguard.judge().mode == Mode.ADAPTING
    modes = []
    for now in range(41, 81):
        safeguard.read_window({"prediction_loss": 1.2, "rejected": rejected}, now, version=40, committed=False)
        modes.append(safeguard.judge().mode)
    assert Mode.FROZEN in modes
    assert modes[-1] == mode


def test_a_reset_lifts_the_hold_of_an_arm_that_was_moved_by_hand_and_is_commanded_no_more() -> None:
    following = Rule(signal="following_error", limit=0.3, clear_limit=0.2, trips=1, of_last=1, clear_after=3, mode=Mode.HOLD)
    safeguard = safeguard_with(following)
    safeguard.sensors.commanded({"pan": 0.0}, now=0)
    safeguard.heard_joints({"pan": 1.0}, stamp=SECOND, now=SECOND)
    assert safeguard.tick(SECOND).mode == Mode.HOLD
    assert safeguard.reset(2 * SECOND).mode == Mode.ADAPTING
    assert safeguard.tick(9 * SECOND).mode == Mode.ADAPTING


def test_after_a_reset_an_arm_at_rest_can_clear_a_picture_that_stayed_the_same_while_it_moved() -> None:
    stuck = Rule(signal="camera_stuck", limit=0.3, clear_limit=0.1, trips=1, of_last=1, clear_after=3, mode=Mode.HOLD)
    safeguard = safeguard_with(stuck)

    def rested(start: int, ticks: int, *, at: float) -> Mode:
        for now in range(start, start + ticks * TICK, TICK):
            safeguard.heard_joints({"elbow": at}, stamp=now, now=now)
            safeguard.sensors.saw("front", digest=1, saturation=0.0)
            mode = ticked(safeguard, now, 1).mode
        return mode

    rested(0, 5, at=0.0)
    assert rested(5 * TICK, 20, at=1.0) == Mode.HOLD
    assert safeguard.reset(25 * TICK).mode == Mode.HOLD
    assert rested(25 * TICK, 5, at=1.0) == Mode.HOLD
    assert safeguard.reset(30 * TICK).mode < Mode.HOLD
    assert rested(30 * TICK, 1, at=1.5) == Mode.HOLD


def test_a_reading_of_an_unknown_signal_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown signal 'mood'"):
        safeguard_with(GRADIENT).read("mood", 1.0, 0)
