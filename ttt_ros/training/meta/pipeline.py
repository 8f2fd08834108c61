"""A whole meta-training: sight, recordings, outer loop, recordings of the policy's own, outer loop, checkpoint."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, JsonValue

from ttt_ros.configuration import strict, validated
from ttt_ros.errors import CheckpointError, ConfigurationError, RecordingError
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.simulation.robots import HIDDEN_SIZE
from ttt_ros.training.meta.configuration import MetaConfig, Order, RecordingConfig
from ttt_ros.training.meta.desk_arm import SPECIFICATION, VOCABULARY
from ttt_ros.training.meta.familiarity import statistics_of
from ttt_ros.training.meta.recording import Actor, record_deployments
from ttt_ros.training.meta.sequences import Sequences, joined, load_sequences
from ttt_ros.training.meta.train import meta_train
from ttt_ros.training.sight.configuration import SightTrainingConfig
from ttt_ros.training.sight.train import train_sight
from ttt_ros.training.sight.weights import load_sight, save_sight

_SMALLEST_SCALE = 1e-2
"""Of a joint that hardly moves in training, rad."""

_CHUNKS = 20_000
"""About so many recorded chunks enter the basis of movements."""

_SEEN = 2
"""Coordinates of the tip that an image from above shows, the horizontal ones."""

_OWN_SEED = 100_000
"""Of the robots on which the policy itself acts in the first such round; each round begins so much further."""


@strict
@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """A whole meta-training; composed by ``composed``.

    Attributes:
        data: folder of another run whose sight and recordings are used; empty: this run makes its own.
        trunk: checkpoint of a policy whose sight is used; empty: one is trained. Not beside ``data``.
        jobs: processes that record.
        nominal: train on robots without hidden properties, recorded beside the others.
        rounds: rounds in which the policy itself acts (DAgger, arXiv 1011.0686), after the first one of a rough expert.
        first_steps: outer steps before the policy acts itself.
        held_out: deployments that are validated on, of the last recorded ones.
        sight: training of the trunk, which is frozen afterwards.
        recording: the rough expert's round.
        own_deployments: deployments in each round in which the policy acts.
        pretraining: steps of cloning, without updates, on the rough expert's round.
        cloning: the same on the recordings of all rounds, before the outer loop; 0: none.
        pretraining_rate: learning rate in both.
        meta: the outer loop.
    """

    data: str = ""
    trunk: str = ""
    jobs: Annotated[int, Field(ge=1)] = 2
    nominal: bool = False
    rounds: Annotated[int, Field(ge=0)] = 1
    first_steps: Annotated[int, Field(ge=1)] = 300
    held_out: Annotated[int, Field(ge=1)] = 40
    sight: SightTrainingConfig = field(default_factory=SightTrainingConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    own_deployments: Annotated[int, Field(ge=1)] = 300
    pretraining: Annotated[int, Field(ge=1)] = 1500
    cloning: Annotated[int, Field(ge=0)] = 0
    pretraining_rate: Annotated[float, Field(gt=0)] = 5e-3
    meta: MetaConfig = field(default_factory=MetaConfig)

    def __post_init__(self) -> None:
        told = self.meta.policy.privileged
        if told not in (0, HIDDEN_SIZE):
            raise ConfigurationError(f"privileged is {told}, but the hidden properties of a robot are {HIDDEN_SIZE} numbers; use that or 0")
        if self.data and self.trunk:
            raise ConfigurationError(f"data is '{self.data}' and trunk '{self.trunk}', but the sight is taken from one of them; give one")
        if self.nominal and self.rounds:
            raise ConfigurationError(f"rounds is {self.rounds}, but a policy for the nominal robot has nothing to adapt to; set rounds=0")


def composed(overrides: Sequence[str]) -> PipelineConfig:
    """Composes the configuration with Hydra; ``overrides`` such as ``method=lstm`` or ``meta.outer.steps=100``.

    Raises:
        ConfigurationError: an override that does not exist or does not fit.
    """
    try:
        with initialize_config_module("ttt_ros.training.meta.conf", version_base="1.3"):
            values: Any = OmegaConf.to_container(compose("desk_arm", overrides=list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(f"the configuration cannot be composed: {error}") from None
    return validated(PipelineConfig, values, source="ttt-ros train")


def run_pipeline(config: PipelineConfig, output: Path) -> Path:
    """Runs all stages that ``output`` does not hold yet and returns the path of the checkpoint.

    Raises:
        CheckpointError, ConfigurationError, RecordingError: ``output`` holds another run, something that is asked for is not there, or
            ``torchrun`` started several processes, which train together, and there are no data yet.
    """
    torch.set_num_threads(1)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not config.data:
        raise ConfigurationError(
            "several processes would each record the same data; record with one process first, then give its folder as data=FOLDER/data"
        )
    data = Path(config.data) if config.data else output / "data"
    if config.data and not data.is_dir():
        raise RecordingError(f"there is no folder {data} to take the data from; give the data folder of a finished run")
    sight = _sight(config, data / "sight")
    first = data / ("nominal" if config.nominal else "round-0")
    rounds = [record_deployments(replace(config.recording, nominal=config.nominal), first, jobs=config.jobs)]
    pretrained = _trained(_cloning(config, steps=config.pretraining), sight, rounds, output / "pretraining", start=None)
    for number in range(1, config.rounds + 1):
        shards, pretrained = _own_round(config, number, sight, rounds, data, output, start=pretrained)
        rounds.append(shards)
    if config.cloning:
        pretrained = _trained(_cloning(config, steps=config.cloning), sight, rounds, output / "cloning", start=pretrained)
    return _trained(config, sight, rounds, output, start=pretrained)


def _sight(config: PipelineConfig, folder: Path) -> Path:
    if not config.data and not config.trunk:
        return train_sight(config.sight, folder)
    path = folder / "sight.safetensors"
    if config.trunk and not path.exists():
        policy = load_policy(Path(config.trunk))
        if not isinstance(policy, MemoryPolicy):
            raise CheckpointError(f"the policy in {config.trunk} has no sight; give one that `ttt-ros train method=...` made")
        save_sight(policy.sight, path)
    return path


def _cloning(config: PipelineConfig, *, steps: int) -> PipelineConfig:
    """The configuration of a stage in which nothing adapts yet."""
    outer = replace(config.meta.outer, order=Order.NONE, steps=steps, learning_rate=config.pretraining_rate)
    return replace(config, meta=replace(config.meta, outer=outer))


def _own_round(
    config: PipelineConfig, number: int, sight: Path, rounds: Sequence[Sequence[Path]], data: Path, output: Path, *, start: Path
) -> tuple[list[Path], Path]:
    """Recordings of the policy as the rounds so far have taught it, and that policy; recordings of another run are used as they are."""
    directory = data / f"round-{number}"
    if config.data:
        shards = sorted(directory.glob("shard-*.safetensors"))
        if not shards:
            raise RecordingError(f"{directory} holds no recordings; finish that run first, or set rounds={number - 1}")
        return shards, start
    shorter = replace(config, meta=replace(config.meta, outer=replace(config.meta.outer, steps=config.first_steps)))
    policy = _trained(shorter, sight, rounds, output / f"round-{number - 1}", start=start)
    recording = replace(config.recording, deployments=config.own_deployments, seed=config.recording.seed + number * _OWN_SEED)
    return record_deployments(recording, directory, jobs=config.jobs, actor=Actor(policy=policy, adaptation=config.meta.adaptation)), policy


def _trained(config: PipelineConfig, sight: Path, rounds: Sequence[Sequence[Path]], output: Path, *, start: Path | None) -> Path:
    """The outer loop on the recordings of all ``rounds``, from scratch or from where another stage ended."""
    torch.manual_seed(config.meta.seed)
    policy = MemoryPolicy(config=config.meta.policy, specification=SPECIFICATION, vocabulary=VOCABULARY)
    policy.sight.load_state_dict(load_sight(sight).state_dict())
    policy.sight.requires_grad_(False)
    everything = joined([load_sequences(shards, policy=policy, goals=config.meta.outer.goals) for shards in rounds])
    fit_statistics(policy, everything)
    if start is not None:
        policy.load_state_dict(load_policy(start).state_dict())
    policy.statistics = statistics_of(policy, [shard for shards in rounds for shard in shards])
    count = everything.deployments
    if config.held_out >= count:
        raise RecordingError(f"{count} deployments are recorded and {config.held_out} shall be held out; record more or hold out fewer")
    data, held_out = (everything.selected(torch.arange(*part)) for part in ((0, count - config.held_out), (count - config.held_out, count)))
    facts: dict[str, JsonValue] = {
        "recording": asdict(config.recording),
        "rounds": config.rounds,
        "deployments": data.deployments,
        "data": tensor_checksum({"labels": everything.labels, "executed": everything.executed}),
        "start": "" if start is None else read_header(start).checksum,
    }
    return meta_train(config.meta, policy, data, held_out, output, facts=facts)


@torch.no_grad()
def fit_statistics(policy: MemoryPolicy, sequences: Sequences) -> None:
    """Sets what the policy normalises with, its basis of movements and their effects, from recordings."""
    positions = sequences.positions.flatten(0, 2)
    policy.position_mean.copy_(positions.mean(dim=0))
    policy.position_scale.copy_(positions.std(dim=0).clamp(min=_SMALLEST_SCALE))
    chunks = torch.cat([sequences.labels.flatten(0, 2), sequences.executed.flatten(0, 1)])
    policy.movements.fit(chunks[:: max(1, len(chunks) // _CHUNKS)])
    policy.movements.fit_effects(sequences.jacobians.flatten(0, 1), seen=_SEEN)
