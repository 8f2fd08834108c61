"""What the statistics of the shipped policies' features tell apart, and how a checkpoint gets them."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from example_policies import built_in_policy
from memory_policies import small_memory_policy
from numpy.typing import NDArray
from safetensors.torch import save_file

from ttt_ros.errors import SpecificationError
from ttt_ros.policies.checkpoint import BuiltIn, load_policy, read_header, save_policy
from ttt_ros.policies.familiarity import FeatureStatistics
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.shipped import REACTIVE_POLICY, SHIPPED_POLICY
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.simulation.deployment import IMAGE_SIZE, Deployment
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.robots import Robot
from ttt_ros.training import desk_arm
from ttt_ros.training.configuration import DemonstrationConfig
from ttt_ros.training.description import describe_features
from ttt_ros.training.meta import familiarity
from ttt_ros.training.meta.configuration import RecordingConfig
from ttt_ros.training.rollouts import observe

HELD_OUT = 1_400_000
"""Seed of the first robot or layout; no training and no statistics saw it or its successors."""

FEW_DEPLOYMENTS = RecordingConfig(deployments=2, goals=2, deployments_per_shard=1)
FEW_DEMONSTRATIONS = DemonstrationConfig(episodes=1, episodes_per_shard=1)
UNUSUAL = 3.0
"""What held-out observations hardly ever reach."""

Image = NDArray[np.uint8]


def pointing_observations() -> Iterator[Observation]:
    for seed in range(HELD_OUT, HELD_OUT + 8):
        deployment = Deployment(Robot(seed=seed), seed=seed)
        try:
            for goal in range(4):
                deployment.begin_goal(goal)
                yield deployment.observe()
                deployment.play(deployment.demonstration().chunk)
                deployment.rest()
                yield deployment.observe()
                deployment.play(deployment.demonstration().chunk)
        finally:
            deployment.close()


def reactive_observations() -> Iterator[Observation]:
    simulation = Simulation()
    try:
        for seed in range(HELD_OUT, HELD_OUT + 32):
            simulation.reset(seed)
            yield observe(simulation, "touch the red cube")
            simulation.command([0.4 * np.cos(seed), -0.1, 0.4, 1.4, 0.0, 0.0])
            for _ in range(15):
                simulation.advance(1 / 30)
            yield observe(simulation, "push the blue cube to the mark")
    finally:
        simulation.close()


def noisy(image: Image) -> Image:
    return np.clip(image + np.random.default_rng(0).normal(scale=80, size=image.shape), 0, 255).astype(np.uint8)


def of_another_robot(image: Image) -> Image:
    """Bars and a disc in colours that the desk does not have, smooth and well lit."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    bars = (columns // 12 % 2)[..., None] * np.array([200, 60, 180]) + 30
    disc = ((rows - 48) ** 2 + (columns - 40) ** 2 < 500)[..., None]
    return np.where(disc, np.array([20, 220, 220]), bars).astype(np.uint8)


def novelties(policy: BuiltIn, observations: list[Observation], corrupt: Callable[[Image], Image] = np.copy) -> NDArray[np.float64]:
    seen = [
        dataclasses.replace(each, images={name: torch.from_numpy(corrupt(image.numpy())) for name, image in each.images.items()})
        for each in observations
    ]
    return np.array([float(policy.novelty(policy.encode(each))) for each in seen])


@pytest.mark.parametrize(
    ("checkpoint", "observations"),
    [(SHIPPED_POLICY, pointing_observations), (REACTIVE_POLICY, reactive_observations)],
    ids=["pointing", "reactive"],
)
def test_held_out_observations_are_near_1_and_corrupted_ones_far_above(checkpoint: Path, observations: Callable[[], Iterator[Observation]]):
    policy, seen = load_policy(checkpoint), list(observations())
    usual = novelties(policy, seen)
    assert 0.4 < usual.mean() < 1.6
    assert np.quantile(usual, 0.95) < UNUSUAL
    for corrupt in (np.zeros_like, noisy, of_another_robot):
        unusual = novelties(policy, seen[:16], corrupt)
        assert unusual.min() > 3 * UNUSUAL, corrupt.__name__


def small_pointing_policy() -> BuiltIn:
    return small_memory_policy()


def small_reactive_policy() -> BuiltIn:
    torch.manual_seed(0)
    config = VlaConfig(width=16, heads=2, depth=2, mlp_width=16, fast_width=8, stem_channels=(8, 8, 8, 8), key_points=4)
    return VisionLanguageActionPolicy(config=config, specification=desk_arm.SPECIFICATION, vocabulary=desk_arm.VOCABULARY)


@pytest.mark.parametrize("policy", [small_pointing_policy, small_reactive_policy])
def test_describing_a_checkpoint_twice_gives_the_same_file_in_which_only_the_statistics_are_new(
    policy: Callable[[], BuiltIn], tmp_path: Path
) -> None:
    before = tmp_path / "before.safetensors"
    save_policy(policy(), before, training={"steps": 3})
    once, twice = (tmp_path / f"{number}.safetensors" for number in range(2))
    for source, target in ((before, once), (once, twice)):
        header = describe_features(source, target, jobs=1, deployments=FEW_DEPLOYMENTS, demonstrations=FEW_DEMONSTRATIONS)
        assert header == dataclasses.replace(read_header(before), statistics_checksum=header.statistics_checksum)
        assert header.statistics_checksum
    assert once.read_bytes() == twice.read_bytes()


def test_a_policy_for_another_robot_is_sent_to_its_training(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    save_policy(built_in_policy(), path, training={})
    with pytest.raises(SpecificationError, match="run its training again in the same folder"):
        describe_features(path, path)


def test_observations_before_and_after_a_movement_count_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(2, 16, 2, *IMAGE_SIZE, 3, dtype=torch.uint8)
    positions = torch.tensor([0.0, 1.0])[:, None].expand(2, 16, 2, 6).contiguous()
    shard = tmp_path / "shard.safetensors"
    save_file({"images": images, "positions": positions, "words": torch.ones(2, 16, 2, 8, dtype=torch.int64)}, shard)
    # Half of what is recorded: every second one would be always the same kind.
    monkeypatch.setattr(familiarity, "SAMPLES", 32)
    joints = familiarity.statistics_of(small_memory_policy(), [shard]).mean[-6:]
    torch.testing.assert_close(joints, torch.full((6,), 0.5), rtol=0.0, atol=0.2)


def test_few_samples_are_shrunk_so_far_that_new_ones_are_not_all_unusual() -> None:
    generator = torch.Generator().manual_seed(0)
    statistics = FeatureStatistics.of(torch.randn(20, 40, generator=generator))
    assert statistics.distances(torch.randn(500, 40, generator=generator)).mean() < UNUSUAL
