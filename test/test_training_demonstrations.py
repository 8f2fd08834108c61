"""Recording demonstrations and reading them back."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ttt_ros.errors import RecordingError
from ttt_ros.simulation.arm import HOME, JOINT_NAMES
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.tasks import INSTRUCTIONS, MARK_TOLERANCE
from ttt_ros.training.configuration import DemonstrationConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.demonstrations import record_demonstrations
from ttt_ros.training.demonstrator import FRAME_INTERVAL, HORIZON
from ttt_ros.training.desk_arm import SPECIFICATION, VOCABULARY

CONFIG = DemonstrationConfig(episodes=2, episodes_per_shard=1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demonstrations")
    record_demonstrations(CONFIG, directory)
    return directory


@pytest.fixture(scope="module")
def paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.safetensors"))


@pytest.fixture(scope="module")
def demonstrations(paths: list[Path]) -> DemonstrationSet:
    return DemonstrationSet(
        paths,
        instructions=INSTRUCTIONS,
        vocabulary=VOCABULARY,
        instruction_length=SPECIFICATION.max_instruction_words,
        frame_interval=FRAME_INTERVAL,
    )


def test_a_shard_holds_whole_frames_of_every_column(paths: list[Path]) -> None:
    frames = load_file(paths[0])
    count, joints = len(frames["goal"]), len(JOINT_NAMES)
    assert count > 10
    assert frames["images"].shape == (count, 2, 96, 96, 3)
    assert frames["images"].dtype == torch.uint8
    assert frames["positions"].shape == (count, joints)
    assert frames["commands"].shape == frames["executed"].shape == (count, HORIZON, joints)
    assert frames["landmarks"].shape == (count, 4)
    assert all(tensor.isfinite().all() for tensor in frames.values() if tensor.is_floating_point())


def test_several_goals_follow_each_other_in_an_episode_each_with_its_instruction(paths: list[Path]) -> None:
    frames = load_file(paths[0])
    goals = frames["goal"].unique()
    assert len(goals) == 3
    for goal in goals:
        assert len(frames["instruction"][frames["goal"] == goal].unique()) == 1
    asked = [INSTRUCTIONS[index] for index in frames["instruction"].unique()]
    assert sum("mark" in instruction for instruction in asked) == 1


def test_the_world_is_not_reset_between_the_goals_of_an_episode(paths: list[Path]) -> None:
    frames = load_file(paths[0])
    marks = frames["landmarks"][:, 2:]
    assert torch.equal(marks, marks[:1].expand_as(marks))
    first_frames = [int((frames["goal"] == goal).nonzero()[0]) for goal in frames["goal"].unique()]
    for first in first_frames[1:]:
        assert (frames["positions"][first] - torch.tensor(HOME)).abs().max() > 0.1


def test_a_led_in_goal_begins_close_around_a_cube_and_without_a_record_of_the_way(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, episodes=1, lead_in=1.0)
    frames = load_file(record_demonstrations(config, tmp_path)[0])
    kinematics = Simulation().kinematics
    first_frames = [int((frames["goal"] == goal).nonzero()[0]) for goal in frames["goal"].unique()]
    (push,) = [first for first in first_frames if "mark" in INSTRUCTIONS[int(frames["instruction"][first])]]
    tip = torch.from_numpy(kinematics.tip(frames["positions"][push].double().numpy()))
    assert tip[2] < 0.1
    assert (tip[:2] - frames["landmarks"][push][:2]).norm() < 0.1


def test_a_task_is_done_with_a_margin_and_then_held(paths: list[Path]) -> None:
    frames = load_file(paths[0])
    for goal in frames["goal"].unique():
        last = int((frames["goal"] == goal).nonzero()[-1])
        commands = frames["commands"][last]
        assert torch.equal(commands, commands[:1].expand_as(commands))
        if "mark" in INSTRUCTIONS[int(frames["instruction"][last])]:
            cube, mark = frames["landmarks"][last].split(2)
            assert (cube - mark).norm() < 0.6 * MARK_TOLERANCE


def test_the_labels_are_the_experts_and_not_the_noise_that_was_executed(paths: list[Path]) -> None:
    frames = [load_file(path) for path in paths]
    noise = torch.cat([each["executed"] - each["commands"] for each in frames])
    assert noise.abs().max() > 0
    assert noise.std() < CONFIG.noise
    # The expert always commands the gripper closed and the wrist level, whatever the noise did to them.
    assert all(each["commands"][..., 5].abs().max() < 0.3 for each in frames)


def test_neighbouring_frames_of_a_goal_share_what_was_executed(paths: list[Path]) -> None:
    frames = load_file(paths[0])
    same_goal = frames["goal"][1:] == frames["goal"][:-1]
    assert torch.equal(frames["executed"][:-1][same_goal][:, FRAME_INTERVAL:], frames["executed"][1:][same_goal][:, :-FRAME_INTERVAL])


def test_a_missing_shard_is_recorded_again_bit_for_bit_and_the_others_are_kept(directory: Path, paths: list[Path]) -> None:
    before, kept = paths[1].read_bytes(), paths[0].stat().st_mtime_ns
    paths[1].unlink()
    assert record_demonstrations(CONFIG, directory) == paths
    assert paths[1].read_bytes() == before
    assert paths[0].stat().st_mtime_ns == kept


def test_demonstrations_of_another_configuration_are_refused_with_the_difference(directory: Path) -> None:
    with pytest.raises(RecordingError, match=r"noise is 0\.06 there and 0\.01 here"):
        record_demonstrations(dataclasses.replace(CONFIG, noise=0.01), directory)


def test_both_frames_of_a_pair_belong_to_one_goal_within_one_chunk(demonstrations: DemonstrationSet) -> None:
    pairs = demonstrations.pairs(200, np.random.default_rng(0))
    assert torch.equal(pairs.before.words, pairs.after.words)
    assert set(pairs.steps.tolist()) == {FRAME_INTERVAL * gap for gap in range(1, HORIZON // FRAME_INTERVAL + 1)}
    # What is executed from the later frame on continues what is executed from the earlier one.
    for before, after, steps in zip(pairs.before.executed, pairs.after.executed, pairs.steps.tolist(), strict=True):
        assert torch.equal(before[steps:], after[: HORIZON - steps])


def test_the_same_generator_draws_the_same_pairs(demonstrations: DemonstrationSet) -> None:
    one, other = (demonstrations.pairs(5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.before.images, other.before.images)
    assert torch.equal(one.steps, other.steps)


def test_a_corrupt_shard_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "shard-0000.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"shard-0000\.safetensors cannot be read"):
        DemonstrationSet([path], instructions=INSTRUCTIONS, vocabulary=VOCABULARY, instruction_length=8, frame_interval=FRAME_INTERVAL)
