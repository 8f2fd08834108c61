"""A whole calibration: two short runs in simulation and two recordings."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
import yaml
from deployment_bags import record_deployment
from rich.console import Console
from typer.testing import CliRunner

from ttt_ros.cli import app
from ttt_ros.cli.application import FAILED
from ttt_ros.configuration import load_yaml
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.calibration.calibrate import PROPOSAL, calibrate
from ttt_ros.evaluation.calibration.findings import Findings
from ttt_ros.safeguard.configuration import SafeguardConfig

pytestmark = pytest.mark.timeout(300)  # fresh processes import everything, which takes long on a busy machine

SHIPPED = Path(__file__).parents[1] / "config"


def written(folder: Path, **changes: object) -> Path:
    """A configuration of two runs of two goals each."""
    settings = {
        "parameters": str(SHIPPED / "policy_node.yaml"),
        "rules": str(SHIPPED / "safeguard.yaml"),
        "bags": str(SHIPPED / "bag.yaml"),
        "goals": 2,
        "calibration_runs": 1,
        "held_out_runs": 1,
    }
    path = folder / "calibration.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path


def calibrated(config: Path, bags: list[Path], out: Path) -> tuple[Findings, str]:
    console = Console(record=True, width=200, file=StringIO())
    return calibrate(config, bags, out=out, processes=1, console=console), console.export_text()


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bags")
    return [record_deployment(folder / f"run{seed}", goals=2, seed=seed) for seed in (5, 6)]


@pytest.fixture(scope="module")
def result(bags: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings]:
    out = tmp_path_factory.mktemp("calibration")
    return out, calibrated(written(out), bags, out)[0]


def test_every_run_counts_and_every_rule_is_reported(result: tuple[Path, Findings]) -> None:
    _, findings = result
    assert (findings.calibration_runs, findings.held_out_runs, findings.goals) == (2, 2, 2)
    assert not findings.failures
    assert findings.shipped.count == 0
    assert len(findings.rules) == len(load_yaml(SHIPPED / "safeguard.yaml", SafeguardConfig).rules)
    judged = {rule.shape.signal: rule for rule in findings.rules if rule.judged == "judged"}
    assert len(judged["camera_age"].calibration_levels) == 1  # the recording's; that of the virtual clock says nothing
    assert len(judged["following_error"].calibration_levels) == 2
    assert {"control_jitter", "clock_stall"} <= {rule.shape.signal for rule in findings.rules if rule.judged == "not judged here"}


def test_what_is_written_says_the_same_and_the_proposal_can_be_used(result: tuple[Path, Findings]) -> None:
    out, findings = result
    figures = json.loads((out / "results.json").read_text())
    assert figures["shipped"]["hours"] == findings.held_out_hours
    proposal = load_yaml(out / PROPOSAL, SafeguardConfig)
    assert [rule.limit for rule in proposal.rules] == [rule.proposed for rule in findings.rules]
    page = (out / "report.html").read_text()
    assert "in too few hours to be sure, 0.1 false alarms per hour" in page
    assert "not judged here" in page
    assert (out / "plots" / "levels.png").read_bytes().startswith(b"\x89PNG")


def test_runs_that_are_there_are_not_made_again(result: tuple[Path, Findings], bags: list[Path]) -> None:
    out, findings = result
    records = {path: path.stat().st_mtime_ns for path in out.glob("records/*/*.json")}
    assert len(records) == 4
    assert calibrated(written(out), bags, out)[0] == findings
    assert records == {path: path.stat().st_mtime_ns for path in out.glob("records/*/*.json")}


def test_a_run_that_could_not_be_made_fails_the_command_though_no_limit_was_crossed(
    result: tuple[Path, Findings], bags: list[Path], tmp_path: Path
) -> None:
    out, broken = shutil.copytree(result[0], tmp_path / "out"), shutil.copytree(bags[0], tmp_path / "broken")
    for file in broken.glob("*.mcap"):
        file.write_bytes(file.read_bytes()[:1000])
    recordings = [str(bag) for bag in (*bags, broken)]
    command = ["calibrate-safeguard", *recordings, "--config", str(written(tmp_path)), "--out", str(out), "--jobs", "1"]
    assert CliRunner().invoke(app, command).exit_code == FAILED
    figures = json.loads((out / "results.json").read_text())
    assert figures["shipped"]["count"] == 0
    (failure,) = figures["failures"]
    assert str(broken) in failure


def test_bags_without_a_meaning_and_bags_that_are_not_there_are_refused(bags: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'bags' does not say"):
        calibrated(written(tmp_path, bags=None), bags, tmp_path)
    with pytest.raises(RecordingError, match="nowhere not there"):
        calibrated(written(tmp_path), [tmp_path / "nowhere"], tmp_path)
