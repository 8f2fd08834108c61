"""What the safeguard node takes for its rules and rates, and what it refuses at configure."""

import math
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from robot_stand_in import RobotStandIn
from ros_graph import Graph

from ttt_ros.nodes.safeguard_node import SafeguardNode

pytestmark = pytest.mark.ros


def test_rules_named_with_a_folder_are_not_those_of_the_package(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("safeguard.yaml").write_text(
        "rules: [{signal: camera_age, limit: 1.0, clear_limit: 0.5, trips: 1, of_last: 1, clear_after: 1, mode: hold}]"
    )
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": "./safeguard.yaml"})
    assert graph.transition("safeguard", "configure")
    graph.wait_for_log("safeguard: 1 rules from safeguard.yaml")


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        (None, ("cannot read", "check the path")),
        ("rules: [", ("is not valid YAML",)),
        ("rules: []", ("a safeguard without rules guards nothing",)),
        ("colour: red\nrules: []", ("unknown key 'colour'",)),
        (
            "rules: [{signal: gradient_nrom, limit: 1.0, clear_limit: 0.5, trips: 1, of_last: 1, clear_after: 1, mode: frozen}]",
            ("unknown signal 'gradient_nrom'", "known signals are"),
        ),
    ],
)
def test_rules_that_cannot_be_used_fail_configure_and_can_be_mended(
    graph: Graph, robot: RobotStandIn, tmp_path: Path, text: str | None, fragments: tuple[str, ...]
) -> None:
    path = tmp_path / "rules.yaml"
    if text is not None:
        path.write_text(text)
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": str(path)})
    assert not graph.transition("safeguard", "configure")
    graph.wait_for_log("safeguard", *fragments)
    assert graph.state("safeguard") == "unconfigured"
    path.write_text("rules: [{signal: camera_age, limit: 1.0, clear_limit: 0.5, trips: 1, of_last: 1, clear_after: 1, mode: hold}]")
    graph.bring_up("safeguard")


@pytest.mark.parametrize(
    ("rates", "fragment"),
    [
        ([30.0], "camera_rates has length 1, cameras has length 2"),
        ([30.0, 30.0, 5.0], "camera_rates has length 3, cameras has length 2"),
        ([30.0, -1.0], "camera_rates gives camera 'wrist' -1 Hz"),
        ([math.nan, 30.0], "camera_rates gives camera 'scene' nan Hz"),
        ([30.0, math.inf], "camera_rates gives camera 'wrist' inf Hz"),
    ],
)
def test_rates_that_are_not_those_of_the_cameras_fail_configure(graph: Graph, rates: list[float], fragment: str) -> None:
    graph.start(SafeguardNode, {"use_sim_time": True, "camera_rates": rates})
    assert not graph.transition("safeguard", "configure")
    graph.wait_for_log("safeguard", fragment)


def test_without_rates_those_of_all_cameras_are_unknown(graph: Graph) -> None:
    graph.start(SafeguardNode, {"use_sim_time": True, "cameras": ["scene", "wrist", "side"]})
    graph.bring_up("safeguard")


def test_a_name_without_a_folder_is_one_of_the_files_that_come_with_the_package(graph: Graph) -> None:
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": "safeguard_reactive.yaml"})
    graph.bring_up("safeguard")
    assert "config/safeguard_reactive.yaml" in graph.wait_for_log("safeguard", "rules from")
