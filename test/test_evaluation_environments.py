"""The closed-loop evaluation in a foreign environment, on a point mass whose measured position is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from centring_policy import CentringPolicy
from point_mass import TASK, described

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import ConfigurationError, SpecificationError
from ttt_ros.evaluation.environments import evaluate
from ttt_ros.evaluation.environments.configuration import Benchmark
from ttt_ros.evaluation.environments.evaluate import evaluate_environment
from ttt_ros.evaluation.environments.findings import Findings
from ttt_ros.evaluation.environments.records import EpisodeOutcome, path_of
from ttt_ros.evaluation.environments.statistics import difference, successes
from ttt_ros.simulation.foreign.shifts import EnvironmentShift

ADAPTATION = AdaptationConfig(
    objectives={"error": 1.0},
    window=1,
    minimum_samples=1,
    learning_rate=0.5,
    pull_back=0.0,
    drift_limit=1.0,
    probe_limit=6.0,
    gradient_limit=100.0,
)
POLICY = Path("centring")


def benchmark(**changes: Any) -> Benchmark:
    values: dict[str, Any] = {
        "robot": described(step_limit=40),
        "tasks": (TASK,),
        "shifts": {"wrong_position": EnvironmentShift(measured_offset={"x": 0.3})},
        "adaptation": ADAPTATION,
        "episodes": 8,
        "control_episodes": 8,
    }
    return Benchmark(**(values | changes))


@pytest.fixture(autouse=True)
def _policy_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "load_policy", lambda _: CentringPolicy())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Findings, Path]:
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "load_policy", lambda _: CentringPolicy())
        return evaluate_environment(benchmark(), policy=POLICY, out=out), out


def test_without_a_shift_every_arm_that_does_not_unlearn_succeeds(found: tuple[Findings, Path]) -> None:
    arms = found[0].conditions["none"]
    assert arms["static"].all.share == 1.0
    assert arms["adapting"].all.share == 1.0


def test_adapting_finds_the_offset_out_and_keeps_it_from_episode_to_episode(found: tuple[Findings, Path]) -> None:
    arms = found[0].conditions["wrong_position"]
    assert arms["static"].all.share <= 0.5  # some start where the way to the wrong place leads through the right one
    assert arms["adapting"].second_half.share == 1.0
    gain = arms["adapting"].gain
    assert gain is not None
    assert gain.value >= 0.5
    assert gain.lower is not None
    assert gain.lower > 0


def test_learning_the_wrong_way_does_not_help(found: tuple[Findings, Path]) -> None:
    arms = found[0].conditions["wrong_position"]
    assert arms["flipped"].all.share <= arms["static"].all.share
    assert arms["flipped"].drift > 0


def test_the_figures_are_written_as_json_table_and_picture(found: tuple[Findings, Path]) -> None:
    findings, out = found
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["conditions"]["wrong_position"]["adapting"]["second_half"]["count"] == 4
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "| wrong position | 25 % (7 to 59) |" in table
    assert all(label in table for label in findings.arms.values())
    assert (out / "success.png").read_bytes().startswith(b"\x89PNG")


def test_every_arm_meets_the_same_layouts(found: tuple[Findings, Path]) -> None:
    runs = [path_of(found[1], condition="none", arm=arm).read_text(encoding="utf-8").splitlines()[1:] for arm in found[0].arms]
    assert len({tuple(json.loads(line)["seed"] for line in run) for run in runs}) == 1


def test_what_is_there_already_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = benchmark(episodes=1, control_episodes=0)
    first = evaluate_environment(small, policy=POLICY, out=tmp_path)
    path_of(tmp_path, condition="none", arm="adapting").unlink()
    begun: list[str] = []
    outcomes = evaluate._outcomes

    def counted(benchmark: Benchmark, condition: str, arm: Any, policy: Any) -> Any:
        begun.append(f"{condition} {arm.name}")
        return outcomes(benchmark, condition, arm, policy)

    monkeypatch.setattr(evaluate, "_outcomes", counted)
    assert evaluate_environment(small, policy=POLICY, out=tmp_path) == first
    assert begun == ["none adapting"]


def test_a_run_of_another_configuration_is_not_taken_over(tmp_path: Path) -> None:
    evaluate_environment(benchmark(episodes=1, control_episodes=0, shifts={}), policy=POLICY, out=tmp_path)
    other = benchmark(episodes=1, control_episodes=0, shifts={}, first_seed=7)
    evaluate_environment(other, policy=POLICY, out=tmp_path)
    lines = path_of(tmp_path, condition="none", arm="static").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1])["seed"] == 7


def test_a_policy_for_another_robot_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "load_policy", lambda _: CentringPolicy(horizon=8))
    with pytest.raises(SpecificationError, match="steps in a chunk: the policy has 8, the robot 4"):
        evaluate_environment(benchmark(), policy=POLICY, out=tmp_path)


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give each its own name"):
        benchmark(tasks=(TASK, TASK))


def test_a_shift_may_not_take_the_name_of_none() -> None:
    with pytest.raises(ConfigurationError, match="rename it"):
        benchmark(shifts={"none": EnvironmentShift()})


def _outcomes(successes: str, *, task: str = "t") -> list[EpisodeOutcome]:
    return [
        EpisodeOutcome(task=task, seed=seed, success=letter == "1", steps=1, loss=None, drift=0.0, windows=0, committed=0)
        for seed, letter in enumerate(successes)
    ]


def test_wilsons_interval_is_not_empty_at_the_ends() -> None:
    none, all_of_them = successes(_outcomes("0" * 20)), successes(_outcomes("1" * 20))
    assert (none.lower, all_of_them.upper) == (0.0, pytest.approx(1.0))
    assert none.upper == pytest.approx(0.161, abs=1e-3)
    assert all_of_them.lower == pytest.approx(0.839, abs=1e-3)


def test_a_difference_is_taken_over_the_layouts_that_both_met() -> None:
    paired = difference(_outcomes("111111"), _outcomes("0101011111"))
    assert paired.value == pytest.approx(0.5)
    assert difference(_outcomes("0101010"), _outcomes("0101010")).upper == 0.0
