"""A whole training run, small enough for seconds."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ttt_ros.configuration import load_yaml
from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.simulation.tasks import INSTRUCTIONS
from ttt_ros.training.cloning import Cloner, calibrate
from ttt_ros.training.configuration import CloningConfig, DemonstrationConfig, TrainingConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.demonstrations import record_demonstrations
from ttt_ros.training.demonstrator import FRAME_INTERVAL
from ttt_ros.training.desk_arm import SPECIFICATION, VOCABULARY
from ttt_ros.training.train import train

TINY = TrainingConfig(
    demonstrations=DemonstrationConfig(episodes=1, episodes_per_shard=1),
    policy=VlaConfig(width=16, heads=2, depth=2, mlp_width=16, fast_width=8, stem_channels=(8, 8, 8, 8), key_points=4),
    cloning=CloningConfig(
        steps=6, pairs=4, warmup_steps=2, learning_rate=3e-3, threads=1, checkpoint_every=3, validation_every=100, validation_episodes=1
    ),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    train(TINY, output)
    return output


@pytest.fixture
def demonstrations(finished: Path) -> DemonstrationSet:
    paths = record_demonstrations(TINY.demonstrations, finished / "demonstrations")
    return DemonstrationSet(
        paths,
        instructions=INSTRUCTIONS,
        vocabulary=VOCABULARY,
        instruction_length=SPECIFICATION.max_instruction_words,
        frame_interval=FRAME_INTERVAL,
    )


def fresh_cloner(demonstrations: DemonstrationSet) -> Cloner:
    torch.manual_seed(0)
    cloner = Cloner(VisionLanguageActionPolicy(config=TINY.policy, specification=SPECIFICATION, vocabulary=VOCABULARY), landmarks=4)
    cloner.fit_scales(demonstrations)
    return cloner


def with_demonstrations_of(finished: Path, output: Path) -> Path:
    shutil.copytree(finished / "demonstrations", output / "demonstrations")
    return output


def test_a_run_leaves_a_checkpoint_that_loads_and_says_where_it_comes_from(finished: Path) -> None:
    policy = load_policy(finished / "policy.safetensors")
    assert policy.specification == SPECIFICATION
    facts = read_header(finished / "policy.safetensors").training
    assert facts["steps"] == 6
    assert policy.statistics is not None
    assert facts["config"]["cloning"]["pairs"] == 4


def test_a_validation_of_each_skill_is_logged_and_changes_nothing(finished: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, cloning=dataclasses.replace(TINY.cloning, validation_every=4))
    validated = train(config, with_demonstrations_of(finished, tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], line["skill"]) for line in lines if "skill" in line] == [(4, "touch"), (4, "push")]
    assert load_policy(validated).checksum == load_policy(finished / "policy.safetensors").checksum


def test_a_run_that_was_broken_off_ends_at_the_same_policy_bit_for_bit(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = with_demonstrations_of(finished, tmp_path)
    losses = Cloner.losses
    calls = []

    def interrupted(self: Cloner, pairs: object) -> object:
        calls.append(None)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return losses(self, pairs)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Cloner, "losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, output)
    assert load_policy(train(TINY, output)).checksum == load_policy(finished / "policy.safetensors").checksum


def test_a_run_of_another_configuration_is_not_continued(finished: Path) -> None:
    other = dataclasses.replace(TINY, cloning=dataclasses.replace(TINY.cloning, learning_rate=1e-3))
    with pytest.raises(CheckpointError, match="another configuration"):
        train(other, finished)


def test_a_run_whose_state_has_one_bit_flipped_is_not_continued(finished: Path, tmp_path: Path) -> None:
    raw = bytearray((finished / "state.safetensors").read_bytes())
    raw[-1] ^= 1
    output = with_demonstrations_of(finished, tmp_path)
    (output / "state.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match="was altered"):
        train(TINY, output)


@pytest.mark.parametrize("part", ["action", "features", "proprioception", "landmarks"])
def test_each_part_of_the_loss_can_be_learnt_on_one_batch(demonstrations: DemonstrationSet, part: str) -> None:
    cloner, pairs = fresh_cloner(demonstrations), demonstrations.pairs(4, np.random.default_rng(0))
    optimiser = torch.optim.AdamW(cloner.parameters(), lr=3e-3)
    history = []
    for _ in range(12):
        loss = getattr(cloner.losses(pairs), part)
        history.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert history[-1] < 0.9 * history[1]


def test_reconstruction_alone_does_not_move_the_trunk(demonstrations: DemonstrationSet) -> None:
    cloner = fresh_cloner(demonstrations)
    losses = cloner.losses(demonstrations.pairs(4, np.random.default_rng(0)))
    torch.autograd.backward(losses.features + losses.proprioception)
    moved = {name for name, parameter in cloner.policy.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert any(name.startswith("late.") for name in moved)
    assert not any(name.startswith(("trunk.", "images.", "words.", "proprioception.")) for name in moved)


def test_after_calibration_predicting_no_change_has_an_error_near_one(demonstrations: DemonstrationSet) -> None:
    policy = fresh_cloner(demonstrations).policy
    calibrate(policy, demonstrations, pairs=64, seed=0)
    assert (policy.summary_change_scale != 1).all()
    assert (policy.position_change_scale < 1).all()


def test_the_shipped_configuration_is_valid() -> None:
    config = load_yaml(Path(__file__).parents[1] / "config" / "training.yaml", TrainingConfig)
    assert config.cloning.steps > 1000
