"""What the policy node says of its adaptation on /diagnostics."""

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from diagnostic_msgs.msg import DiagnosticArray
from policy_under_test import start_policy, start_safeguarded_policy
from robot_stand_in import RobotStandIn
from ros_graph import Graph, Inbox
from ttt_ros.msg import AdaptationStatus

from ttt_ros.adaptation.learner import Learner

pytestmark = pytest.mark.ros


def adaptation_values(arrays: Inbox[DiagnosticArray]) -> dict[str, str]:
    found = [status for array in arrays.messages for status in array.status if status.name == "policy: adaptation"]
    return {each.key: each.value for each in found[-1].values} if found else {}


def test_the_drift_of_each_fast_module_is_told(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    arrays = graph.listen(DiagnosticArray, "/diagnostics")
    windows = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: float(adaptation_values(arrays).get("drift", 0.0)) > 0.0, "a drift")
    drifts = {key: float(value) for key, value in adaptation_values(arrays).items() if key.startswith("drift ")}
    assert set(drifts) == {f"drift {each.module}" for each in windows.latest.module_drift}
    assert max(drifts.values()) > 0.0


def test_windows_that_wait_for_a_step_that_does_not_return_are_told(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, adapt = threading.Event(), Learner.adapt

    def hanging(*arguments: Any, **options: Any) -> Any:
        released.wait()
        return adapt(*arguments, **options)

    monkeypatch.setattr(Learner, "adapt", hanging)
    arrays = graph.listen(DiagnosticArray, "/diagnostics")
    try:
        start_policy(graph, robot, tiny_checkpoint)
        robot.run_until(lambda: int(adaptation_values(arrays).get("windows waiting", 0)) > 0, "windows that wait")
    finally:
        released.set()
