"""A whole training run on recorded demonstrations: a data set on disk in, a checkpoint out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field

from ttt_ros.configuration import strict
from ttt_ros.errors import RecordingError
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.policies.vocabulary import Vocabulary
from ttt_ros.training.cloning_run import CloningRun
from ttt_ros.training.configuration import CloningConfig, PositiveInt
from ttt_ros.training.datasets.bag import BagMapping
from ttt_ros.training.datasets.episode import EpisodeSource, Layout
from ttt_ros.training.datasets.fit import check_fits, check_landmarks
from ttt_ros.training.datasets.frames import episode_frames
from ttt_ros.training.datasets.opening import open_dataset
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.manifest import claim
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.run_state import as_facts
from ttt_ros.training.starting_point import begin_with


def _listed(episodes: Any) -> Any:
    """``"0:150"`` as LeRobot writes a split: the numbers from the first up to, and without, the second."""
    if not isinstance(episodes, str):
        return episodes
    first, _, end = episodes.partition(":")
    if not (first.isdecimal() and end.isdecimal()):
        raise ValueError(f"'{episodes}' is no range of episodes; write FIRST:END, such as 0:150, or list their numbers")
    return tuple(range(int(first), int(end)))


Index = Annotated[int, Field(ge=0)]
Episodes = Annotated[tuple[Index, ...], BeforeValidator(_listed)]

_ACTION_ERROR_BATCH = 32


@strict
@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """What of a data set is learned.

    Attributes:
        episodes: to train on; numbers, or a range such as ``0:150``, which ends before 150.
        validation: to watch while training, never to train on; may be empty.
        image_size: height and width that every image is shrunk to; multiples of the policy's patch, and of the recording's aspect ratio.
        cameras: names of the cameras that the policy sees; all if empty.
        horizon: rows in a chunk of actions.
        frame_interval: rows from one frame to the next.
        max_instruction_words: longest instruction that the policy reads.
        landmarks: names in ``observation.environment_state`` that the trunk learns to tell from the image, such as where an object lies; a
            simulation knows them. In training alone: the policy is never told.
        bag: what the topics mean, where the data set is a rosbag2.
    """

    episodes: Annotated[Episodes, Field(min_length=1)]
    validation: Episodes = ()
    image_size: tuple[PositiveInt, PositiveInt] = (96, 128)
    cameras: tuple[str, ...] = ()
    horizon: PositiveInt = 16
    frame_interval: PositiveInt = 1
    max_instruction_words: PositiveInt = 16
    landmarks: tuple[str, ...] = ()
    bag: BagMapping | None = None


@strict
@dataclass(frozen=True, kw_only=True)
class DatasetTrainingConfig:
    """A whole training run on a data set; read from a file such as ``config/g1.yaml`` with ``configuration.load_yaml``.

    Attributes:
        data: what is learned.
        seed: of weights and batches; on a CPU the same seed gives the same checkpoint bit for bit.
        policy: the sizes of the policy.
        start_from: checkpoint that it begins with, of the same sizes but for the memory; empty: it begins with random weights.
        cloning: how it learns; a validation measures the action error on the validation episodes.
    """

    data: DatasetConfig
    seed: Annotated[int, Field(ge=0)] = 0
    policy: VlaConfig = field(default_factory=VlaConfig)
    start_from: str = ""
    cloning: CloningConfig = field(default_factory=CloningConfig)


def train_on_dataset(config: DatasetTrainingConfig, dataset: Path, output: Path) -> Path:
    """Trains a policy by behaviour cloning on a LeRobot data set or on rosbag2 recordings.

    ``output`` receives ``policy.safetensors``, the shrunk frames, the state of the run and ``log.jsonl``. A run that was broken off goes on
    from its last saved state, and ends at the same weights bit for bit (on a CPU, with the same number of threads).

    Returns:
        The path of the checkpoint.

    Raises:
        CheckpointError, RecordingError: ``output`` holds another run.
        CheckpointError: the policy to begin with does not suit.
        RecordingError: the data set cannot be read, or does not suit a policy that reads and commands joint positions.
        SpecificationError: the image size does not suit the policy's.
    """
    torch.set_num_threads(config.cloning.threads)
    data = config.data
    source = open_dataset(dataset, bag=data.bag)
    specification = specification_for(source.layout, data)
    check_fits(source.layout, specification, source=str(dataset))
    check_landmarks(source.layout, data.landmarks, source=str(dataset))
    if overlap := sorted(set(data.episodes) & set(data.validation)):
        raise RecordingError(f"episodes {overlap} are to be trained on and to be validated on; take them out of one")
    instructions = tuple(sorted({source.episode(index).instruction for index in (*data.episodes, *data.validation)}))
    facts = as_facts(config) | {"dataset": dataset.name}
    claim(output / "frames" / "frames.json", as_facts(data) | {"dataset": dataset.name, "instructions": list(instructions)})
    numbers = {episode: output / "frames" / f"episode-{episode:06d}.safetensors" for episode in (*data.episodes, *data.validation)}
    _write_frames(source, specification, numbers, data=data, instructions=instructions)
    vocabulary = Vocabulary.of(instructions)

    def demonstrations(episodes: Sequence[int]) -> DemonstrationSet:
        return DemonstrationSet(
            [numbers[episode] for episode in episodes],
            instructions=instructions,
            vocabulary=vocabulary,
            instruction_length=specification.max_instruction_words,
            frame_interval=data.frame_interval,
        )

    def validate(policy: VisionLanguageActionPolicy) -> Iterator[dict[str, Any]]:
        if data.validation:
            held_out = demonstrations(data.validation)
            yield {"validation_action_error": round(action_error(policy, held_out), 5), "frames": len(held_out)}

    torch.manual_seed(config.seed)
    policy = VisionLanguageActionPolicy(config=config.policy, specification=specification, vocabulary=vocabulary)
    if config.start_from:
        facts["started_from"] = begin_with(policy, Path(config.start_from))
    run = CloningRun(policy, demonstrations(data.episodes), output, config=config.cloning, seed=config.seed, facts=facts, validate=validate)
    run.go_on()
    return run.export()


def specification_for(layout: Layout, data: DatasetConfig) -> PolicySpecification:
    """The policy that a data set asks for: its joints, rate and cameras."""
    height, width = data.image_size
    return PolicySpecification(
        cameras=tuple(CameraSpecification(name=name, height=height, width=width) for name in data.cameras or layout.cameras),
        joint_names=layout.state_names,
        horizon=data.horizon,
        period=1 / layout.rate,
        action_meaning=ActionMeaning.ABSOLUTE,
        max_instruction_words=data.max_instruction_words,
    )


@torch.no_grad()
def action_error(policy: VisionLanguageActionPolicy, demonstrations: DemonstrationSet) -> float:
    """Mean absolute error of the base policy's chunks over all frames, steps and joints, in the units of the joints."""
    fast, total = policy.base_fast_weights(), 0.0
    for frames in demonstrations.batches(_ACTION_ERROR_BATCH):
        features = policy.encode_batch(images=frames.images, positions=frames.positions, words=frames.words)
        total += float((policy.act(features, fast) - frames.commands).abs().mean(dim=(1, 2)).sum())
    return total / len(demonstrations)


def _write_frames(
    source: EpisodeSource, specification: PolicySpecification, paths: dict[int, Path], *, data: DatasetConfig, instructions: Sequence[str]
) -> None:
    missing = {index: path for index, path in paths.items() if not path.exists()}
    with progress_bar("reading episodes", total=len(paths), completed=len(paths) - len(missing)) as advance:
        for index, path in missing.items():
            frames = episode_frames(
                source.episode(index),
                layout=source.layout,
                specification=specification,
                interval=data.frame_interval,
                landmarks=data.landmarks,
            )
            count = len(frames)
            columns = {
                "images": frames.images,
                "positions": frames.positions,
                "commands": frames.commands,
                "executed": frames.commands,
                "landmarks": frames.landmarks,
                "instruction": torch.full((count,), instructions.index(frames.instruction)),
                "goal": torch.full((count,), index),
            }
            write_tensors(path, {name: tensor.clone() for name, tensor in columns.items()})
            advance()
