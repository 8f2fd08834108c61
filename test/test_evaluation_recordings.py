"""Frozen against adapting on recorded demonstrations."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from recorded_demonstrations import dataset
from test_training_on_dataset import TINY

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import load_yaml
from ttt_ros.errors import ConfigurationError, InstructionError, RecordingError
from ttt_ros.evaluation.intervals import Blocks
from ttt_ros.evaluation.recordings import evaluation
from ttt_ros.evaluation.recordings.configuration import RecordingsConfig
from ttt_ros.evaluation.recordings.evaluation import choose_learning_rate, evaluate_dataset, joint_groups
from ttt_ros.evaluation.recordings.findings import PREDICTION, Findings, table, write_findings
from ttt_ros.evaluation.recordings.stream import Arm, Recorded, streamed
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.training.dataset_training import train_on_dataset

G1 = Path(__file__).parents[2] / "shared" / "data" / "g1_pick_bottle"
CONFIG = RecordingsConfig(
    episodes=(2,),
    joint_groups={"arm, rad": ("shoulder", "elb*"), "wrist, rad": ("wrist",)},
    interval=2,
    corruptions=("brightness", "gaussian_noise"),
    block_seconds=0.6,
    adaptation=AdaptationConfig(window=4, minimum_samples=2, learning_rate=0.2),
    choice_episodes=(2,),
    choice_corruptions=("saturate",),
    choice_rates=(0.05, 0.2),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def policy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on_dataset(TINY, root, tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def output(root: Path, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("output")
    evaluate_dataset(policy, root, CONFIG, output)
    return output


@pytest.fixture(scope="module")
def recorded(root: Path, policy: Path) -> tuple[Policy, list[Recorded]]:
    loaded = load_policy(policy)
    episodes = evaluation._read(loaded, root, (0, 2), CONFIG)
    return loaded, evaluation._encoded(loaded, episodes, evaluation.CLEAN, CONFIG)


def test_figures_table_and_plot_are_written(output: Path) -> None:
    figures = json.loads((output / "figures.json").read_text(encoding="utf-8"))
    assert [condition["name"] for condition in figures["conditions"]] == ["clean", "corrupted", "brightness", "gaussian_noise"]
    assert set(figures["conditions"][0]["figures"]) == {PREDICTION, "arm, rad", "wrist, rad"}
    lines = (output / "table.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 4
    assert len({line.count("|") for line in lines}) == 1
    assert (output / "change.png").read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_can_be_repeated_to_the_last_bit(root: Path, policy: Path, output: Path, tmp_path: Path) -> None:
    evaluate_dataset(policy, root, CONFIG, tmp_path)
    assert (tmp_path / "figures.json").read_bytes() == (output / "figures.json").read_bytes()


def test_an_evaluation_that_was_broken_off_goes_on_where_it_was(root: Path, policy: Path, output: Path, tmp_path: Path) -> None:
    evaluate_dataset(policy, root, dataclasses.replace(CONFIG, corruptions=("gaussian_noise",)), tmp_path)
    kept = tmp_path / "conditions" / "gaussian_noise.safetensors"
    before = kept.stat().st_mtime_ns
    evaluate_dataset(policy, root, CONFIG, tmp_path)
    assert kept.stat().st_mtime_ns == before
    assert (tmp_path / "figures.json").read_bytes() == (output / "figures.json").read_bytes()


def test_another_evaluation_is_not_gone_on_with(root: Path, policy: Path, output: Path) -> None:
    with pytest.raises(RecordingError, match="severity is 3 there and 4 here"):
        evaluate_dataset(policy, root, dataclasses.replace(CONFIG, severity=4), output)


def test_a_condition_that_cannot_be_read_is_refused_by_name(root: Path, policy: Path, tmp_path: Path) -> None:
    clean = dataclasses.replace(CONFIG, corruptions=())
    evaluate_dataset(policy, root, clean, tmp_path)
    (tmp_path / "conditions" / "clean.safetensors").write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"clean\.safetensors cannot be read"):
        evaluate_dataset(policy, root, clean, tmp_path)


def test_the_mean_over_corruptions_is_theirs(output: Path) -> None:
    conditions = json.loads((output / "figures.json").read_text(encoding="utf-8"))["conditions"]
    _, mean, *each = (condition["figures"]["arm, rad"]["frozen"]["value"] for condition in conditions)
    assert mean == pytest.approx(np.mean(each))


def test_with_a_learning_rate_of_zero_adapting_is_frozen(recorded: tuple[Policy, list[Recorded]]) -> None:
    policy, episodes = recorded
    still = dataclasses.replace(CONFIG.adaptation, learning_rate=0.0)
    frozen, adapting = (streamed(policy, episodes, arm, still, interval=2) for arm in (Arm.FROZEN, Arm.ADAPTING))
    assert np.array_equal(frozen.action_error, adapting.action_error)
    assert np.array_equal(frozen.prediction_loss, adapting.prediction_loss, equal_nan=True)
    assert adapting.committed > 0


def test_a_loss_is_a_prediction_so_the_first_windows_change_nothing_before_them(recorded: tuple[Policy, list[Recorded]]) -> None:
    policy, episodes = recorded
    frozen, adapting = (streamed(policy, episodes, arm, CONFIG.adaptation, interval=2) for arm in (Arm.FROZEN, Arm.ADAPTING))
    # Two transitions make the first window, so the fourth observation is the first to meet other weights.
    assert np.array_equal(frozen.action_error[:3], adapting.action_error[:3])
    assert not np.array_equal(frozen.action_error[3], adapting.action_error[3])
    assert np.array_equal(frozen.prediction_loss[1:3], adapting.prediction_loss[1:3])
    assert frozen.prediction_loss[3] != adapting.prediction_loss[3]


def test_no_transition_reaches_over_the_end_of_an_episode(recorded: tuple[Policy, list[Recorded]]) -> None:
    policy, episodes = recorded
    stream = streamed(policy, episodes, Arm.ADAPTING, CONFIG.adaptation, interval=2)
    first = len(episodes[0].stamps)
    assert np.flatnonzero(np.isnan(stream.prediction_loss)).tolist() == [0, first]
    assert stream.windows == sum(len(episode.stamps) - CONFIG.adaptation.minimum_samples for episode in episodes)


def test_steps_the_wrong_way_raise_the_error_that_steps_lower(recorded: tuple[Policy, list[Recorded]]) -> None:
    policy, episodes = recorded
    frozen, adapting, flipped = (
        np.nanmean(streamed(policy, episodes * 3, arm, CONFIG.adaptation, interval=2).prediction_loss) for arm in Arm
    )
    assert adapting < frozen < flipped


def test_intervals_rest_on_blocks_and_not_on_frames() -> None:
    stamps = [[round(frame * 1e8) for frame in range(25)], [round(frame * 1e8) for frame in range(12)]]
    blocks = Blocks(stamps, seconds=1.0, seed=0)
    assert blocks.count == 3 + 2
    whole_blocks = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], [10, 10, 5, 10, 2])
    alternating = np.arange(37) % 2.0
    assert blocks.mean(whole_blocks).upper - blocks.mean(whole_blocks).lower > 0.5
    assert blocks.mean(alternating).upper - blocks.mean(alternating).lower < 0.1


def test_a_change_is_paired_so_what_both_arms_share_is_not_in_its_interval() -> None:
    blocks = Blocks([[round(frame * 1e8) for frame in range(100)]], seconds=1.0, seed=0)
    values = np.random.default_rng(0).uniform(1, 5, size=100)
    values[3] = math.nan
    change = blocks.change(1.1 * values, values)
    assert (change.value, change.lower, change.upper) == pytest.approx((0.1, 0.1, 0.1))
    assert change.excludes_zero


def test_the_learning_rate_is_chosen_on_its_own_episodes(root: Path, policy: Path) -> None:
    ratios = choose_learning_rate(policy, root, CONFIG)
    assert list(ratios) == [0.05, 0.2]
    assert all(0 < ratio < 10 for ratio in ratios.values())
    with pytest.raises(ConfigurationError, match="choice_episodes is empty"):
        choose_learning_rate(policy, root, dataclasses.replace(CONFIG, choice_episodes=()))


def test_a_joint_group_without_a_joint_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no joint matches .* of the joint group 'legs'; there are shoulder, elbow"):
        joint_groups(("shoulder", "elbow"), {"legs": ("hip*",)})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"interval": 5}, ConfigurationError, "interval is 5, above the policy's horizon, 4"),
        ({"episodes": (3,)}, RecordingError, "has episodes 0 to 2, not 3"),
    ],
)
def test_a_configuration_that_does_not_suit_the_data_set_is_refused(
    root: Path, policy: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate_dataset(policy, root, dataclasses.replace(CONFIG, **changes), tmp_path)  # type: ignore[arg-type]


def test_an_unknown_corruption_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match="unknown corruption sepia; known are: gaussian_noise"):
        dataclasses.replace(CONFIG, corruptions=("sepia",))


def test_instructions_that_the_policy_cannot_read_are_refused(policy: Path, tmp_path: Path) -> None:
    root = dataset(tmp_path / "set", version="v2.1")
    tasks = root / "meta" / "tasks.jsonl"
    tasks.write_text(tasks.read_text().replace("lift", "hoist"))
    with pytest.raises(InstructionError, match="hoist"):
        evaluate_dataset(policy, root, CONFIG, tmp_path / "output")


def test_a_figure_that_is_not_finite_is_not_written(root: Path, policy: Path, output: Path, tmp_path: Path) -> None:
    findings = evaluate_dataset(policy, root, dataclasses.replace(CONFIG, corruptions=()), tmp_path)
    broken = dataclasses.replace(findings.conditions[0], drift=math.nan)
    with pytest.raises(RecordingError, match="is not finite"):
        write_findings(dataclasses.replace(findings, conditions=(broken,)), tmp_path / "broken.json")
    assert not (tmp_path / "broken.json").exists()


def test_the_table_marks_changes_whose_interval_excludes_zero(root: Path, policy: Path, tmp_path: Path) -> None:
    findings: Findings = evaluate_dataset(policy, root, dataclasses.replace(CONFIG, corruptions=()), tmp_path)
    figure = findings.conditions[0].figures[PREDICTION]
    assert ("**" in table(findings).splitlines()[2].split("|")[4]) == figure.change.excludes_zero


def test_the_shipped_configuration_is_valid() -> None:
    config = load_yaml(Path(__file__).parents[1] / "config" / "g1_evaluation.yaml", RecordingsConfig)
    assert not set(config.episodes) & {0, 1, 2, 3, 4, 5}


@pytest.mark.skipif(not G1.exists(), reason=f"the recording of a real robot is not at {G1}")
def test_a_real_robots_recording_goes_the_same_way(tmp_path: Path) -> None:
    data = dataclasses.replace(TINY.data, episodes=(4,), validation=(), image_size=(48, 64), max_instruction_words=8, frame_interval=8)
    trained = train_on_dataset(dataclasses.replace(TINY, data=data), G1, tmp_path / "run")
    config = load_yaml(Path(__file__).parents[1] / "config" / "g1_evaluation.yaml", RecordingsConfig)
    quick = dataclasses.replace(config, episodes=(6,), corruptions=("contrast",))
    findings = evaluate_dataset(trained, G1, quick, tmp_path / "output")
    assert findings.frames > 80
    assert all(figure.frozen.value > 0 for condition in findings.conditions for figure in condition.figures.values())


def test_seconds_without_a_frame_are_no_blocks_however_many_they_are() -> None:
    """As of a clock that began in 1970 and was then set."""
    stamps = [round(frame * 1e8) for frame in range(20)]
    blocks = Blocks([[*stamps, *(1_700_000_000 * 10**9 + stamp for stamp in stamps)]], seconds=1.0, seed=0)
    assert blocks.count == 4
    assert blocks.mean(np.ones(40)).value == 1.0
