"""Telling of mode changes once, and counting them from then on."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ros_graph import Graph

from ttt_ros.nodes.mode_log import ModeLog
from ttt_ros.safeguard.ladder import Mode

pytestmark = pytest.mark.ros


def test_a_mode_that_comes_and_goes_for_the_same_reason_is_told_once_and_then_counted(graph: Graph) -> None:
    log = ModeLog(graph.tester)
    for index in range(9):
        assert log.entered(Mode.BASE, (f"drift_total 0.{index} above 0.5",))
        assert not log.entered(Mode.BASE, ("drift_total 0.7 above 0.5",))
        assert log.entered(Mode.ADAPTING, ())
    assert log.counts == {"mode base: drift_total # above #": 9, "mode adapting": 9}
    graph.wait_for_log("tester", "(8 times so far)")
    told = [line for line in graph.log() if "mode base" in line]
    assert len(told) == 4  # the first, second, fourth and eighth time
    assert "drift_total 0.0 above 0.5" in told[0]


def test_another_reason_is_told_in_full(graph: Graph) -> None:
    log = ModeLog(graph.tester)
    log.entered(Mode.HOLD, ("camera_age 0.6 s (scene) above 0.5 s",))
    log.entered(Mode.BASE, ("starting",))
    log.entered(Mode.HOLD, ("camera_age 0.6 s (wrist) above 0.5 s",))
    graph.wait_for_log("tester: mode hold: camera_age 0.6 s (wrist)")
    assert len(log.counts) == 3


def test_reasons_beyond_the_hundredth_are_counted_together(graph: Graph) -> None:
    log = ModeLog(graph.tester)
    for index in range(300):
        log.entered(Mode.HOLD if index % 2 else Mode.BASE, ("reason " + "x" * index,))
    assert len(log.counts) <= 102
