"""Whether the reconstruction's gradient agrees with the action's."""

import json

import numpy as np
import pytest
import torch
from deployment_policies import AlwaysLearning, memory_policy
from scipy.stats import spearmanr

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.evaluation.deployments import alignment
from ttt_ros.evaluation.deployments.alignment import cosine, summarised
from ttt_ros.evaluation.deployments.alignment_plot import drawn
from ttt_ros.evaluation.deployments.alignment_record import AlignmentOfDeployment
from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.statistics import rank_correlation
from ttt_ros.policies.checkpoint import save_policy

ADAPTATION = AdaptationConfig(objectives={"action": 1.0}, window=2, minimum_samples=1, ridge=1.0, learning_rate=1.0)


def robots(count: int, *, slope: float) -> list[AlignmentOfDeployment]:
    random = np.random.default_rng(0)
    cosines = random.uniform(-0.2, 0.8, count).tolist()
    return [
        AlignmentOfDeployment(seed=seed, windows=60, gradient=each, step=each / 2, gain=float(slope * each + random.normal(0, 0.05)))
        for seed, (each, noise) in enumerate(zip(cosines, random.normal(0, 0.05, count).tolist(), strict=True))
    ]


def test_the_cosine_is_over_all_parameters_together():
    one = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([[1.0]])}
    assert cosine(one, one) == pytest.approx(1.0)
    assert cosine(one, {"a": -2 * one["a"], "b": -2 * one["b"]}) == pytest.approx(-1.0)
    assert cosine(one, {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([[-1.0]])}) == pytest.approx(0.0)
    assert cosine(one, {"a": torch.zeros(2), "b": torch.zeros(1, 1)}) is None


def test_ranks_are_correlated_as_scipy_does_also_with_ties():
    random = np.random.default_rng(1)
    first, second = random.integers(0, 5, 40), random.integers(0, 5, 40)
    assert rank_correlation(first.tolist(), second.tolist()).value == pytest.approx(spearmanr(first, second).statistic)


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_cosine_that_goes_with_the_gain_is_found(slope):
    found = summarised(robots(30, slope=slope), policy="0", condition="training/all", goals=64)
    assert slope * found.gradient_with_gain.value > 0.8
    assert slope * found.gradient_with_gain.lower > 0 or slope * found.gradient_with_gain.upper > 0
    assert found.step.value == pytest.approx(found.gradient.value / 2)
    assert drawn(found).startswith(b"\x89PNG")


def test_robots_without_a_window_are_left_out():
    idle = AlignmentOfDeployment(seed=99, windows=0, gradient=None, step=None, gain=0.0)
    found = summarised([*robots(8, slope=1.0), idle], policy="0", condition="training/all", goals=64)
    assert (found.gradient.deployments, found.gain.deployments) == (8, 9)
    nothing = summarised([idle], policy="0", condition="training/all", goals=64)
    assert (nothing.gradient, nothing.gradient_with_gain) == (None, None)
    assert drawn(nothing).startswith(b"\x89PNG")


def test_a_real_deployment_is_compared_window_by_window():
    policy = AlwaysLearning.of(memory_policy(fast=True))
    arm = Arm(name="adapting", label="adapting", role=Role.ADAPTING, checkpoint=alignment.Path("none"), adaptation=ADAPTATION)
    found = alignment._measured(policy, arm, condition="training/all", seed=0, goals=8)
    assert found.windows == 8 - alignment.GOALS_AHEAD
    assert -1 <= found.gradient <= 1
    assert -1 <= found.step <= 1


def test_the_figures_are_written(tmp_path):
    checkpoint = tmp_path / "policy.safetensors"
    save_policy(memory_policy(fast=True), checkpoint, training={})
    found = alignment.measure_alignment(checkpoint, ADAPTATION, condition="training/all", seeds=(0,), goals=1, out=tmp_path)
    assert json.loads((tmp_path / "alignment.json").read_text())["policy"] == found.policy
    assert (tmp_path / "alignment.png").read_bytes().startswith(b"\x89PNG")
