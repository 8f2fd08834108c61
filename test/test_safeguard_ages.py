"""Ages of the streams that the safeguard listens to."""

import pytest

from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.ages import StreamAges

SECOND = 1_000_000_000


def ages_at_start(start: int = 0) -> StreamAges:
    return StreamAges(["front", "wrist"], startup_grace=5.0, now=start * SECOND)


def values(ages: StreamAges, now: float) -> dict[str, float]:
    return {reading.signal: reading.value for reading in ages.readings(round(now * SECOND))}


def test_the_camera_age_is_that_of_the_worst_camera_and_names_it() -> None:
    ages = ages_at_start()
    ages.heard_camera("front", 1 * SECOND)
    ages.heard_camera("wrist", 2 * SECOND)
    (camera,) = ages.readings(3 * SECOND)
    assert (camera.signal, camera.value, camera.source) == ("camera_age", 2.0, "front")


def beaten(ages: StreamAges, *, start: int, end: int) -> None:
    """A heartbeat every second from ``start`` to ``end``."""
    for second in range(start, end + 1):
        ages.readings(second * SECOND)


def test_streams_that_were_never_heard_give_no_reading_within_the_grace_and_their_wait_after_it() -> None:
    ages = ages_at_start()
    beaten(ages, start=1, end=4)
    assert values(ages, 5.0) == {}
    assert values(ages, 5.1) == {"camera_age": 5.1, "joint_state_age": 5.1}


def test_one_camera_that_was_never_heard_counts_after_the_grace() -> None:
    ages = ages_at_start()
    beaten(ages, start=1, end=5)
    ages.heard_camera("front", 6 * SECOND)
    camera = ages.readings(6 * SECOND)[0]
    assert (camera.value, camera.source) == (6.0, "wrist")


def test_a_stream_heard_within_the_grace_is_watched_at_once() -> None:
    ages = ages_at_start()
    ages.heard_joint_state(1 * SECOND)
    assert values(ages, 3.0) == {"joint_state_age": 2.0}


def test_a_stamp_from_the_future_is_as_bad_as_one_from_the_past() -> None:
    ages = ages_at_start()
    ages.heard_joint_state(9 * SECOND)
    assert values(ages, 2.0) == {"joint_state_age": 7.0}


def test_a_clock_that_steps_back_starts_the_watch_anew() -> None:
    ages = ages_at_start(start=100)
    ages.heard_joint_state(100 * SECOND)
    ages.heard_chunk(100 * SECOND)
    assert values(ages, 100.0)
    assert values(ages, 1.0) == {}
    ages.heard_joint_state(round(1.2 * SECOND))
    assert values(ages, 1.2) == {"joint_state_age": 0.0}


def test_a_clock_that_leaps_ahead_as_at_the_start_of_a_bag_grants_the_grace_anew() -> None:
    ages, begun = ages_at_start(), 1_700_000_000
    assert values(ages, begun) == {}
    beaten(ages, start=begun + 1, end=begun + 5)
    assert values(ages, begun + 6) == {"camera_age": 6.0, "joint_state_age": 6.0}


def test_what_was_heard_before_a_clock_leaps_ahead_is_as_old_as_it_says() -> None:
    ages = ages_at_start(start=100)
    ages.heard_joint_state(100 * SECOND)
    assert values(ages, 105.0) == {"joint_state_age": 5.0}


def test_a_small_correction_of_the_clock_changes_nothing() -> None:
    ages = ages_at_start(start=100)
    ages.heard_joint_state(100 * SECOND)
    assert values(ages, 101.0) == {"joint_state_age": 1.0}
    assert values(ages, 100.5) == {"joint_state_age": 0.5}


def test_the_policys_streams_are_not_watched_before_its_first_chunk() -> None:
    ages = ages_at_start()
    ages.heard_adaptation_status(0)
    assert values(ages, 4.0) == {}


def test_the_adaptation_age_grows_only_while_chunks_flow() -> None:
    ages = ages_at_start()
    ages.heard_chunk(0)
    ages.heard_chunk(2 * SECOND)
    assert values(ages, 3.0) == {"chunk_age": 1.0, "adaptation_age": 2.0}
    ages.heard_adaptation_status(3 * SECOND)
    assert values(ages, 4.0) == {"chunk_age": 2.0, "adaptation_age": 0.0}
    ages.heard_chunk(5 * SECOND)
    assert values(ages, 5.0) == {"chunk_age": 0.0, "adaptation_age": 2.0}


def test_a_forgotten_policy_is_waited_for_anew() -> None:
    ages = ages_at_start()
    ages.heard_chunk(0)
    ages.forget_policy()
    assert values(ages, 4.0) == {}


def test_a_camera_that_nobody_watches_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="camera 'rear' is not watched; watched cameras are front, wrist"):
        ages_at_start().heard_camera("rear", 0)
