"""The demonstration as a whole: its processes, its report and its bag."""

import json
from pathlib import Path

import pytest
from rich.console import Console
from written_bags import written

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ttt_ros.bags.reader import BagReader
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.report import OVERVIEW
from ttt_ros.nodes.demo import DemoConfig, run_demo
from ttt_ros.nodes.processes import NodeProcess
from ttt_ros.nodes.replay import ReplaySetup, run_replay

pytestmark = [pytest.mark.ros, pytest.mark.timeout(400)]

SMALL = DemoConfig(goals_before=3, goals_after=2, real_time_factor=1.0)


@pytest.mark.usefixtures("ros_domain")
def test_a_demonstration_leaves_a_report_with_both_arms_and_a_bag_that_can_be_replayed(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    report = run_demo(SMALL, out, Console(quiet=True))

    # How well the control rate is kept is for `make demo` to judge: here other work may share the machine.
    failed = [check for check in report.checks if not check.passed and "ticks" not in check.name and "updates" not in check.name]
    assert not failed
    assert report.limits.drift is not None
    assert [run.arm for run in report.arms] == ["frozen", "adapting"]
    for run in report.arms:
        assert run.goals[0].distance < 0.03  # m; nothing is known of the robot yet
        assert [goal.succeeded for goal in run.goals[1:3]] == [True, True]
        assert len(run.goals) == 5
        assert len(run.chunks) == run.instructions == 10
        assert run.windows
        assert run.shift is not None
        assert run.goals[2].end < run.shift.start < run.goals[3].end
        assert len(run.pictures) == 3
    frozen, adapting = report.arms
    assert [goal.instruction for goal in frozen.goals] == [goal.instruction for goal in adapting.goals]
    assert frozen.goals[0].distance == pytest.approx(adapting.goals[0].distance, abs=0.002)  # the same robot, layout and weights
    assert max(window.drift_total for window in frozen.windows) == 0.0
    assert max(window.drift_total for window in adapting.windows) > 0.0
    assert "<img" in (out / "report.html").read_text()
    assert (out / OVERVIEW).is_file()
    assert json.loads((out / "report.json").read_text())

    with BagReader(out / "bag") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts["/joint_states"] > 3 * counts["/camera/overhead/image_raw"] * 0.8
    assert counts["/policy/adaptation_status"] > 0
    assert counts["/safeguard/state"] > 0

    replayed = run_replay(out / "bag", ReplaySetup(rate=1.0), out=tmp_path / "replay", console=Console(quiet=True))
    assert replayed.clean
    assert replayed.chunks > 0
    assert replayed.windows > 0


@pytest.mark.usefixtures("ros_domain")
def test_a_second_demonstration_moves_the_first_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "demo"
    (out / "logs").mkdir(parents=True)
    (out / "report.json").write_text("the first")
    monkeypatch.setattr("ttt_ros.nodes.demo.ADAPTATION", {})
    run_demo(SMALL, out, Console(quiet=True))
    assert (tmp_path / "demo.previous" / "report.json").read_text() == "the first"
    assert (out / "report.json").read_text() != "the first"


@pytest.mark.parametrize("there", ["demo", "demo.previous"])
def test_a_folder_that_holds_no_demonstration_is_neither_moved_nor_deleted(tmp_path: Path, there: str) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "logs").mkdir()
    precious = tmp_path / there
    precious.mkdir(exist_ok=True)
    (precious / "thesis.tex").write_text("the work of years")
    if there == "demo":
        (precious / "logs").rmdir()
    with pytest.raises(ConfigurationError, match=f"{there} is not empty and holds no demonstration"):
        run_demo(SMALL, tmp_path / "demo", Console(quiet=True))
    assert (precious / "thesis.tex").read_text() == "the work of years"


@pytest.mark.usefixtures("ros_domain")
def test_ctrl_c_ends_the_processes_and_the_demonstration_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    stop = NodeProcess.stop

    def noted(process: NodeProcess) -> int:
        ended.append(process.executable)
        return stop(process)

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(NodeProcess, "stop", noted)
    monkeypatch.setattr("ttt_ros.nodes.demo._Run._bring_up", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(SMALL, tmp_path / "demo", Console(quiet=True))
    assert sorted(ended) == ["policy_node", "recorder_node", "safeguard_node", "simulation_node"]
    assert not (tmp_path / "demo" / "logs" / "adapting").exists()


@pytest.mark.usefixtures("ros_domain")
def test_a_replay_ends_every_node_though_the_first_to_end_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    stop = NodeProcess.stop

    def noted(process: NodeProcess) -> int:
        ended.append(process.executable)
        return stop(process) or 1

    monkeypatch.setattr(NodeProcess, "stop", noted)
    played = run_replay(written(tmp_path / "bag", messages=3), ReplaySetup(), out=tmp_path / "logs", console=Console(quiet=True))
    assert not played.clean
    assert sorted(ended) == ["policy_node", "replay_node", "safeguard_node"]
