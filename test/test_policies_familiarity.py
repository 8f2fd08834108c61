"""How far features are from those of training."""

from pathlib import Path

import pytest
import torch
from example_policies import built_in_policy, observation
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_policies import small_memory_policy
from safetensors import safe_open
from safetensors.torch import save_file

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checkpoint import load_policy, save_policy
from ttt_ros.policies.familiarity import FeatureStatistics


def samples(count: int = 4000, size: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator)
    return torch.randn(count, size, generator=generator) @ mixing + 3.0


def test_samples_of_training_are_at_distance_1_in_the_mean() -> None:
    statistics = FeatureStatistics.of(samples())
    assert statistics.distances(samples()).mean() == pytest.approx(1.0, abs=0.01)


@settings(deadline=None)
@given(factor=st.floats(1.5, 100.0), seed=st.integers(0, 5))
def test_the_distance_grows_with_the_square_of_the_way_from_the_mean(factor: float, seed: int) -> None:
    statistics = FeatureStatistics.of(samples())
    vector = samples(count=1, seed=seed)
    further = statistics.mean + factor * (vector - statistics.mean)
    assert statistics.distances(further) == pytest.approx(factor**2 * statistics.distances(vector).numpy(), rel=1e-3)


def test_a_feature_that_never_varied_leaves_the_distance_finite() -> None:
    constant = samples()
    constant[:, 2] = 1.0
    assert FeatureStatistics.of(constant).distances(constant).isfinite().all()


def test_of_one_sample_there_are_none() -> None:
    with pytest.raises(CheckpointError, match="of 1 samples say nothing"):
        FeatureStatistics.of(samples(count=1))


@pytest.mark.parametrize("policy", [built_in_policy(), small_memory_policy()], ids=["vla", "memory"])
def test_a_checkpoint_keeps_the_statistics_and_the_policy_stays_the_same(policy, tmp_path: Path) -> None:
    policy.statistics = FeatureStatistics.of(samples())
    path = tmp_path / "policy.safetensors"
    save_policy(policy, path, training={})
    loaded = load_policy(path)
    assert loaded.checksum == policy.checksum
    assert torch.equal(loaded.statistics.mean, policy.statistics.mean)
    assert torch.equal(loaded.statistics.whitening, policy.statistics.whitening)


def test_without_statistics_nothing_is_known_and_with_them_the_novelty_is_finite() -> None:
    policy = built_in_policy()
    features = policy.encode(observation())
    assert policy.novelty(features) is None
    summary = policy.summary(features)
    policy.statistics = FeatureStatistics.of(summary + torch.randn(50, summary.shape[-1]))
    assert policy.novelty(features).shape == (1,)
    assert policy.novelty(features).isfinite().all()


def test_altered_statistics_are_refused(tmp_path: Path) -> None:
    policy = built_in_policy()
    policy.statistics = FeatureStatistics.of(samples())
    path = tmp_path / "policy.safetensors"
    save_policy(policy, path, training={})
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    tensors["feature_statistics.mean"][0] += 1.0
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(CheckpointError, match="feature statistics do not have the checksum"):
        load_policy(path)
