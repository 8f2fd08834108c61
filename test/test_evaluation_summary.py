from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_runs import SHIFT, synthetic_run

from ttt_ros.evaluation.run_record import Goal, RunRecord, Window
from ttt_ros.evaluation.summary import Successes, summarised


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    return synthetic_run("adapting", tmp_path)


def goal(*, start: float, end: float, succeeded: bool, distance: float | None = None) -> Goal:
    return Goal(index=0, instruction="point at the red cube", start=start, end=end, succeeded=succeeded, distance=distance)


def window(run: RunRecord, *, time: float, loss: float | None) -> Window:
    return replace(run.windows[0], time=time, prediction_loss=loss)


def test_a_goal_under_way_at_the_shift_counts_as_after_it(run: RunRecord) -> None:
    goals = (
        goal(start=0, end=SHIFT - 1, succeeded=True),
        goal(start=SHIFT - 1, end=SHIFT + 1, succeeded=False),
        goal(start=SHIFT + 1, end=SHIFT + 2, succeeded=True),
    )
    summary = summarised(replace(run, goals=goals))
    assert summary.success_before == Successes(succeeded=1, goals=1)
    assert summary.success_after == Successes(succeeded=1, goals=2)


def test_successes_are_told_by_thirds_before_and_after_the_shift(run: RunRecord) -> None:
    before = [goal(start=index, end=index, succeeded=index >= 5) for index in range(7)]
    after = [goal(start=SHIFT + index, end=SHIFT + index, succeeded=True) for index in range(2)]
    summary = summarised(replace(run, goals=(*before, *after)))
    assert [(third.succeeded, third.goals) for third in summary.thirds_before] == [(0, 2), (0, 3), (2, 2)]
    assert [(third.succeeded, third.goals) for third in summary.thirds_after] == [(1, 1), (0, 0), (1, 1)]


def test_the_distance_is_the_median_of_the_goals_that_came_to_rest(run: RunRecord) -> None:
    distances = (0.01, None, 0.03, 0.02)
    goals = tuple(goal(start=SHIFT + 1, end=SHIFT + 2, succeeded=False, distance=distance) for distance in distances)
    summary = summarised(replace(run, goals=goals))
    assert summary.distance_before is None
    assert summary.distance_after == pytest.approx(0.02)


def test_a_run_without_a_shift_counts_as_before_it(run: RunRecord) -> None:
    summary = summarised(replace(run, shift=None))
    assert summary.success_before.goals == len(run.goals)
    assert summary.success_after.goals == 0
    assert summary.prediction_loss_after is None


def test_the_loss_is_the_median_of_the_windows_that_have_one(run: RunRecord) -> None:
    windows = tuple(window(run, time=SHIFT + index, loss=loss) for index, loss in enumerate([1.0, None, 9.0, 2.0]))
    summary = summarised(replace(run, windows=windows))
    assert summary.prediction_loss_before is None
    assert summary.prediction_loss_after == 2.0


def test_figures_are_missing_rather_than_zero_where_nothing_was_recorded(run: RunRecord) -> None:
    summary = summarised(replace(run, windows=(), chunks=(), control=replace(run.control, lateness=())))
    assert summary.drift_max is None
    assert summary.inference_p50 is None
    assert summary.inference_p99 is None
    assert summary.lateness_p99 is None


def test_latency_and_drift_are_those_of_the_record(run: RunRecord) -> None:
    chunks = tuple(replace(run.chunks[0], inference_time=milliseconds / 1000) for milliseconds in range(101))
    summary = summarised(replace(run, chunks=chunks))
    assert summary.inference_p50 == pytest.approx(0.050)
    assert summary.inference_p99 == pytest.approx(0.099)
    assert summary.drift_max == max(each.drift_total for each in run.windows)
    assert summary.windows_committed + summary.windows_rejected == len(run.windows)
    assert summary.windows_rejected == sum(not each.committed for each in run.windows)
