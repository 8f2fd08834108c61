"""The Meta-World extra; skipped where Meta-World is not installed."""

import dataclasses
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("metaworld", reason="Meta-World is not installed: pip install -r extras/metaworld/requirements.txt")

EXTRA = Path(__file__).parent.parent / "extras" / "metaworld"
TASKS = ("reach", "push", "pick-place", "door-open")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(EXTRA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the experts warn of their own gains in every step
        yield


@pytest.fixture(params=TASKS)
def robot(request: pytest.FixtureRequest) -> Iterator[Any]:
    from ttt_ros.evaluation.environments.configuration import NOMINAL
    from ttt_ros.evaluation.environments.runner import ShiftedRobot

    benchmark = _benchmark()
    (task,) = (task for task in benchmark.tasks if task.name == request.param)
    with ShiftedRobot(benchmark.robot, (task,), benchmark.conditions[NOMINAL], seed=0) as opened:
        yield opened.tasks[task.name]


def _benchmark() -> Any:
    from ttt_ros.configuration import load_yaml
    from ttt_ros.evaluation.environments.configuration import Benchmark

    return load_yaml(EXTRA / "benchmark.yaml", Benchmark)


def test_the_expert_succeeds_through_the_door_with_a_chunk_of_targets(robot: Any) -> None:
    from ttt_ros.simulation.foreign.follower import targets

    channels, environment = _benchmark().robot.channels, robot._environment
    robot.reset(3)
    while not robot.over:
        target = targets(channels, actions=environment.expert_action(), measured=robot.measured())
        robot.play(target[None])
    assert robot.success


def test_a_seed_draws_the_layout(robot: Any) -> None:
    pictures = []
    for seed in (1, 1, 2):
        robot.reset(seed)
        pictures.append(robot.image().astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 2  # nothing but rounding in the renderer
    assert np.abs(pictures[0] - pictures[2]).max() > 20


def test_an_object_offset_moves_something_in_the_image_and_nothing_in_the_world(robot: Any) -> None:
    robot.reset(1)
    before, measured = robot.image().astype(int), robot.measured()
    robot._environment.set_object_offset((0.04, 0.0, 0.0))
    assert np.abs(robot.image().astype(int) - before).max() > 20
    robot._environment.set_object_offset((0.0, 0.0, 0.0))
    assert np.abs(robot.image().astype(int) - before).max() <= 2
    np.testing.assert_array_equal(robot.measured(), measured)


def test_the_surroundings_are_where_the_world_has_them(robot: Any) -> None:
    from metaworld_tasks import SURROUNDINGS

    robot.reset(1)
    environment = robot._environment
    told = dict(zip(SURROUNDINGS, environment.surroundings(), strict=True))
    np.testing.assert_allclose([told[f"goal_{axis}"] for axis in "xyz"], environment._environment._target_pos, rtol=1e-6)
    np.testing.assert_allclose([told[f"object_{axis}"] for axis in "xyz"], environment._environment._get_pos_objects()[:3], atol=1e-6)


@pytest.mark.parametrize("name", ["training.yaml", "lstm.yaml"])
def test_the_trainings_suit_the_benchmark_and_each_other(name: str) -> None:
    from metaworld_tasks import IMAGE_SIZE, SURROUNDINGS

    from ttt_ros.configuration import load_yaml
    from ttt_ros.training.dataset_training import DatasetTrainingConfig

    config, first = (load_yaml(EXTRA / each, DatasetTrainingConfig) for each in (name, "training.yaml"))
    assert config.data == first.data
    assert dataclasses.replace(config.policy, memory=0) == first.policy
    assert config.data.horizon == _benchmark().robot.horizon
    assert config.data.image_size == IMAGE_SIZE
    assert config.data.landmarks == SURROUNDINGS


def test_nothing_in_the_package_knows_metaworld_by_name() -> None:
    package = EXTRA.parent.parent / "ttt_ros"
    assert not [path for path in package.rglob("*.py") if "metaworld" in path.read_text(encoding="utf-8").lower().replace("-", "")]


def test_the_recorder_writes_what_the_training_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import record

    from ttt_ros.training.datasets.lerobot_reader import LeRobotSource

    monkeypatch.setattr(sys, "argv", ["record.py", str(tmp_path / "set"), "1"])
    record.main()
    source = LeRobotSource(tmp_path / "set")
    assert len(source) == len(TASKS)
    episode = source.episode(0)
    assert episode.instruction == "reach the red mark"
    assert source.layout.state_names == source.layout.action_names == ("hand_x", "hand_y", "hand_z", "gripper")
    assert len(list(episode.cameras["corner"])) == len(episode)
    assert episode.environment.shape == (len(episode), len(source.layout.environment_names))
