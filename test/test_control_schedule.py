"""The chunk schedule: one step per tick, aligned in time, no jump at a seam, nothing outdated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttt_ros.control.schedule import Chunk, ChunkSchedule, Refusal, Seam, Step
from ttt_ros.errors import ActionError, ConfigurationError

PERIOD = 0.05
TICK = 50_000_000
HORIZON = 8
Positions = NDArray[np.float64]


def chunk_of(positions: Positions | float, *, sequence: int = 1, epoch: int = 0, stamp: int = 0, version: int = 0) -> Chunk:
    table = np.full((HORIZON, 2), positions) if isinstance(positions, float) else positions
    return Chunk(
        sequence=sequence, epoch=epoch, stamp=stamp, positions=table, period=PERIOD, version=version, checksum="", inference_time=0.01
    )


def ramp(start: float, slope: float) -> Positions:
    return np.stack([np.full(2, start + slope * index) for index in range(HORIZON)])


def schedule_of(blend_steps: int = 3, request_at: int = 4) -> ChunkSchedule:
    return ChunkSchedule(horizon=HORIZON, request_at=request_at, blend_steps=blend_steps)


def accepted(schedule: ChunkSchedule, chunk: Chunk, now: int) -> Seam:
    result = schedule.accept(chunk, now)
    assert isinstance(result, Seam), result
    return result


def refused(schedule: ChunkSchedule, chunk: Chunk, now: int) -> Refusal:
    result = schedule.accept(chunk, now)
    assert isinstance(result, Refusal), result
    return result


def played(schedule: ChunkSchedule, ticks: int) -> list[Step]:
    steps = [schedule.next() for _ in range(ticks)]
    assert None not in steps
    return [step for step in steps if step is not None]


def test_a_chunk_is_played_one_step_per_tick_in_order() -> None:
    schedule = schedule_of()
    accepted(schedule, chunk_of(ramp(0.0, 0.1), sequence=schedule.request(), version=7), 0)
    steps = played(schedule, HORIZON)
    assert [step.index for step in steps] == list(range(HORIZON))
    assert {(step.sequence, step.version) for step in steps} == {(1, 7)}
    assert np.array_equal([step.position for step in steps], ramp(0.0, 0.1))


def test_the_next_chunk_is_wanted_at_the_start_and_again_when_few_steps_remain() -> None:
    schedule = schedule_of(request_at=4)
    assert schedule.needs_next
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    wanted = []
    for _ in range(HORIZON):
        wanted.append(schedule.needs_next)
        schedule.next()
    assert wanted == [False] * 4 + [True] * 4


def test_only_one_request_is_outstanding_until_it_is_answered_or_withdrawn() -> None:
    schedule = schedule_of()
    sequence = schedule.request()
    assert not schedule.needs_next
    schedule.withdraw_request()
    assert schedule.needs_next
    assert schedule.request() == sequence + 1


@pytest.mark.parametrize(("delay", "skipped"), [(0, 0), (0.4, 0), (0.6, 1), (2.98, 3), (3.02, 3), (-0.4, 0), (-2, 0)])
def test_steps_that_elapsed_since_the_observation_are_skipped(delay: float, skipped: int) -> None:
    schedule = schedule_of()
    seam = accepted(schedule, chunk_of(ramp(0.0, 0.1), sequence=schedule.request()), round(delay * TICK))
    assert (seam.skipped, schedule.remaining) == (skipped, HORIZON - skipped)
    assert played(schedule, 1)[0].index == skipped


@pytest.mark.parametrize("rate", [30.0, 60.0, 7.0])
def test_a_period_that_is_no_whole_number_of_nanoseconds_never_loses_a_step(rate: float) -> None:
    for tick in range(7):
        schedule = schedule_of()
        chunk = Chunk(
            sequence=schedule.request(), epoch=0, stamp=0, positions=ramp(0, 0.1), period=1 / rate, version=0, checksum="", inference_time=0
        )
        assert accepted(schedule, chunk, int(tick / rate * 1e9)).skipped == tick


def test_a_seam_moves_linearly_from_the_old_chunk_to_the_new_one() -> None:
    schedule = schedule_of(blend_steps=3)
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    played(schedule, 2)
    assert accepted(schedule, chunk_of(1.0, sequence=schedule.request(), stamp=2 * TICK), 2 * TICK) == Seam(skipped=0, blended=3)
    assert [step.position[0] for step in played(schedule, 5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_past_its_last_step_the_old_chunk_counts_as_holding_that_step() -> None:
    schedule = schedule_of(blend_steps=3)
    accepted(schedule, chunk_of(ramp(0.0, 1.0), sequence=schedule.request()), 0)
    played(schedule, HORIZON - 1)
    accepted(schedule, chunk_of(3.0, sequence=schedule.request(), stamp=7 * TICK), 7 * TICK)
    assert [step.position[0] for step in played(schedule, 4)] == [6.0, 5.0, 4.0, 3.0]


def test_a_seam_after_an_underrun_starts_from_the_held_position() -> None:
    schedule = schedule_of(blend_steps=1)
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    played(schedule, HORIZON)
    assert schedule.next() is None
    accepted(schedule, chunk_of(1.0, sequence=schedule.request(), stamp=9 * TICK), 9 * TICK)
    assert [step.position[0] for step in played(schedule, 2)] == [0.5, 1.0]


def test_the_first_chunk_starts_from_where_the_robot_stands() -> None:
    schedule = schedule_of(blend_steps=1)
    schedule.reset(epoch=0, position=np.zeros(2))
    accepted(schedule, chunk_of(1.0, sequence=schedule.request()), 0)
    assert [step.position[0] for step in played(schedule, 2)] == [0.5, 1.0]


def test_without_blending_the_new_chunk_takes_over_at_once() -> None:
    schedule = schedule_of(blend_steps=0)
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    played(schedule, 1)
    accepted(schedule, chunk_of(1.0, sequence=schedule.request(), stamp=TICK), TICK)
    assert played(schedule, 1)[0].position[0] == 1.0


tables = st.lists(st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2), min_size=HORIZON, max_size=HORIZON).map(np.array)


@given(old=tables, new=tables, played_ticks=st.integers(1, HORIZON), latency=st.integers(0, HORIZON - 1), blend_steps=st.integers(0, 5))
def test_a_command_never_jumps_by_more_than_a_chunks_own_step_plus_a_share_of_the_difference(
    old: Positions, new: Positions, played_ticks: int, latency: int, blend_steps: int
) -> None:
    schedule = schedule_of(blend_steps=blend_steps)
    accepted(schedule, chunk_of(old, sequence=schedule.request()), 0)
    commands = [step.position for step in played(schedule, played_ticks)]
    now = played_ticks * TICK
    seam = accepted(schedule, chunk_of(new, sequence=schedule.request(), stamp=now - latency * TICK), now)
    commands += [step.position for step in played(schedule, HORIZON - latency)]

    held = np.concatenate([old, np.repeat(old[-1:], HORIZON, axis=0)])[played_ticks : played_ticks + seam.blended]
    difference = np.abs(held - new[latency : latency + seam.blended]).max(initial=0.0)
    if seam.blended == 0:
        difference = np.abs(commands[played_ticks - 1] - new[latency]).max()
    largest_step = max(np.abs(np.diff(old, axis=0)).max(), np.abs(np.diff(new, axis=0)).max())
    jumps = np.abs(np.diff(np.array(commands[played_ticks - 1 :]), axis=0))
    assert jumps.max(initial=0.0) <= largest_step + difference / (seam.blended + 1) + 1e-12


@given(old=tables, new=tables, latency=st.integers(0, HORIZON - 1))
def test_every_command_in_a_seam_lies_between_the_two_chunks_and_the_rest_is_the_new_one(
    old: Positions, new: Positions, latency: int
) -> None:
    schedule = schedule_of(blend_steps=3)
    accepted(schedule, chunk_of(old, sequence=schedule.request()), 0)
    played(schedule, 2)
    seam = accepted(schedule, chunk_of(new, sequence=schedule.request(), stamp=(2 - latency) * TICK), 2 * TICK)
    commands = np.array([step.position for step in played(schedule, HORIZON - latency)])
    blended, rest = commands[: seam.blended], commands[seam.blended :]
    bounds = np.stack([old[2 : 2 + seam.blended], new[latency : latency + seam.blended]])
    assert (blended >= bounds.min(axis=0) - 1e-12).all()
    assert (blended <= bounds.max(axis=0) + 1e-12).all()
    assert np.array_equal(rest, new[latency + seam.blended :])


def test_a_chunk_of_an_older_epoch_is_refused_and_answers_no_request() -> None:
    schedule = schedule_of()
    stale = chunk_of(0.0, sequence=schedule.request(), epoch=0)
    schedule.reset(epoch=1)
    schedule.request()
    assert refused(schedule, stale, 0).kind == "old epoch"
    assert not schedule.needs_next
    assert schedule.next() is None


def test_a_chunk_that_was_overtaken_is_refused() -> None:
    schedule = schedule_of()
    slow = chunk_of(0.0, sequence=schedule.request())
    schedule.withdraw_request()
    accepted(schedule, chunk_of(1.0, sequence=schedule.request()), 0)
    assert refused(schedule, slow, 0).kind == "old sequence"
    assert played(schedule, 1)[0].position[0] == 1.0


def test_a_request_from_before_a_reset_is_refused_even_in_the_same_epoch() -> None:
    schedule = schedule_of()
    slow = chunk_of(0.0, sequence=schedule.request())
    schedule.reset(epoch=0)
    assert refused(schedule, slow, 0).kind == "old sequence"


def test_a_chunk_whose_steps_have_all_elapsed_is_counted_as_late_and_asked_for_again() -> None:
    schedule = schedule_of()
    late = refused(schedule, chunk_of(0.0, sequence=schedule.request()), HORIZON * TICK)
    assert late.kind == "late"
    assert "8 steps after its observation" in late.reason
    assert schedule.needs_next
    assert schedule.counts == {"late": 1}


def test_the_last_moment_of_a_chunk_is_still_played() -> None:
    schedule = schedule_of()
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), (HORIZON - 1) * TICK)
    assert schedule.remaining == 1


def test_underruns_are_counted_only_once_a_chunk_was_accepted() -> None:
    schedule = schedule_of()
    assert schedule.next() is None
    assert schedule.counts == {}
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    played(schedule, HORIZON)
    assert schedule.next() is None
    assert schedule.next() is None
    assert schedule.counts == {"accepted": 1, "underrun": 2}


def test_a_refused_check_leaves_the_schedule_playing_what_it_had() -> None:
    schedule = schedule_of()
    accepted(schedule, chunk_of(ramp(0.0, 0.1), sequence=schedule.request()), 0)
    checked: list[Positions] = []

    def refuse(positions: Positions) -> None:
        checked.append(positions)
        raise ActionError("too far")

    with pytest.raises(ActionError, match="too far"):
        schedule.accept(chunk_of(9.0, sequence=schedule.request()), 0, check=refuse)
    assert np.array_equal([step.position for step in played(schedule, HORIZON)], ramp(0.0, 0.1))
    assert schedule.counts["unsafe"] == 1
    assert schedule.needs_next
    assert checked[0].shape == (HORIZON, 2)


def test_the_check_sees_exactly_what_will_be_commanded() -> None:
    schedule = schedule_of()
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    played(schedule, 3)
    checked: list[Positions] = []
    schedule.accept(chunk_of(1.0, sequence=schedule.request(), stamp=TICK), 3 * TICK, check=checked.append)
    assert np.array_equal(checked[0], [step.position for step in played(schedule, HORIZON - 2)])


def test_a_reset_drops_all_steps() -> None:
    schedule = schedule_of()
    accepted(schedule, chunk_of(0.0, sequence=schedule.request()), 0)
    schedule.reset(epoch=1)
    assert schedule.next() is None
    assert schedule.needs_next


@pytest.mark.parametrize("positions", [np.full((HORIZON, 2), np.nan), np.full((HORIZON, 2), np.inf), np.zeros(HORIZON)])
def test_a_chunk_that_is_not_a_finite_table_cannot_be_made(positions: Positions) -> None:
    with pytest.raises(ActionError, match="must be finite"):
        chunk_of(positions)


def test_a_chunk_of_another_length_is_refused() -> None:
    with pytest.raises(ActionError, match="3 steps instead of 8"):
        schedule_of().accept(chunk_of(np.zeros((3, 2))), 0)


@pytest.mark.parametrize("sizes", [{"request_at": 8}, {"request_at": -1}, {"blend_steps": 8}, {"blend_steps": -1}])
def test_sizes_that_do_not_fit_the_horizon_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="must be at least 0 and less than the chunk's 8 steps"):
        schedule_of(**sizes)
