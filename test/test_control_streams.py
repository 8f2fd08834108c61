"""Order, age and rate of a sensor stream."""

from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.control.streams import StampOrder

SECOND = 1_000_000_000


@given(st.lists(st.integers(0, 5), max_size=30))
def test_only_rising_stamps_are_accepted_and_every_other_is_counted(stamps: list[int]) -> None:
    order = StampOrder("front")
    accepted = [stamp for stamp in stamps if order.accept(stamp)]
    assert accepted == sorted(set(accepted))
    health = order.health(9)
    assert health.received + sum(health.dropped.values()) == len(stamps)


def test_the_reason_for_each_dropped_message_is_counted() -> None:
    order = StampOrder("front")
    for stamp in (3, 3, 2, 1):
        order.accept(stamp)
    assert order.health(3).dropped == {"repeated stamp": 1, "stamp going backwards": 2}


def test_age_and_rate_follow_the_stamps() -> None:
    order = StampOrder("front")
    assert (order.health(0).age, order.health(0).rate) == (None, None)
    for tick in range(100):
        order.accept(tick * SECOND // 25)
    health = order.health(5 * SECOND)
    assert health.age == 5.0 - 99 / 25
    assert health.rate == 25.0


def test_only_a_step_back_of_more_than_a_second_is_a_restarted_clock() -> None:
    order = StampOrder("front")
    assert not order.jumps_back(0)
    order.accept(5 * SECOND)
    assert not order.jumps_back(4 * SECOND)
    assert order.jumps_back(4 * SECOND - 1)
