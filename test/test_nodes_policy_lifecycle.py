"""The policy node's transitions: what each leaves behind, and configurations that are refused."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from example_policies import CONFIG, INSTRUCTIONS, SPECIFICATION

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_policy
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.specification import CameraSpecification, PolicySpecification
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.policies.vocabulary import Vocabulary

pytestmark = pytest.mark.ros


def test_the_node_moves_the_robot_only_while_it_is_active(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    robot.instruct()
    robot.run_for(0.5)
    assert graph.transition("policy", "configure")
    robot.run_for(0.5)
    assert not robot.commands
    assert graph.transition("policy", "activate")
    robot.run_until(lambda: len(robot.commands) > 3, "commands")
    assert graph.transition("policy", "deactivate")
    graph.spin()
    last = len(robot.commands)
    robot.run_for(0.5)
    assert len(robot.commands) == last


def test_the_whole_life_can_be_lived_twice(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    robot.instruct()
    for _ in range(2):
        for label, state in (("configure", "inactive"), ("activate", "active"), ("deactivate", "inactive"), ("activate", "active")):
            assert graph.transition("policy", label)
            assert graph.state("policy") == state
            if state == "active":
                before = len(robot.commands)
                robot.run_until(lambda before=before: len(robot.commands) > before + 3, "commands")
        assert graph.transition("policy", "deactivate")
        assert graph.transition("policy", "cleanup")
        assert graph.state("policy") == "unconfigured"
        graph.wait_until(lambda: not graph.tester.get_publishers_info_by_topic("/joint_trajectory"), "the publisher's end")


def test_shutdown_from_active_ends_the_node_in_state_finalized(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    start_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: bool(robot.commands), "commands")
    assert graph.transition("policy", "active_shutdown")
    assert graph.state("policy") == "finalized"
    before = len(robot.commands)
    robot.run_for(0.5)
    assert len(robot.commands) == before


def nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def altered(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[-5] ^= 1
    path.write_bytes(contents)


def of(specification: PolicySpecification) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        policy = VisionLanguageActionPolicy(config=CONFIG, specification=specification, vocabulary=Vocabulary.of(INSTRUCTIONS))
        save_policy(policy, path, training={})

    return write


OTHER_JOINTS = replace(SPECIFICATION, joint_names=("shoulder", "elbow", "finger"))
OTHER_CAMERAS = replace(SPECIFICATION, cameras=(*SPECIFICATION.cameras, CameraSpecification(name="ceiling", height=32, width=32)))
OTHER_PERIOD = replace(SPECIFICATION, period=0.1)


@pytest.mark.parametrize(
    ("spoil", "fragments"),
    [
        pytest.param(nothing, ("no checkpoint at", "check the path or train one"), id="missing"),
        pytest.param(truncated, ("not a readable safetensors file", "get it again"), id="truncated"),
        pytest.param(altered, ("checksum", "altered", "get it again"), id="altered"),
        pytest.param(of(OTHER_JOINTS), ("lacks the joints finger", "mend the configuration or use another policy"), id="other joints"),
        pytest.param(of(OTHER_CAMERAS), ("lacks the cameras ceiling", "mend the configuration"), id="other cameras"),
        pytest.param(of(OTHER_PERIOD), ("needs a control rate of 10 Hz", "not 20 Hz"), id="other period"),
    ],
)
def test_a_checkpoint_that_cannot_serve_fails_configure_and_the_node_stays_usable(
    graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], None], fragments: tuple[str, ...]
) -> None:
    path = Path(shutil.copy(tiny_checkpoint, tmp_path))
    spoil(path)
    graph.start(PolicyNode, policy_parameters(path))
    assert not graph.transition("policy", "configure")
    graph.wait_for_log("policy", *fragments)
    assert graph.state("policy") == "unconfigured"

    shutil.copy(tiny_checkpoint, path)
    robot.step()
    graph.bring_up("policy")
    robot.instruct()
    robot.run_until(lambda: len(robot.commands) > 2, "commands after the checkpoint was mended")


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"robot__lower": [0.0, 0.0]}, ("robot.lower has 2 values for 3 joints", "give one for each")),
        ({"robot__lower": [1.0, 11.0, 1.0]}, ("lower 11 rad must be below upper 10 rad",)),
        ({"robot__max_velocity": [1.0, -1.0, 1.0]}, ("max_velocity", "-1.0", "greater than 0")),
        ({"adaptation__window": 2, "adaptation__minimum_samples": 4}, ("minimum_samples is 4, above window, 2", "lower it")),
        ({"policy__device": "gpu"}, ("the device 'gpu' is unknown", "use 'cpu' or 'cuda'")),
        ({"adaptation__journal_directory": "/nowhere/at/all"}, ("cannot create journal /nowhere/at/all", "writable directory")),
        ({"adaptation__initial_weights": "/nowhere/at/all.safetensors"}, ("cannot read snapshot /nowhere/at/all.safetensors",)),
    ],
)
def test_parameters_that_contradict_fail_configure_with_what_to_do(
    graph: Graph, tiny_checkpoint: Path, changes: dict[str, object], fragments: tuple[str, ...]
) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint, **changes))
    assert not graph.transition("policy", "configure")
    graph.wait_for_log("policy", *fragments)
    assert graph.state("policy") == "unconfigured"
    assert not graph.tester.get_publishers_info_by_topic("/joint_trajectory")


def test_a_second_policy_in_one_namespace_is_refused(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint), remappings={"__node": "second"})
    assert graph.transition("policy", "configure")
    assert not graph.transition("second", "configure")
    graph.wait_for_log("second", "/policy already publishes /joint_trajectory", "stop it", "namespace of its own")
    assert graph.transition("policy", "activate")

    assert graph.transition("policy", "deactivate")
    assert graph.transition("policy", "cleanup")
    graph.bring_up("second")


def test_a_second_policy_on_the_same_command_topic_is_refused_whatever_its_namespace(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    remappings = {"joint_trajectory": "/joint_trajectory"}
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint), namespace="other", remappings=remappings)
    graph.bring_up("policy")
    assert not graph.transition("other/policy", "configure")
    graph.wait_for_log("other.policy", "/policy already publishes /joint_trajectory")


def test_a_young_node_is_refused_for_a_publisher_that_is_discovered_late(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint, control__discovery_time=30.0))
    late = threading.Timer(2.0, graph.tester.create_publisher, (JointTrajectory, "joint_trajectory", 1))
    late.start()
    assert not graph.transition("policy", "configure")
    late.join()


def test_a_policy_in_another_namespace_is_allowed(graph: Graph, tiny_checkpoint: Path) -> None:
    for namespace in ("left", "right"):
        graph.start(PolicyNode, policy_parameters(tiny_checkpoint), namespace=namespace)
        graph.bring_up(f"{namespace}/policy")
    assert graph.state("left/policy") == graph.state("right/policy") == "active"
