"""What the safeguard reads off the robot's streams: rate, order, content and motion."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.sensors import SensorMonitor

SECOND = 1_000_000_000
MS = 1_000_000


def monitor(**options: float) -> SensorMonitor:
    return SensorMonitor({"front": 10.0, "wrist": 10.0}, **options)


def values(sensors: SensorMonitor, now: int) -> dict[str, float]:
    return {reading.signal: reading.value for reading in sensors.readings(now)}


def source(sensors: SensorMonitor, signal: str, now: int) -> str:
    return next(reading.source for reading in sensors.readings(now) if reading.signal == signal)


def filmed(sensors: SensorMonitor, *, period: int, seconds: int = 4, camera: str = "front") -> int:
    end = seconds * SECOND
    for now in range(0, end + 1, period):
        sensors.heard_camera(camera, stamp=now, now=now)
    return end


def moved(sensors: SensorMonitor, position: float, now: int) -> None:
    sensors.heard_joints({"pan": position}, stamp=now, now=now)


@pytest.mark.parametrize(("period", "rate"), [(100 * MS, 1.0), (200 * MS, 0.5), (20 * MS, 5.0)])
def test_the_camera_rate_is_that_of_the_camera_furthest_from_its_nominal_one(period: int, rate: float) -> None:
    sensors = monitor()
    filmed(sensors, period=100 * MS, camera="wrist")
    end = filmed(sensors, period=period)
    assert values(sensors, end)["camera_rate"] == pytest.approx(rate)


def test_no_rate_is_read_before_two_seconds_or_without_a_nominal_one() -> None:
    sensors = SensorMonitor({"front": 0.0}, joint_state_rate=100.0)
    end = filmed(sensors, period=100 * MS)
    moved(sensors, 0.0, end - SECOND)
    moved(sensors, 0.0, end)
    assert "camera_rate" not in values(sensors, end)
    assert "joint_state_rate" not in values(sensors, end)
    assert values(sensors, end + SECOND)["joint_state_rate"] == pytest.approx(0.005)


def test_a_camera_that_has_fallen_silent_has_rate_0() -> None:
    sensors = monitor()
    end = filmed(sensors, period=100 * MS)
    assert values(sensors, end + 3 * SECOND)["camera_rate"] == 0.0


def test_stamps_that_repeat_or_go_back_are_counted() -> None:
    sensors = monitor()
    for index in range(31):
        sensors.heard_camera("wrist", stamp=(index - index % 2 * 2) * SECOND, now=index * 100 * MS)
        sensors.heard_camera("front", stamp=index * SECOND, now=index * 100 * MS)
    assert values(sensors, 4 * SECOND)["stamp_disorder"] == pytest.approx(0.5, abs=0.04)
    assert source(sensors, "stamp_disorder", 4 * SECOND) == "wrist"


def test_one_stamp_from_far_ahead_is_one_stamp_out_of_order() -> None:
    sensors = monitor()
    for index in range(40):
        sensors.heard_camera("front", stamp=(3600 if index == 20 else 0) * SECOND + index * 100 * MS, now=index * 100 * MS)
    assert values(sensors, 4 * SECOND)["stamp_disorder"] == pytest.approx(1 / 30)


def test_a_picture_counts_as_stuck_by_the_way_that_the_joints_made_since_it_was_new() -> None:
    sensors = monitor()
    moved(sensors, 0.0, 0)
    sensors.saw("front", digest=1, saturation=0.0)
    moved(sensors, 0.4, 100 * MS)
    sensors.saw("front", digest=1, saturation=0.0)
    assert values(sensors, 100 * MS)["camera_stuck"] == pytest.approx(0.4)
    sensors.saw("front", digest=2, saturation=0.0)
    assert values(sensors, 200 * MS)["camera_stuck"] == 0.0


def test_a_still_picture_of_an_arm_at_rest_is_not_stuck() -> None:
    sensors = monitor()
    moved(sensors, 0.3, 0)
    for now in range(0, 10 * SECOND, 100 * MS):
        moved(sensors, 0.3, now + 1)
        sensors.saw("front", digest=7, saturation=0.0)
    assert values(sensors, 10 * SECOND)["camera_stuck"] == 0.0


def test_the_saturation_is_that_of_the_worst_camera_and_a_picture_that_cannot_be_read_is_worst() -> None:
    sensors = monitor()
    sensors.saw("front", digest=1, saturation=0.2)
    sensors.saw("wrist", digest=1, saturation=0.7)
    assert values(sensors, 0)["camera_saturation"] == 0.7
    sensors.saw("front", digest=1, saturation=math.nan)
    assert math.isnan(values(sensors, 0)["camera_saturation"])


def test_the_joint_speed_is_the_fastest_since_the_last_tick() -> None:
    sensors = monitor()
    for now, position in ((0, 0.0), (10 * MS, 0.5), (20 * MS, 0.5)):
        moved(sensors, position, now)
    assert values(sensors, 20 * MS)["joint_speed"] == pytest.approx(50.0)
    moved(sensors, 0.5, 30 * MS)
    assert values(sensors, 30 * MS)["joint_speed"] == 0.0


@pytest.mark.parametrize("position", [math.nan, math.inf, -math.inf])
def test_a_position_that_is_not_finite_reads_as_no_number(position: float) -> None:
    sensors = monitor()
    moved(sensors, 0.0, 0)
    moved(sensors, position, 10 * MS)
    assert math.isnan(values(sensors, 10 * MS)["joint_speed"])


def test_a_joint_that_goes_where_it_was_told_within_a_second_follows() -> None:
    sensors = monitor()
    for index in range(21):
        now = index * 100 * MS
        sensors.commanded({"pan": 0.1 * index}, now=now)
        moved(sensors, max(0.0, 0.1 * (index - 3)), now)
    assert values(sensors, 2 * SECOND)["following_error"] == 0.0


def test_a_joint_that_goes_elsewhere_is_as_wrong_as_it_is_far_from_all_commands() -> None:
    sensors = monitor()
    for index in range(21):
        sensors.commanded({"pan": 0.0}, now=index * 100 * MS)
    moved(sensors, -0.8, 2 * SECOND)
    assert values(sensors, 2 * SECOND)["following_error"] == pytest.approx(0.8)


def test_the_last_command_stays_in_force_and_without_any_nothing_is_read() -> None:
    sensors = monitor()
    moved(sensors, 0.5, 0)
    assert "following_error" not in values(sensors, 0)
    sensors.commanded({"pan": 0.5}, now=0)
    moved(sensors, 0.6, 60 * SECOND)
    assert values(sensors, 60 * SECOND)["following_error"] == pytest.approx(0.1)


@pytest.mark.parametrize("forget", [SensorMonitor.released, SensorMonitor.look_anew])
def test_an_arm_that_is_commanded_no_more_may_be_moved_by_hand_and_follows_anew_a_second_after_the_next_command(
    forget: Callable[[SensorMonitor], None],
) -> None:
    sensors = monitor()
    sensors.commanded({"pan": 0.0}, now=0)
    forget(sensors)
    moved(sensors, 0.9, 5 * SECOND)
    assert "following_error" not in values(sensors, 5 * SECOND)
    sensors.commanded({"pan": 0.8}, now=6 * SECOND)
    assert "following_error" not in values(sensors, 7 * SECOND - 1)
    assert values(sensors, 7 * SECOND)["following_error"] == pytest.approx(0.1)


def test_after_a_step_back_of_the_clock_all_is_waited_for_anew() -> None:
    sensors = monitor()
    moved(sensors, 0.0, 0)
    end = filmed(sensors, period=100 * MS)
    assert "camera_rate" in values(sensors, end)
    assert values(sensors, 0) == {}


def test_the_most_publishers_of_one_topic_are_read() -> None:
    sensors = monitor()
    sensors.counted_publishers({"front": 1, "joint_states": 2})
    assert values(sensors, 0) == {"sensor_publishers": 2.0}
    assert source(sensors, "sensor_publishers", 0) == "joint_states"


def test_a_camera_that_is_not_watched_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="camera 'rear' is not watched"):
        monitor().heard_camera("rear", stamp=0, now=0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["frame", "joints", "command", "look", "tick"]),
            st.integers(0, 10 * SECOND),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=60,
    )
)
def test_whatever_comes_every_reading_is_a_number_of_a_known_signal(events: list[tuple[str, int, float]]) -> None:
    sensors = monitor(joint_state_rate=100.0)
    for kind, now, number in events:
        if kind == "frame":
            sensors.heard_camera("front", stamp=now // 2, now=now)
        elif kind == "joints":
            sensors.heard_joints({"pan": number, "lift": 0.0}, stamp=now, now=now)
        elif kind == "command":
            sensors.commanded({"pan": number}, now=now)
        elif kind == "look":
            sensors.saw("front", digest=now, saturation=abs(number))
        for reading in sensors.readings(now):
            assert reading.value >= 0.0 or math.isnan(reading.value), reading
