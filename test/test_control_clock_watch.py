"""Noticing that the robot's time was broken off."""

import pytest

from ttt_ros.control.clock_watch import STOOD, ClockWatch

TICK = 33_000_000


def watch(*ticks: tuple[int, float]) -> list[bool]:
    watching = ClockWatch()
    return [watching.broken(now, wall=wall) for now, wall in ticks]


@pytest.mark.parametrize("factor", [0.02, 1.0, 50.0], ids=lambda factor: f"{factor} times real time")
def test_ticks_that_follow_upon_each_other_are_whole_at_any_speed(factor):
    assert not any(watch(*((index * TICK, 7.0 + index * TICK / 1e9 / factor) for index in range(20))))


def test_a_clock_that_was_set_back_is_broken_once():
    assert watch((5 * TICK, 0.0), (6 * TICK, 0.03), (2 * TICK, 0.06), (3 * TICK, 0.09)) == [False, False, True, False]


def test_a_clock_that_stood_still_is_broken_although_its_time_goes_on_as_if_nothing_had_been():
    assert watch((5 * TICK, 0.0), (6 * TICK, STOOD + 0.1), (7 * TICK, STOOD + 0.13)) == [False, True, False]
