"""The programs that are installed beside the package."""

import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").iterdir())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_worker_process_imports_a_program_without_running_it(script: Path) -> None:
    if script.name != "ttt-ros":
        pytest.importorskip("rclpy", reason="ROS 2 is not installed")
        pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")
    assert runpy.run_path(str(script), run_name="__mp_main__")["main"]
