"""What the policy node says of itself, as the safeguard reads it."""

import math

import pytest

from ttt_ros.safeguard.control_health import ControlHealth, ControlMonitor
from ttt_ros.safeguard.losses import HISTORY, WARMUP, LossHistory

SECOND = 1_000_000_000


def health(**changes: float) -> ControlHealth:
    return ControlHealth(**({"jitter": 0.01, "underruns": 0.0, "busy": 0.1, "queue_depth": 1} | changes))  # type: ignore[arg-type]


def values(monitor: ControlMonitor, now: int) -> dict[str, float]:
    return {reading.signal: reading.value for reading in monitor.readings(now)}


def test_before_the_first_status_nothing_is_read() -> None:
    assert values(ControlMonitor(), 100 * SECOND) == {}


def test_the_last_status_is_read_with_its_age() -> None:
    monitor = ControlMonitor()
    monitor.heard(health(), 1 * SECOND)
    assert values(monitor, 3 * SECOND) == {
        "policy_age": 2.0,
        "control_jitter": 0.01,
        "underruns": 0.0,
        "adaptation_busy": 0.1,
        "queue_depth": 1.0,
    }


def test_a_dead_adaptation_is_busy_for_ever() -> None:
    monitor = ControlMonitor()
    monitor.heard(health(busy=math.inf), 0)
    assert values(monitor, 0)["adaptation_busy"] == math.inf


def test_after_a_reset_or_a_step_back_of_the_clock_it_is_waited_for_anew() -> None:
    monitor = ControlMonitor()
    monitor.heard(health(), 10 * SECOND)
    assert values(monitor, 1 * SECOND) == {}
    monitor.heard(health(), 2 * SECOND)
    monitor.forget()
    assert values(monitor, 2 * SECOND) == {}


def test_the_loss_is_compared_with_a_high_quantile_of_those_that_passed() -> None:
    losses = LossHistory()
    for index in range(10):
        losses.passed(1.0 + index)
    assert losses.ratio(27.0) == pytest.approx(3.0)


def test_nothing_is_compared_before_enough_windows_or_with_losses_of_0() -> None:
    losses = LossHistory()
    for _ in range(WARMUP - 1):
        losses.passed(0.0)
    assert losses.ratio(1.0) is None
    losses.passed(0.0)
    assert losses.ratio(1.0) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_never_enters_the_history(loss: float) -> None:
    losses = LossHistory()
    for _ in range(WARMUP):
        losses.passed(1.0)
    for _ in range(HISTORY):
        losses.passed(loss)
    assert losses.ratio(2.0) == 2.0
