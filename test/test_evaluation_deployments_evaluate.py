"""The whole suite on the real simulation, with untrained policies."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from deployment_policies import memory_policy
from rich.console import Console

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.errors import CheckpointError, ConfigurationError
from ttt_ros.evaluation.deployments.arms import Control, Role
from ttt_ros.evaluation.deployments.evaluate import evaluate_deployments
from ttt_ros.evaluation.deployments.findings import Findings
from ttt_ros.evaluation.deployments.records import read_record
from ttt_ros.evaluation.deployments.suite import ArmConfig, Part, SuiteConfig
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.memory.configuration import MemoryKind
from ttt_ros.simulation.robots import HIDDEN_SIZE

pytestmark = pytest.mark.timeout(300)  # fresh processes import everything, which takes long on a busy machine

SUITE = SuiteConfig(
    adaptation=AdaptationConfig(objectives={"action": 1.0}, window=2, minimum_samples=1, ridge=1.0),
    arms=(
        ArmConfig(name="adapting", label="adapting", role=Role.ADAPTING, checkpoint="fast.safetensors", adapts=True),
        ArmConfig(name="flipped", label="flipped", role=Role.FLIPPED, checkpoint="fast.safetensors", adapts=True, control=Control.FLIPPED),
        ArmConfig(name="static", label="static", role=Role.STATIC, checkpoint="static.safetensors"),
        ArmConfig(name="repeat", label="again", role=Role.REPEAT, checkpoint="static.safetensors", repetition=1),
        ArmConfig(name="oracle", label="oracle", role=Role.ORACLE, checkpoint="oracle.safetensors"),
        ArmConfig(name="misinformed", label="misinformed", role=Role.VARIANT, checkpoint="misinformed.safetensors"),
    ),
    parts=(
        Part(conditions=("training/all", "unseen/fog"), seeds=1, goals=2),
        Part(conditions=("training/all",), seeds=1, goals=10, long=True, arms=("adapting",)),
    ),
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_policy(memory_policy(fast=True, memory=MemoryKind.WINDOW), folder / "fast.safetensors", training={"minutes": 3})
    save_policy(memory_policy(), folder / "static.safetensors", training={})
    save_policy(memory_policy(privileged=HIDDEN_SIZE), folder / "oracle.safetensors", training={})
    save_policy(memory_policy(privileged=HIDDEN_SIZE + 1), folder / "misinformed.safetensors", training={})
    return folder


def evaluate(checkpoints: Path, out: Path, *, only_analyse: bool = False) -> tuple[Findings, str]:
    """The findings, and what was said meanwhile."""
    console = Console(record=True, width=200, file=StringIO())
    findings = evaluate_deployments(SUITE, checkpoints=checkpoints, out=out, processes=1, console=console, only_analyse=only_analyse)
    return findings, console.export_text()


@pytest.fixture(scope="module")
def evaluated(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings, str]:
    """The suite, run once: where, what was found and what was said."""
    out = tmp_path_factory.mktemp("suite")
    return out, *evaluate(checkpoints, out)


def test_a_suite_is_run_and_written(evaluated):
    out, findings, _ = evaluated
    assert findings.deployments == 11
    assert {path.name for path in out.iterdir()} == {".lock", "records", "plots", "results.json", "table.md", "report.html"}
    assert {path.stem for path in (out / "plots").iterdir()} == {"success_over_time", "conditions", "cost", "long_run"}
    assert json.loads((out / "results.json").read_text())["deployments"] == 11
    # Inputs of the fast matrix times effects.
    assert next(arm for arm in findings.arms if arm.name == "adapting").fast_parameters == 8 * 2
    assert findings.long_runs["adapting"].steps == 800


def test_a_beginner_takes_turns_with_the_end_of_a_long_run_and_changes_nothing_in_it(evaluated):
    records = evaluated[0] / "records" / "training" / "all" / "adapting"
    long, short = (read_record(records / name).outcomes for name in ("long_0.jsonl", "0.jsonl"))
    assert all(outcome.beginner_seconds_per_step for outcome in long)
    assert not any(outcome.beginner_seconds_per_step for outcome in short)
    assert [outcome.distance for outcome in long[: len(short)]] == [outcome.distance for outcome in short]


def test_a_deployment_that_fails_is_reported_and_the_others_go_on(evaluated):
    out, findings, said = evaluated
    assert len(findings.failures) == 2
    assert "arm 'misinformed', condition 'training/all', seed 0: the oracle is to be told" in said
    assert "train it anew" in (out / "report.html").read_text()


def test_only_what_is_missing_is_run_again(evaluated, checkpoints, tmp_path):
    shutil.copytree(evaluated[0] / "records", tmp_path / "records")
    missing = tmp_path / "records" / "unseen" / "fog" / "oracle" / "0.jsonl"
    missing.unlink()
    left = {path: path.stat().st_mtime_ns for path in tmp_path.glob("records/**/*.jsonl")}
    findings, said = evaluate(checkpoints, tmp_path)
    assert "10 of 13 deployments are there already" in said
    assert (findings.deployments, missing.exists()) == (11, True)
    assert all(path.stat().st_mtime_ns == moment for path, moment in left.items())


def test_what_is_there_can_be_analysed_without_running_anything(evaluated, checkpoints, tmp_path):
    shutil.copytree(evaluated[0] / "records" / "training", tmp_path / "records" / "training")
    findings, _ = evaluate(checkpoints, tmp_path, only_analyse=True)
    assert (findings.deployments, findings.failures) == (6, ())
    assert not (tmp_path / "records" / "unseen").exists()


def test_a_missing_checkpoint_stops_the_suite_before_anything_is_run(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*fast"):
        evaluate(tmp_path / "nowhere", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_ray_address_that_does_not_answer_stops_the_suite(checkpoints, tmp_path):
    with pytest.raises(ConfigurationError, match="no Ray cluster answers"):
        evaluate_deployments(
            SUITE, checkpoints=checkpoints, out=tmp_path, processes=1, console=Console(quiet=True), ray_address="127.0.0.1:1"
        )
