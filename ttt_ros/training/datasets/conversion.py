"""Turning LeRobot data sets into rosbag2 recordings and back."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ttt_ros.bags.inspection import InspectedTopic, Inspection, inspect_bag
from ttt_ros.bags.message_types import DEFAULT_DISTRIBUTION
from ttt_ros.bags.proposal import proposed_mapping
from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.bag import BagMapping, BagSource
from ttt_ros.training.datasets.episode import Episode, EpisodeSource, Layout
from ttt_ros.training.datasets.episode_bag import ImageFormat, camera_topics, write_episode_bag
from ttt_ros.training.datasets.lerobot_info import Version
from ttt_ros.training.datasets.lerobot_reader import LeRobotSource
from ttt_ros.training.datasets.lerobot_writer import Images, write_lerobot
from ttt_ros.training.progress import progress_bar

_WHOLE_RATE = 0.0005
"""Relative; a camera this close to a whole number of images per second is meant to have that number. 29.97 is further from 30."""


def bags_from_lerobot(
    source: Path,
    target: Path,
    *,
    images: ImageFormat = "jpeg",
    quality: int = 95,
    episodes: Sequence[int] | None = None,
    distribution: str = DEFAULT_DISTRIBUTION,
) -> int:
    """Writes a LeRobot data set (v2.1 or v3.0) as one bag for each episode, ``target/episode_000000`` and so on.

    The folder appears whole or not at all. ``write_episode_bag`` says what is in a bag.

    Args:
        source: folder of the data set.
        target: must not exist.
        images: how they are compressed; ``png`` keeps every bit.
        quality: of JPEG, 1 to 100.
        episodes: those to convert; None: all.
        distribution: name of the ROS distribution that is to read the bags.

    Returns:
        How many bags were written.

    Raises:
        RecordingError: ``target`` exists, the data set cannot be read, its states and actions are of different joints, the quality is out
            of range, or the disk is full.
    """
    _check_free(target)
    if not 1 <= quality <= 100:
        raise RecordingError(f"a JPEG quality of {quality} is outside 1 to 100; choose one between")
    dataset = LeRobotSource(source)
    _check_joints(dataset.layout, source)
    topics = camera_topics(dataset.layout, source=str(source))
    chosen = _chosen(episodes, dataset, source)
    aside = target.with_name(f"{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        with progress_bar("episodes", total=len(chosen)) as advance:
            for index in chosen:
                write_episode_bag(
                    aside / f"episode_{index:06d}",
                    dataset.episode(index),
                    layout=dataset.layout,
                    topics=topics,
                    images=images,
                    quality=quality,
                    distribution=distribution,
                )
                advance()
        os.replace(aside, target)
    except OSError as error:
        raise RecordingError(f"cannot write the bags {target} ({error}); check the folder and the space left on the disk") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return len(chosen)


def lerobot_from_bags(
    source: Path,
    target: Path,
    *,
    mapping: BagMapping | None = None,
    version: Version = "v3.0",
    images: Images = "png",
    robot: str = "unknown",
    episodes: Sequence[int] | None = None,
) -> int:
    """Writes a bag, or a folder of bags, as a LeRobot data set, which appears whole or not at all.

    Args:
        source: of the bag or the folder.
        target: must not exist.
        mapping: what the topics mean; None: as ``proposed_bag_mapping`` guesses from the first bag.
        version: of the format.
        images: ``png`` keeps every bit; ``video`` compresses to AV1.
        robot: its name, for people.
        episodes: those to convert; None: all.

    Returns:
        How many episodes were written.

    Raises:
        RecordingError: ``target`` exists, a bag cannot be read or has other joints than the mapping, an episode is empty, or the mapping
            cannot be guessed.
    """
    _check_free(target)
    bags = BagSource(source, mapping or proposed_bag_mapping(source))
    chosen = _chosen(episodes, bags, source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar("episodes", total=len(chosen)) as advance:
        read = _read_in_turn(bags, chosen, advance)
        return write_lerobot(target, read, layout=bags.layout, robot=robot, version=version, images=images)


def proposed_bag_mapping(source: Path) -> BagMapping:
    """Guesses the mapping from the only or first bag at ``source``: all of its joints, at the rate of its slowest camera.

    Raises:
        RecordingError: there is no bag, or it lacks images, joint states, commands or an instruction.
    """
    bag = source if source.is_file() or (source / "metadata.yaml").exists() else _first_bag(source)
    inspection = inspect_bag(bag)
    streams = proposed_mapping(inspection)
    if not streams.commands or not streams.instruction:
        lacking = "commands for its joints" if not streams.commands else "an instruction"
        raise RecordingError(
            f"no topic of {bag} looks like {lacking}; write a mapping that names it, or its text, and give it with --mapping"
        )
    rates = [rate for name in streams.cameras.values() if (rate := _topic(inspection, name).rate) is not None]
    if not rates:
        raise RecordingError(f"{bag} holds too few images to tell their rate; write a mapping and give it with --mapping")
    return BagMapping(
        cameras=streams.cameras,
        joint_states=streams.joint_states,
        commands=streams.commands,
        joints=_topic(inspection, streams.joint_states).content.joints,
        rate=_whole(min(rates)),
        instruction=streams.instruction,
    )


def _first_bag(folder: Path) -> Path:
    bags = sorted(metadata.parent for metadata in folder.glob("*/metadata.yaml"))
    if not bags:
        raise RecordingError(f"{folder} is neither a bag nor a folder of bags; name one that holds metadata.yaml")
    return bags[0]


def _topic(inspection: Inspection, name: str) -> InspectedTopic:
    return next(topic for topic in inspection.topics if topic.name == name)


def _whole(rate: float) -> float:
    return float(round(rate)) if round(rate) and abs(rate / round(rate) - 1) < _WHOLE_RATE else round(rate, 2)


def _check_free(target: Path) -> None:
    if target.exists():
        raise RecordingError(f"{target} exists; choose another folder, or delete it")


def _check_joints(layout: Layout, source: Path) -> None:
    states, actions = set(layout.state_names), set(layout.action_names)
    if states != actions:
        raise RecordingError(
            f"{source} measures {', '.join(sorted(states - actions)) or 'no joint'} that it does not command, and commands "
            f"{', '.join(sorted(actions - states)) or 'no joint'} that it does not measure; only joint positions under the same names "
            "become joint states and trajectories"
        )


def _chosen(episodes: Sequence[int] | None, source: EpisodeSource, path: Path) -> list[int]:
    chosen = list(range(len(source))) if episodes is None else list(dict.fromkeys(episodes))
    wrong = [index for index in chosen if not 0 <= index < len(source)]
    if wrong or not chosen:
        raise RecordingError(f"{path} has {len(source)} episodes, numbered from 0, and the choice is {chosen}; choose among them")
    return chosen


def _read_in_turn(source: EpisodeSource, chosen: Sequence[int], advance: Callable[[], None]) -> Iterator[Episode]:
    for index in chosen:
        yield source.episode(index)
        advance()
