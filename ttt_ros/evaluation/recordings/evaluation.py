"""Frozen against adapting on held-out demonstrations: next-observation and action error, clean and under corrupted images."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.intervals import Blocks
from ttt_ros.evaluation.recordings.configuration import RecordingsConfig
from ttt_ros.evaluation.recordings.findings import PREDICTION, Condition, Figure, Findings, table, write_findings
from ttt_ros.evaluation.recordings.plot import plotted
from ttt_ros.evaluation.recordings.results import Result, load_result, mean_result, save_result
from ttt_ros.evaluation.recordings.stream import Arm, Recorded, no_change, streamed
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.simulation.corruptions import corrupted
from ttt_ros.training.datasets.fit import check_fits
from ttt_ros.training.datasets.frames import EpisodeFrames, episode_frames
from ttt_ros.training.datasets.opening import open_dataset
from ttt_ros.training.manifest import claim
from ttt_ros.training.progress import progress_bar

CLEAN = "clean"
CORRUPTED = "corrupted"


def evaluate_dataset(policy: Path, dataset: Path, config: RecordingsConfig, output: Path) -> Findings:
    """Runs every arm in every condition and writes ``figures.json``, ``table.md`` and ``change.png`` into ``output``.

    Each condition is kept there, so that an evaluation that was broken off, or one with more corruptions, goes on where it was.

    Raises:
        CheckpointError: the policy cannot be loaded.
        ConfigurationError: a joint group is empty.
        RecordingError: the data set cannot be read or does not fit the policy; ``output`` holds another evaluation or cannot be written.
        SimulationError: the library of the corruptions is not installed.
    """
    loaded = load_policy(policy)
    episodes = _read(loaded, dataset, config.episodes, config)
    groups = joint_groups(loaded.specification.joint_names, config.joint_groups)
    blocks = Blocks([each.stamps for each in episodes], seconds=config.block_seconds, seed=config.seed)
    facts = {name: value for name, value in asdict(config).items() if name != "corruptions"}
    # A data set of the same name may be another one: the instants of the frames tell.
    frames = hashlib.sha256(np.concatenate([np.array(each.stamps, dtype=np.int64) for each in episodes]).tobytes()).hexdigest()
    claim(output / "conditions" / "evaluation.json", facts | {"policy": loaded.checksum, "dataset": dataset.name, "frames": frames})
    results = _run(loaded, episodes, config, output / "conditions")
    conditions = {CLEAN: results[CLEAN]}
    if config.corruptions:
        conditions[CORRUPTED] = mean_result([results[name] for name in config.corruptions])
    findings = Findings(
        dataset=dataset.name,
        checksum=loaded.checksum,
        frames=sum(len(each) for each in episodes),
        blocks=blocks.count,
        config=config,
        conditions=tuple(_condition(name, result, groups, blocks) for name, result in (conditions | results).items()),
    )
    write_findings(findings, output / "figures.json")
    write_whole(output / "table.md", table(findings))
    write_whole(output / "change.png", plotted(findings))
    return findings


def choose_learning_rate(policy: Path, dataset: Path, config: RecordingsConfig) -> dict[float, float]:
    """Tries ``config.choice_rates`` on ``config.choice_episodes``, which ``policy`` must not have been trained on.

    Choose on episodes that the final policy may train on, with a policy that did not: the episodes of the evaluation stay unseen.

    Returns:
        By rate, the action error relative to the frozen policy's: the mean over joint groups and conditions; below 1 is better.

    Raises:
        As ``evaluate_dataset``; ConfigurationError if ``choice_episodes`` is empty.
    """
    if not config.choice_episodes:
        raise ConfigurationError("choice_episodes is empty; name episodes that the policy was not trained on")
    loaded = load_policy(policy)
    episodes = _read(loaded, dataset, config.choice_episodes, config)
    groups = joint_groups(loaded.specification.joint_names, config.joint_groups)
    adaptations = {rate: replace(config.adaptation, learning_rate=rate) for rate in config.choice_rates}
    ratios: dict[float, list[float]] = {rate: [] for rate in adaptations}
    with progress_bar("rates", total=1 + len(config.choice_corruptions)) as advance:
        for name in (CLEAN, *config.choice_corruptions):
            recorded = _encoded(loaded, episodes, name, config)
            frozen = streamed(loaded, recorded, Arm.FROZEN, config.adaptation, interval=config.interval)
            for rate, adaptation in adaptations.items():
                adapting = streamed(loaded, recorded, Arm.ADAPTING, adaptation, interval=config.interval)
                ratios[rate] += [
                    float(adapting.action_error[:, joints].mean() / frozen.action_error[:, joints].mean()) for joints in groups.values()
                ]
            advance()
    return {rate: float(np.mean(each)) for rate, each in ratios.items()}


def joint_groups(names: Sequence[str], patterns: Mapping[str, tuple[str, ...]]) -> dict[str, NDArray[np.int64]]:
    """Positions among ``names`` of the joints that match each title's patterns.

    Raises:
        ConfigurationError: a title matches none.
    """
    groups = {
        title: np.array([index for index, name in enumerate(names) if any(fnmatchcase(name, each) for each in wanted)], dtype=np.int64)
        for title, wanted in patterns.items()
    }
    for title, joints in groups.items():
        if not len(joints):
            raise ConfigurationError(f"no joint matches {list(patterns[title])} of the joint group '{title}'; there are {', '.join(names)}")
    return groups


def _read(policy: Policy, dataset: Path, episodes: Sequence[int], config: RecordingsConfig) -> list[EpisodeFrames]:
    specification = policy.specification
    if config.interval > specification.horizon:
        raise ConfigurationError(
            f"interval is {config.interval}, above the policy's horizon, {specification.horizon}: no transition could hold it; lower it"
        )
    source = open_dataset(dataset, bag=config.bag)
    check_fits(source.layout, specification, source=str(dataset))
    frames = []
    for index in episodes:
        episode = source.episode(index)
        policy.check_instruction(episode.instruction)
        frames.append(episode_frames(episode, layout=source.layout, specification=specification, interval=config.interval))
    return frames


def _run(policy: Policy, episodes: Sequence[EpisodeFrames], config: RecordingsConfig, directory: Path) -> dict[str, Result]:
    results: dict[str, Result] = {}
    with progress_bar("conditions", total=1 + len(config.corruptions)) as advance:
        for name in (CLEAN, *config.corruptions):
            path = directory / f"{name}.safetensors"
            if not path.exists():
                save_result(path, _result(policy, _encoded(policy, episodes, name, config), config))
            results[name] = load_result(path)
            advance()
    return results


def _result(policy: Policy, recorded: Sequence[Recorded], config: RecordingsConfig) -> Result:
    return Result(
        arms={arm: streamed(policy, recorded, arm, config.adaptation, interval=config.interval) for arm in Arm},
        no_change=no_change(policy, recorded, config.adaptation, interval=config.interval),
    )


def _encoded(policy: Policy, episodes: Sequence[EpisodeFrames], condition: str, config: RecordingsConfig) -> list[Recorded]:
    """The trunk is frozen in every arm, so it runs once for each condition."""
    # A generator of its own for each condition, so that none depends on which others are run.
    generator = np.random.default_rng([config.seed, *condition.encode()])
    recorded = []
    for episode in episodes:
        features = []
        for frame in range(len(episode)):
            images = {
                camera.name: _seen(episode.images[frame, index], condition, config, generator)
                for index, camera in enumerate(policy.specification.cameras)
            }
            observation = Observation(
                stamp=episode.stamps[frame], images=images, joint_positions=episode.positions[frame], instruction=episode.instruction
            )
            features.append(policy.encode(observation))
        recorded.append(Recorded(stamps=episode.stamps, features=features, commands=episode.commands))
    return recorded


def _seen(image: torch.Tensor, condition: str, config: RecordingsConfig, generator: np.random.Generator) -> torch.Tensor:
    if condition == CLEAN:
        return image
    return torch.from_numpy(corrupted(image.numpy(), condition, config.severity, generator).copy())


def _condition(name: str, result: Result, groups: Mapping[str, NDArray[np.int64]], blocks: Blocks) -> Condition:
    errors = {PREDICTION: {arm: stream.prediction_loss for arm, stream in result.arms.items()}}
    for title, joints in groups.items():
        errors[title] = {arm: stream.action_error[:, joints].mean(axis=1) for arm, stream in result.arms.items()}
    figures = {
        title: Figure(
            frozen=blocks.mean(each[Arm.FROZEN]),
            adapting=blocks.mean(each[Arm.ADAPTING]),
            change=blocks.change(each[Arm.ADAPTING], each[Arm.FROZEN]),
            flipped_change=blocks.change(each[Arm.FLIPPED], each[Arm.FROZEN]),
        )
        for title, each in errors.items()
    }
    adapting = result.arms[Arm.ADAPTING]
    return Condition(
        name=name,
        figures=figures,
        no_change=blocks.mean(result.no_change),
        windows=float(adapting.windows),
        committed=float(adapting.committed),
        drift=float(adapting.drift),
    )
