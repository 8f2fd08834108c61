"""Latency percentiles and missed deadlines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.control.latency import LatencyWindow
from ttt_ros.errors import ConfigurationError


def window_of(latencies: list[float], size: int = 100) -> LatencyWindow:
    window = LatencyWindow(size=size, period=0.05, deadline=0.2)
    for latency in latencies:
        window.add(latency)
    return window


def test_an_empty_window_has_no_figures() -> None:
    assert window_of([]).summary() is None


def test_percentiles_are_given_in_seconds_and_control_steps() -> None:
    summary = window_of([index / 1000 for index in range(1, 102)]).summary()
    assert summary is not None
    assert (summary.p50, summary.p99, summary.max, summary.count) == (0.052, 0.101, 0.101, 100)
    assert summary.p50_steps == pytest.approx(1.04)
    assert summary.p99_steps == pytest.approx(2.02)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200))
def test_only_the_last_latencies_count_and_every_percentile_did_occur(latencies: list[float]) -> None:
    summary = window_of(latencies, size=50).summary()
    assert summary is not None
    assert summary.max == max(latencies[-50:])
    assert {summary.p50, summary.p99} <= set(latencies[-50:])
    assert summary.p50 <= summary.p99 <= summary.max


def test_deadlines_missed_are_counted_since_the_start() -> None:
    summary = window_of([0.2, 0.21, 0.3, 0.1, 0.1], size=2).summary()
    assert summary is not None
    assert (summary.deadline_misses, summary.count) == (2, 2)


def test_a_latency_that_is_not_a_number_is_a_miss() -> None:
    summary = window_of([math.nan]).summary()
    assert summary is not None
    assert summary.deadline_misses == 1


@pytest.mark.parametrize("change", [{"size": 0}, {"period": 0.0}, {"deadline": -1.0}, {"period": math.nan}])
def test_a_window_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    sizes: dict[str, float] = {"size": 10, "period": 0.05, "deadline": 0.2}
    with pytest.raises(ConfigurationError, match="must be positive"):
        LatencyWindow(**(sizes | change))  # type: ignore[arg-type]
