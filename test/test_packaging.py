"""`pip install .` without ROS gives everything but nodes and messages, and says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, without its dependencies, which are here already."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "ttt_ros", "msg"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def _run(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=installed, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize(
    "file",
    [
        "simulation/assets/desk_arm.xml",
        "policies/checkpoints/desk_arm.safetensors",
        "policies/checkpoints/desk_arm_reactive.safetensors",
        "training/meta/conf/desk_arm.yaml",
        "training/meta/conf/method/second_order.yaml",
        "evaluation/deployments/suites/deployment.yaml",
        "evaluation/deployments/suites/shipped.yaml",
        "evaluation/templates/report.html",
        "evaluation/bags/schema.json",
        "cli/application.py",
    ],
)
def test_the_files_that_the_code_reads_are_installed(installed: Path, file: str) -> None:
    assert (installed / "ttt_ros" / file).is_file()


def test_nodes_and_messages_are_left_out(installed: Path) -> None:
    assert not (installed / "ttt_ros" / "nodes").exists()
    assert not (installed / "ttt_ros" / "msg").exists()


def test_the_message_definitions_are_found_without_ros(installed: Path) -> None:
    result = _run(installed, "-c", "from ttt_ros.evaluation.bags.signals import definitions; print(definitions())")
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()) == installed / "share" / "ttt_ros" / "msg"


def test_the_layers_below_the_nodes_import_without_ros(installed: Path) -> None:
    script = (
        "import sys; sys.modules['rclpy'] = None\n"
        "import ttt_ros.evaluation.report, ttt_ros.training.train, ttt_ros.simulation.environment, ttt_ros.control.session\n"
        "print(ttt_ros.__file__)"
    )
    result = _run(installed, "-c", script)
    assert result.returncode == 0, result.stderr
    assert str(installed) in result.stdout


def test_a_command_that_needs_ros_says_so_in_one_line(installed: Path) -> None:
    result = _run(installed, "-m", "ttt_ros.cli", "replay", "somewhere")
    assert result.returncode == 2
    assert "needs ROS 2" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistake_in_a_training_file_is_one_line_that_names_it(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "training.yaml"
    config.write_text("cloning: {stepps: 3}\n")
    result = _run(installed, "-m", "ttt_ros.cli", "train", "--config", str(config), "--output", str(tmp_path / "out"))
    assert result.returncode == 2
    assert "stepps" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
