"""Teaching the vision trunk: pictures, appearance, a whole run small enough for seconds."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ttt_ros.errors import CheckpointError, RecordingError
from ttt_ros.policies.sight import SightConfig
from ttt_ros.simulation.robots import Range, Robot
from ttt_ros.training.sight import train as training
from ttt_ros.training.sight.appearance import vary_appearance
from ttt_ros.training.sight.configuration import AppearanceConfig, PictureConfig, SightTrainingConfig
from ttt_ros.training.sight.figures import measure_sight
from ttt_ros.training.sight.pictures import Pictures, record_pictures, render_pictures
from ttt_ros.training.sight.robots import RobotPerGoal
from ttt_ros.training.sight.train import train_sight
from ttt_ros.training.sight.weights import load_sight

PICTURES = PictureConfig(pictures=60, pictures_per_shard=40)
TINY = SightTrainingConfig(
    pictures=PICTURES,
    sight=SightConfig(stem_channels=8, channels=16, context_channels=16, depth=1, context_depth=1),
    steps=60,
    batch=16,
    warmup_steps=5,
    learning_rate=5e-3,
    average_decay=0.8,
    checkpoint_every=30,
    test_goals=6,
)
NO_CHANGE = AppearanceConfig(light=1.0, colour_cast=0.0, noise=0.0, veil=0.0, blur=0.0, patch=0.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    train_sight(TINY, output)
    return output


@pytest.fixture
def pictures(finished: Path) -> Pictures:
    return record_pictures(PICTURES, finished / "pictures")


def test_a_run_leaves_weights_and_figures(finished: Path) -> None:
    assert load_sight(finished / "sight.safetensors").config == TINY.sight
    facts = json.loads((finished / "figures.json").read_text())
    assert facts["figures"]["goals"] == TINY.test_goals
    # An untrained network is off by 90 mm; so short a run only has to have begun to learn.
    assert facts["figures"]["cube_median_mm"] < 60


def test_a_run_that_was_broken_off_ends_at_the_same_weights(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished / "pictures", tmp_path / "pictures")
    losses, calls = training.sight_losses, []

    def interrupted(*arguments: object) -> object:
        calls.append(None)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return losses(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(training, "sight_losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_sight(TINY, tmp_path)
    resumed, whole = load_file(train_sight(TINY, tmp_path)), load_file(finished / "sight.safetensors")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_run_of_another_configuration_is_not_continued(finished: Path) -> None:
    with pytest.raises(CheckpointError, match="another configuration"):
        train_sight(dataclasses.replace(TINY, learning_rate=1e-3), finished)


def test_pictures_of_another_configuration_are_not_used(finished: Path) -> None:
    with pytest.raises(RecordingError, match="another configuration"):
        record_pictures(dataclasses.replace(PICTURES, seed=1), finished / "pictures")


def test_a_picture_depends_on_its_number_alone(pictures: Pictures) -> None:
    again = render_pictures(PICTURES, range(45, 47))
    assert torch.equal(again.images, pictures.images[45:47])
    assert torch.equal(again.points, pictures.points[45:47])


def test_landmarks_lie_on_what_they_name(pictures: Pictures) -> None:
    """A parked arm hides no cube, so the pixel at each cube's place has its colour."""
    parked = render_pictures(dataclasses.replace(PICTURES, parked=1.0), range(12))
    for image, points in zip(parked.images, parked.points, strict=True):
        for colour in range(3):
            column, row = ((points[colour] + 1) / 2 * 96).long().tolist()
            pixel = image[row, column].float()
            others = [other for other in range(3) if other != colour]
            assert pixel[colour] > 1.25 * pixel[others].max()


def test_the_hand_is_seen_in_most_pictures_and_never_when_parked(pictures: Pictures) -> None:
    assert 0.5 < pictures.seen[:, 3].float().mean() < 0.95
    assert not render_pictures(dataclasses.replace(PICTURES, parked=1.0), range(12)).seen[:, 3].any()


def test_appearance_without_any_change_leaves_pictures_as_they_are(pictures: Pictures) -> None:
    assert torch.equal(vary_appearance(pictures.images, NO_CHANGE, torch.Generator().manual_seed(0)), pictures.images)


@pytest.mark.parametrize("change", [{"light": 2.0}, {"colour_cast": 0.3}, {"noise": 20.0}, {"veil": 0.5}, {"blur": 1.0}, {"patch": 1.0}])
def test_each_change_of_appearance_differs_from_picture_to_picture_and_repeats_by_seed(
    pictures: Pictures, change: dict[str, float]
) -> None:
    same = pictures.images[:1].expand(6, -1, -1, -1)
    config = dataclasses.replace(NO_CHANGE, **change)
    varied = vary_appearance(same, config, torch.Generator().manual_seed(3))
    assert torch.equal(varied, vary_appearance(same, config, torch.Generator().manual_seed(3)))
    assert all(not torch.equal(varied[0], other) for other in varied[1:])


def test_another_robot_each_goal_and_the_wider_share_is_kept() -> None:
    robot = RobotPerGoal(seed=0, wider=0.3)
    shifts = [robot.shifts(goal) for goal in range(200)]
    assert len(set(shifts)) == 200
    beyond = np.mean([abs(shift.light - 1) > 0.4 for shift in shifts])
    assert 0.2 < beyond < 0.4


def test_a_blinder_look_costs_accuracy(finished: Path) -> None:
    """The figures must be able to tell pictures apart: noise far beyond training is worse than none."""
    sight = load_sight(finished / "sight.safetensors")
    clear = measure_sight(sight, Robot(seed=5, properties=()), goals=40, seed=5)
    wider = measure_sight(sight, Robot(seed=5, range=Range.WIDER), goals=40, seed=5)
    assert clear.cube_median_mm < wider.cube_median_mm
    assert clear.goals == wider.goals == 40


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "one bit"])
def test_weights_that_are_not_whole_are_refused(finished: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sight.safetensors"
    if damage == "cut":
        path.write_bytes((finished / "sight.safetensors").read_bytes()[:-100])
    if damage == "one bit":
        raw = bytearray((finished / "sight.safetensors").read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    if damage == "other":
        shutil.copy(finished / "pictures" / "shard-0000.safetensors", path)
    with pytest.raises(CheckpointError, match=r"sight\.safetensors"):
        load_sight(path)
