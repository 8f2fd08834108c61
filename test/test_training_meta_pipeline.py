"""A whole meta-training, small enough for a test."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from memory_policies import small_config, small_memory_policy
from pydantic import JsonValue

from ttt_ros.errors import CheckpointError, ConfigurationError, RecordingError
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.memory.configuration import MemoryConfig, MemoryKind
from ttt_ros.training.meta.configuration import MetaConfig, Order, OuterLoopConfig, RecordingConfig
from ttt_ros.training.meta.outer_loop import DeploymentLoss
from ttt_ros.training.meta.pipeline import composed, run_pipeline
from ttt_ros.training.meta.recording import Actor, record_deployments
from ttt_ros.training.meta.sequences import Sequences, load_sequences
from ttt_ros.training.meta.train import meta_train

METHODS = ["second_order", "first_order", "naive", "static", "nominal", "oracle", "lstm", "window", "attention"]
RECORDING = RecordingConfig(deployments=2, goals=4, deployments_per_shard=1, seed=7)
INNER = {"objectives": {"action": 1.0}, "window": 2, "minimum_samples": 1, "ridge": 1.0, "learning_rate": 0.5}


def sequences(*, deployments: int = 4, goals: int = 6, seed: int = 0) -> Sequences:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(deployments, goals, *shape, generator=generator)

    return Sequences(
        points=normal(2, 4, 3),
        positions=normal(2, 6),
        words=torch.randint(1, 5, (deployments, goals, 2, 8), generator=generator),
        executed=0.3 * normal(40, 6),
        labels=0.3 * normal(2, 40, 6),
        jacobians=0.1 * normal(3, 6),
        hidden=normal(3),
    )


def config(order: Order = Order.SECOND, *, memory: MemoryKind = MemoryKind.WINDOW, privileged: int = 0, **changes: object) -> MetaConfig:
    outer = OuterLoopConfig(order=order, steps=4, deployments=2, goals=6, truncation=3, ramp=2, warmup=1)
    policy: MemoryConfig = small_config(memory, fast_width=0 if order is Order.NONE else 8, privileged=privileged)
    base = MetaConfig(policy=policy, outer=outer, save_every=2, validate_every=2)
    adaptation = dataclasses.replace(base.adaptation, **INNER)
    return dataclasses.replace(base, adaptation=adaptation, **changes)


def trained(settings: MetaConfig, output: Path, **facts: JsonValue) -> str:
    policy = small_memory_policy(
        settings.policy.memory, fast_width=settings.policy.fast_width, privileged=settings.policy.privileged, seed=settings.seed
    )
    policy.sight.requires_grad_(False)
    return read_header(meta_train(settings, policy, sequences(), sequences(seed=1), output, facts=facts)).checksum


@pytest.mark.parametrize("method", METHODS)
def test_every_method_composes(method):
    assert composed([f"method={method}"]).meta.outer.steps > 0


@pytest.mark.parametrize("override", ["metod=lstm", "meta.outer.steps=none", "meta.outer.steps=0", "meta.adaptation.window=many"])
def test_an_override_that_does_not_fit_is_refused(override):
    with pytest.raises(ConfigurationError):
        composed([override])


@pytest.mark.parametrize(
    ("order", "memory", "privileged"),
    [
        (Order.SECOND, MemoryKind.WINDOW, 0),
        (Order.FIRST, MemoryKind.NONE, 0),
        (Order.NONE, MemoryKind.LSTM, 0),
        (Order.NONE, MemoryKind.ATTENTION, 0),
        (Order.NONE, MemoryKind.NONE, 3),
    ],
)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, order, memory, privileged):
    settings = config(order, memory=memory, privileged=privileged)
    checksums = [trained(settings, tmp_path / str(run)) for run in range(2)]
    assert checksums[0] == checksums[1]
    assert trained(dataclasses.replace(settings, seed=1), tmp_path / "other") != checksums[0]


def test_a_run_that_was_broken_off_ends_at_the_same_weights(tmp_path, monkeypatch):
    settings = config()
    whole = trained(settings, tmp_path / "whole")
    monkeypatch.setattr("ttt_ros.training.meta.metrics.Metrics.note", _break_off_at(3))
    with pytest.raises(KeyboardInterrupt):
        trained(dataclasses.replace(settings, validate_every=1), tmp_path / "broken")
    monkeypatch.undo()
    state = tmp_path / "broken" / "state.safetensors"
    assert state.exists()
    assert not (tmp_path / "broken" / "policy.safetensors").exists()
    assert trained(dataclasses.replace(settings, validate_every=1), tmp_path / "broken") == whole


def test_two_processes_of_torchrun_train_one_policy_together(tmp_path):
    worker = Path(__file__).with_name("torchrun_worker.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(worker), str(tmp_path)]
    folders = os.pathsep.join([str(worker.parent), str(worker.parent.parent)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    together = {(tmp_path / f"checksum-{rank}").read_text() for rank in range(2)}
    assert len(together) == 1
    assert read_header(tmp_path / "run" / "policy.safetensors").training["processes"] == 2
    assert together != {trained(config(), tmp_path / "alone")}


def test_several_processes_do_not_record_the_same_data(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match="record with one process first"):
        run_pipeline(composed([]), tmp_path)


def _break_off_at(step: int):
    def note(self, at: int, figures: object) -> None:
        if at == step:
            raise KeyboardInterrupt

    return note


def test_a_run_of_another_configuration_is_not_gone_on_with(tmp_path):
    trained(config(), tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        trained(dataclasses.replace(config(), outer=dataclasses.replace(config().outer, learning_rate=1e-3)), tmp_path)


def test_a_run_on_other_data_or_from_another_start_is_not_gone_on_with(tmp_path):
    settings = config(Order.FIRST)
    assert trained(settings, tmp_path, data="these", start="") == trained(settings, tmp_path, data="these", start="")
    for facts in ({"data": "those", "start": ""}, {"data": "these", "start": "cloned"}):
        with pytest.raises(CheckpointError, match="another configuration"):
            trained(settings, tmp_path, **facts)


def test_the_way_back_is_decided_with_the_goal_just_pointed_at_in_memory(monkeypatch):
    settings = config()
    policy, remembered = small_memory_policy(settings.policy.memory, fast_width=settings.policy.fast_width), []
    act_code = policy.act_code

    def noted(features, fast, memory):
        remembered.append(memory["records"].shape[1])
        return act_code(features, fast, memory)

    monkeypatch.setattr(policy, "act_code", noted)
    loss = DeploymentLoss(policy, settings)
    loss(sequences(), loss.begin(4, ramp=1.0), range(3), ramp=1.0)
    assert remembered == [0, 1, 1, 2, 2, 3]


def test_recomputing_activations_changes_nothing(tmp_path):
    checksums = [
        trained(
            dataclasses.replace(config(), outer=dataclasses.replace(config().outer, checkpointing=recompute)), tmp_path / str(recompute)
        )
        for recompute in (False, True)
    ]
    assert checksums[0] == checksums[1]


def test_a_device_that_is_not_there_is_refused(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigurationError, match="accelerator 'cuda'"):
        trained(config(accelerator="cuda"), tmp_path)


def test_fast_weights_are_needed_for_an_inner_loop():
    with pytest.raises(ConfigurationError, match="fast_width"):
        MetaConfig(policy=small_config(fast_width=0), outer=OuterLoopConfig(order=Order.SECOND))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return record_deployments(RECORDING, tmp_path_factory.mktemp("recorded"), jobs=1)


def test_recordings_of_another_configuration_are_refused(recorded):
    with pytest.raises(RecordingError, match="seed"):
        record_deployments(dataclasses.replace(RECORDING, seed=8), recorded[0].parent, jobs=1)


def test_sequences_hold_what_was_recorded_but_the_images(recorded):
    policy = small_memory_policy(fast_width=0)
    monitored = _always_informative(policy)
    loaded = load_sequences(recorded, policy=monitored, goals=4)
    again = load_sequences(recorded, policy=monitored, goals=4)
    assert loaded.points.shape == (2, 4, 2, 4, 3)
    assert loaded.labels.shape == (2, 4, 2, 40, 6)
    assert torch.equal(loaded.points, again.points)


def test_recordings_without_enough_goals_are_refused(recorded):
    with pytest.raises(RecordingError, match="5 goals"):
        load_sequences(recorded, policy=_always_informative(small_memory_policy(fast_width=0)), goals=5)


def test_the_policy_itself_can_act_in_a_recording(tmp_path):
    from ttt_ros.policies.checkpoint import save_policy

    save_policy(small_memory_policy(), tmp_path / "policy.safetensors", training={})
    actor = Actor(policy=tmp_path / "policy.safetensors", adaptation=config().adaptation)
    (shard, *_) = record_deployments(dataclasses.replace(RECORDING, deployments=1), tmp_path / "own", jobs=1, actor=actor)
    assert shard.exists()
    save_policy(small_memory_policy(seed=1), tmp_path / "other.safetensors", training={})
    for another in (None, dataclasses.replace(actor, policy=tmp_path / "other.safetensors")):
        with pytest.raises(RecordingError, match="actor"):
            record_deployments(dataclasses.replace(RECORDING, deployments=1), tmp_path / "own", jobs=1, actor=another)


def test_data_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="no folder"):
        run_pipeline(composed([f"data={tmp_path / 'nowhere'}"]), tmp_path / "run")


def test_the_whole_pipeline_ends_with_a_policy_that_says_where_it_comes_from(tmp_path):
    tiny = [
        "jobs=1", "first_steps=2", "pretraining=2", "cloning=3", "held_out=1", "own_deployments=2",
        "sight.steps=300", "+sight.batch=32", "sight.pictures.pictures=200",
        "+sight.pictures.pictures_per_shard=200", "+sight.test_goals=10",
        "recording.deployments=3", "recording.goals=5", "recording.deployments_per_shard=3", "recording.lasting_error=0.0",
        "+meta.policy.code=4", "meta.outer.steps=2", "meta.outer.deployments=2", "meta.outer.goals=1", "meta.outer.truncation=2",
        "meta.save_every=1", "meta.validate_every=1",
    ]  # fmt: skip
    path = run_pipeline(composed(tiny), tmp_path)
    policy = load_policy(path)
    assert policy.config.memory is MemoryKind.WINDOW
    assert policy.statistics is not None
    movements = policy.movements
    assert (movements.readout - torch.eye(*movements.readout.shape)).abs().max() > 0.01, "the effects were not fitted"
    torch.testing.assert_close(movements.drive @ movements.readout.T, torch.eye(len(movements.readout)), rtol=0.0, atol=1e-4)
    facts = read_header(path).training
    assert facts["config"]["outer"]["steps"] == 2
    stages = {stage: read_header(tmp_path / stage / "policy.safetensors").training for stage in ("pretraining", "round-0", "cloning")}
    assert {stage: (each["steps"], each["config"]["outer"]["order"], each["deployments"]) for stage, each in stages.items()} == {
        "pretraining": (2, "none", 2),
        "round-0": (2, "second", 2),
        "cloning": (3, "none", 4),
    }
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert any("held_out/tip_error_m" in line for line in lines)
    assert list((tmp_path / "tensorboard").iterdir())
    other = load_policy(run_pipeline(composed([*tiny, f"trunk={path}", "meta.seed=1"]), tmp_path / "other"))
    assert tensor_checksum(other.sight.state_dict()) == tensor_checksum(policy.sight.state_dict())
    assert other.checksum != policy.checksum


def _always_informative(policy):
    policy.informative = lambda transitions: torch.ones(transitions.executed.shape[:-2], dtype=torch.bool)
    return policy
