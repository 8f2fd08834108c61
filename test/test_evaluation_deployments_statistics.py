"""Means, differences and gaps with intervals over paired robots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.evaluation.deployments.statistics import FEWEST_SEEDS, Bootstrap, Sample, rank_correlation


def sample(**values: np.ndarray) -> Sample:
    """One condition, one goal: a value per robot."""
    arrays = {arm: np.asarray(value, dtype=float).reshape(len(value), 1, -1) for arm, value in values.items()}
    return Sample(seeds=tuple(range(len(next(iter(arrays.values()))))), values=arrays)


def normal(count: int, *, mean: float, scale: float = 0.1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, scale, count)


def test_the_mean_and_its_interval_are_those_of_the_textbook():
    values = normal(200, mean=0.5)
    estimate = Bootstrap(sample(one=values)).mean("one")
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.lower == pytest.approx(values.mean() - half, abs=0.003)
    assert estimate.upper == pytest.approx(values.mean() + half, abs=0.003)
    assert estimate.deployments == 200


def test_a_paired_difference_is_free_of_what_robots_have_in_common():
    robots = normal(40, mean=0.5, scale=0.3)
    estimate = Bootstrap(sample(one=robots + 0.05 + normal(40, mean=0, scale=0.01, seed=1), other=robots)).difference("one", "other")
    assert estimate.value == pytest.approx(0.05, abs=0.01)
    assert estimate.upper - estimate.lower < 0.02
    assert estimate.lower > 0


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        estimate = Bootstrap(sample(one=normal(30, mean=0.5, seed=seed)), draws=500).mean("one")
        hits += estimate.lower <= 0.5 <= estimate.upper
    assert 0.88 <= hits / 200 <= 0.99


def test_goals_of_one_robot_are_not_taken_for_independent():
    robots = (np.arange(20) % 2).astype(float)
    clustered = Sample(seeds=tuple(range(20)), values={"one": np.repeat(robots[:, None, None], 64, axis=2)})
    estimate = Bootstrap(clustered).mean("one")
    assert estimate.upper - estimate.lower > 0.3


@given(st.floats(0.05, 0.4), st.floats(0.3, 0.9))
@settings(max_examples=20, deadline=None)
def test_the_gap_closed_is_0_at_the_floor_and_1_at_the_ceiling(floor, gap):
    low = normal(30, mean=floor, scale=0.02)
    found = Bootstrap(sample(low=low, high=low + gap, middle=low + gap / 4), draws=200)
    for arm, value in (("low", 0.0), ("high", 1.0), ("middle", 0.25)):
        closed = found.gap_closed(arm, floor="low", ceiling="high")
        assert closed.value == pytest.approx(value, abs=1e-9)
        assert closed.lower == pytest.approx(value, abs=1e-6)


def test_there_is_no_gap_where_the_ceiling_is_not_above_the_floor():
    same = normal(30, mean=0.5)
    assert Bootstrap(sample(low=same, high=same - 0.1)).gap_closed("low", floor="low", ceiling="high") is None


def test_a_gap_that_is_hardly_there_has_no_interval():
    low, high = normal(30, mean=0.5), normal(30, mean=0.5, seed=1)
    low, high = sorted((low, high), key=np.mean)
    closed = Bootstrap(sample(low=low, high=high)).gap_closed("high", floor="low", ceiling="high")
    assert closed.value == pytest.approx(1.0)
    assert closed.lower is None


def test_few_robots_give_a_figure_without_an_interval():
    few = Bootstrap(sample(one=normal(FEWEST_SEEDS - 1, mean=0.5))).mean("one")
    enough = Bootstrap(sample(one=normal(FEWEST_SEEDS, mean=0.5))).mean("one")
    assert (few.lower, few.upper) == (None, None)
    assert enough.lower is not None


def test_a_robot_that_is_missing_under_one_condition_counts_under_the_others():
    values = np.array([[[0.0], [1.0]], [[0.5], [np.nan]]])
    estimate = Bootstrap(Sample(seeds=(0, 1), values={"one": values})).mean("one")
    assert estimate.value == pytest.approx(0.5)
    assert estimate.deployments == 3


def test_by_goal_splits_the_run_in_order():
    values = np.tile(np.arange(20.0), (6, 1, 1))
    means = [estimate.value for estimate in Bootstrap(Sample(seeds=tuple(range(6)), values={"one": values})).by_goal("one", bins=10)]
    assert means == [0.5 + 2 * tenth for tenth in range(10)]


def test_a_run_shorter_than_the_bins_has_one_bin_per_goal():
    values = np.tile(np.arange(4.0), (6, 1, 1))
    assert len(Bootstrap(Sample(seeds=tuple(range(6)), values={"one": values})).by_goal("one", bins=10)) == 4


def test_a_part_is_a_share_of_the_goals():
    values = np.tile(np.arange(10.0), (2, 1, 1))
    part = Sample(seeds=(0, 1), values={"one": values}).part(0.1, 0.3)
    assert part.values["one"].tolist() == [[[1.0, 2.0]], [[1.0, 2.0]]]


def test_rank_correlation_sees_order_and_nothing_else():
    first = list(range(12))
    rising = rank_correlation(first, [value**3 for value in first])
    assert rising.value == pytest.approx(1.0)
    assert rank_correlation(first, [-value for value in first]).value == pytest.approx(-1.0)
    assert rank_correlation(first, [1.0] * 12) is None
    unrelated = rank_correlation(first, normal(12, mean=0).tolist())
    assert unrelated.lower < unrelated.value < unrelated.upper
