"""Training on a data set on disk, small enough for seconds."""

import dataclasses
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded_demonstrations import HEIGHT, INSTRUCTIONS, JOINTS, LAYOUT, RATE, ROWS, TOLD, WIDTH, dataset, episode, told
from safetensors.torch import load_file, save_file

from ttt_ros.configuration import load_yaml, validated
from ttt_ros.errors import CheckpointError, ConfigurationError, RecordingError, SpecificationError
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.training.cloning import Cloner, Losses
from ttt_ros.training.configuration import CloningConfig
from ttt_ros.training.dataset_training import DatasetConfig, DatasetTrainingConfig, specification_for, train_on_dataset
from ttt_ros.training.datasets.episode import Layout
from ttt_ros.training.datasets.fit import check_fits
from ttt_ros.training.datasets.frames import episode_frames
from ttt_ros.training.datasets.lerobot_writer import write_lerobot
from ttt_ros.training.demonstration_set import DemonstrationSet, PairBatch

DATA = DatasetConfig(episodes=(0, 1), validation=(2,), image_size=(32, 48), horizon=4, frame_interval=2, max_instruction_words=4)
TINY = DatasetTrainingConfig(
    data=DATA,
    policy=VlaConfig(width=16, heads=2, depth=2, mlp_width=16, fast_width=8, stem_channels=(8, 8, 8), key_points=4),
    cloning=CloningConfig(
        steps=6, pairs=4, warmup_steps=2, learning_rate=3e-3, threads=1, checkpoint_every=3, validation_every=4, landmark_weight=0
    ),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    train_on_dataset(TINY, root, output)
    return output


def changed(**changes: object) -> DatasetTrainingConfig:
    return dataclasses.replace(TINY, data=dataclasses.replace(DATA, **changes))  # type: ignore[arg-type]


def test_the_policy_has_the_joints_rate_cameras_and_words_of_the_data_set(root: Path, finished: Path) -> None:
    policy = load_policy(finished / "policy.safetensors")
    assert policy.specification == specification_for(LAYOUT, DATA)
    assert policy.specification.joint_names == JOINTS
    assert policy.specification.period == pytest.approx(1 / RATE)
    assert policy.vocabulary.words == ("box", "lift", "lower", "the")
    facts = read_header(finished / "policy.safetensors").training
    assert facts["config"]["dataset"] == root.name
    assert facts["steps"] == 6


def test_the_error_on_the_validation_episodes_is_logged(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    (validation,) = [line for line in lines if "validation_action_error" in line]
    assert validation["step"] == 4
    assert validation["frames"] == (ROWS + 2 - DATA.horizon) // DATA.frame_interval + 1


def test_the_same_seed_gives_the_same_policy_bit_for_bit_with_and_without_validations(root: Path, finished: Path, tmp_path: Path) -> None:
    without = dataclasses.replace(TINY, cloning=dataclasses.replace(TINY.cloning, validation_every=100))
    assert load_policy(train_on_dataset(without, root, tmp_path)).checksum == load_policy(finished / "policy.safetensors").checksum


def test_a_run_that_was_broken_off_ends_at_the_same_policy_bit_for_bit(
    root: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, calls = Cloner.losses, []

    def interrupted(self: Cloner, pairs: PairBatch) -> Losses:
        calls.append(None)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return losses(self, pairs)

    with monkeypatch.context() as patched:
        patched.setattr(Cloner, "losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_on_dataset(TINY, root, tmp_path)
    assert load_policy(train_on_dataset(TINY, root, tmp_path)).checksum == load_policy(finished / "policy.safetensors").checksum


def test_frames_are_those_of_the_episode_with_whole_chunks() -> None:
    specification = specification_for(LAYOUT, DATA)
    frames = episode_frames(episode(0), layout=LAYOUT, specification=specification, interval=2)
    assert frames.images.shape == (11, 1, 32, 48, 3)
    assert frames.images.dtype == torch.uint8
    assert torch.equal(frames.positions[3], torch.from_numpy(episode(0).states[6]))
    assert torch.equal(frames.commands[-1], torch.from_numpy(episode(0).actions[20:24]))
    left = [int(image[16, :, 0].argmax()) for image in frames.images[:, 0]]
    assert left == pytest.approx([float((state + 0.5) * 40) for state in frames.positions[:, 0]], abs=1)


def test_joints_and_actions_in_another_order_are_put_in_the_policys() -> None:
    specification = specification_for(LAYOUT, DATA)
    turned = dataclasses.replace(episode(0), states=episode(0).states[:, ::-1], actions=episode(0).actions[:, [2, 0, 1]])
    layout = dataclasses.replace(LAYOUT, state_names=JOINTS[::-1], action_names=(JOINTS[2], JOINTS[0], JOINTS[1]))
    one, other = (
        episode_frames(each, layout=names, specification=specification, interval=2)
        for each, names in ((episode(0), LAYOUT), (turned, layout))
    )
    assert torch.equal(one.positions, other.positions)
    assert torch.equal(one.commands, other.commands)


def test_pairs_of_frames_come_from_one_episode(finished: Path) -> None:
    paths = sorted((finished / "frames").glob("*.safetensors"))
    pairs = DemonstrationSet(
        paths,
        instructions=INSTRUCTIONS,
        vocabulary=load_policy(finished / "policy.safetensors").vocabulary,
        instruction_length=4,
        frame_interval=2,
    )
    assert len(pairs) == sum((ROWS + extra - 4) // 2 + 1 for extra in range(3))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            dataclasses.replace(LAYOUT, state_names=("shoulder", "elbow", "hand")),
            "other joints than the policy: it lacks wrist and has hand",
        ),
        (
            dataclasses.replace(LAYOUT, action_names=("x", "y")),
            "other actions than the policy: it lacks elbow, shoulder, wrist and has x, y",
        ),
        (dataclasses.replace(LAYOUT, rate=30.0), "has 30 rows a second, but the policy acts 10 times a second"),
        (dataclasses.replace(LAYOUT, cameras={"side": (64, 96)}), "has no camera 'top', which the policy sees; it has side"),
    ],
)
def test_a_data_set_of_another_robot_is_refused(layout: Layout, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        check_fits(layout, specification_for(LAYOUT, DATA), source="the data set")


def test_a_run_of_another_configuration_is_not_continued(root: Path, finished: Path) -> None:
    other = dataclasses.replace(TINY, cloning=dataclasses.replace(TINY.cloning, learning_rate=1e-3))
    with pytest.raises(CheckpointError, match="another configuration"):
        train_on_dataset(other, root, finished)


def test_frames_of_another_configuration_are_not_reused(root: Path, finished: Path) -> None:
    with pytest.raises(RecordingError, match="horizon is 4 there and 5 here"):
        train_on_dataset(changed(horizon=5), root, finished)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"horizon": ROWS + 1}, RecordingError, f"has {ROWS} rows, fewer than a chunk's {ROWS + 1}"),
        ({"image_size": (48, 48)}, RecordingError, f"episode 0 of .* delivers {WIDTH}x{HEIGHT} pixels"),
        ({"image_size": (30, 45)}, SpecificationError, "cannot be cut into patches"),
        ({"cameras": ("side",)}, RecordingError, "has no camera 'side'"),
        ({"episodes": (0, 3)}, RecordingError, "has episodes 0 to 2, not 3"),
        ({"landmarks": ("cube",)}, RecordingError, "says nothing of cube; its observation.environment_state has nothing"),
        ({"validation": (1,)}, RecordingError, r"episodes \[1\] are to be trained on and to be validated on"),
    ],
)
def test_a_configuration_that_does_not_suit_the_data_set_is_refused(
    root: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_on_dataset(changed(**changes), root, tmp_path)
    assert not (tmp_path / "policy.safetensors").exists()


def test_landmarks_are_learned_and_not_shipped(root: Path, finished: Path, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "set", map(told, range(3)), layout=TOLD)
    config = dataclasses.replace(changed(landmarks=("square_left",)), cloning=dataclasses.replace(TINY.cloning, landmark_weight=0.2))
    policy = load_policy(train_on_dataset(config, tmp_path / "set", tmp_path / "out"))
    plain = load_policy(finished / "policy.safetensors")
    assert policy.checksum != plain.checksum
    assert policy.state_dict().keys() == plain.state_dict().keys()
    assert load_file(tmp_path / "out" / "frames" / "episode-000000.safetensors")["landmarks"].shape == (11, 1)


def test_a_policy_with_a_memory_is_cloned_too(root: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, policy=dataclasses.replace(TINY.policy, memory=8), cloning=dataclasses.replace(TINY.cloning, history=5, bfloat16=True)
    )
    policy = load_policy(train_on_dataset(config, root, tmp_path))
    assert policy.begin()
    assert isinstance(policy, VisionLanguageActionPolicy)
    torch.manual_seed(0)
    untrained = VisionLanguageActionPolicy(config=config.policy, specification=policy.specification, vocabulary=policy.vocabulary)
    assert not torch.equal(untrained.experience.weight, policy.experience.weight)


def test_a_training_may_begin_with_an_earlier_policy_and_give_it_a_memory(root: Path, finished: Path, tmp_path: Path) -> None:
    earlier = finished / "policy.safetensors"
    config = dataclasses.replace(
        TINY,
        policy=dataclasses.replace(TINY.policy, memory=8),
        cloning=dataclasses.replace(TINY.cloning, learning_rate=1e-9, weight_decay=0.0),
        start_from=str(earlier),
    )
    path = train_on_dataset(config, root, tmp_path)
    before, after = dict(load_policy(earlier).named_parameters()), dict(load_policy(path).named_parameters())
    assert after.keys() > before.keys()
    assert all(torch.allclose(weight, after[name], atol=1e-6) for name, weight in before.items())
    assert read_header(path).training["config"]["started_from"] == load_policy(earlier).checksum  # type: ignore[call-overload,index]


def test_a_training_does_not_begin_with_a_policy_of_other_sizes(root: Path, finished: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, policy=dataclasses.replace(TINY.policy, fast_width=4), start_from=str(finished / "policy.safetensors")
    )
    with pytest.raises(CheckpointError, match="other sizes than the one to be trained"):
        train_on_dataset(config, root, tmp_path)


def chunks_before(frame: int, firsts: list[int]) -> Iterator[tuple[int, int]]:
    """The transitions of two frames each before ``frame``, newest first, where demonstrations begin at the frames ``firsts``."""
    while frame >= 2:
        first = max(each for each in firsts if each <= frame)
        if frame - 2 >= first:
            yield frame - 2, frame
            frame -= 2
        else:
            frame = first - 1


def test_a_history_is_the_chunks_before_and_reaches_back_over_earlier_demonstrations(finished: Path, tmp_path: Path) -> None:
    firsts = [0]
    for path in sorted((finished / "frames").glob("*.safetensors")):
        shard = load_file(path)
        shard["positions"] = torch.arange(firsts[-1], firsts[-1] + len(shard["goal"]))[:, None].float()
        save_file(shard, tmp_path / path.name)
        firsts.append(firsts[-1] + len(shard["goal"]))
    frames = DemonstrationSet(
        sorted(tmp_path.glob("*.safetensors")),
        instructions=INSTRUCTIONS,
        vocabulary=load_policy(finished / "policy.safetensors").vocabulary,
        instruction_length=4,
        frame_interval=2,
    )
    pairs = frames.pairs(64, np.random.default_rng(0), history=12)
    history, lengths = pairs.history, set()
    assert history is not None
    for row, now in enumerate(pairs.frames().positions):
        happened = [step for step in reversed(range(12)) if history.steps[row, step]]
        found = [(int(history.positions[row, step]), int(history.next_positions[row, step])) for step in happened]
        assert found == list(islice(chunks_before(int(now), firsts), len(found)))
        assert happened == list(reversed(range(12)))[: len(found)]
        assert set(history.steps[row].tolist()) <= {0, DATA.horizon}
        lengths.add(len(found))
    assert lengths >= set(range(12))


def test_episodes_may_be_written_as_a_range() -> None:
    config = validated(DatasetConfig, {"episodes": "3:6", "validation": [7]}, source="a test")
    assert (config.episodes, config.validation) == ((3, 4, 5), (7,))
    with pytest.raises(ConfigurationError, match="'3-6' is no range of episodes"):
        validated(DatasetConfig, {"episodes": "3-6"}, source="a test")


def test_the_shipped_configuration_is_valid() -> None:
    config = load_yaml(Path(__file__).parents[1] / "config" / "g1.yaml", DatasetTrainingConfig)
    assert config.data.episodes == (0, 1, 2, 3, 4, 5)
