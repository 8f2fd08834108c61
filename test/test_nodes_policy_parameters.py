"""Parameters of the policy node: what is refused, and what a change of a live one does."""

import math
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters, start_safeguarded_policy
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, parameter_value_to_python
from robot_stand_in import RobotStandIn
from ros_graph import Graph
from ttt_ros.msg import AdaptationStatus

from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.policy_parameters import adaptation_config
from ttt_ros.nodes.policy_parameters import policy_parameters as parameters_of
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.policies.shipped import REACTIVE_POLICY, SHIPPED_POLICY

pytestmark = pytest.mark.ros


def get(graph: Graph, name: str) -> object:
    """The value of a parameter of the policy node."""
    (value,) = graph.call(GetParameters, "policy/get_parameters", GetParameters.Request(names=[name])).values
    return parameter_value_to_python(value)


@pytest.mark.parametrize(
    ("name", "value", "fragments"),
    [
        ("adaptation.learning_rate", -0.1, ("adaptation.learning_rate",)),
        ("adaptation.learning_rate", 11.0, ("adaptation.learning_rate",)),
        ("adaptation.learning_rate", math.nan, ("adaptation.learning_rate",)),
        ("adaptation.learning_rate", "fast", ("Wrong parameter type",)),
        ("adaptation.trim_factor", 0.5, ("adaptation.trim_factor",)),
        ("adaptation.gate_warmup", 100, ("gate_warmup is 100, above gate_history, 64", "lower it")),
        ("adaptation.window", 16, ("read-only",)),
        ("policy.path", "other.safetensors", ("read-only",)),
        ("robot.upper", [1.0, 1.0, 1.0], ("read-only",)),
    ],
)
def test_a_bad_value_is_refused_with_the_reason_and_the_old_one_stays(
    graph: Graph, tiny_checkpoint: Path, name: str, value: object, fragments: tuple[str, ...]
) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    before = get(graph, name)
    (result,) = graph.set_parameters("policy", {name: value})
    assert not result.successful
    for fragment in fragments:
        assert fragment in result.reason
    assert get(graph, name) == before


def test_a_set_that_contradicts_itself_is_refused_as_a_whole(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    parameters = [Parameter("adaptation.learning_rate", value=0.2), Parameter("adaptation.gate_warmup", value=65)]
    request = SetParametersAtomically.Request(parameters=[each.to_parameter_msg() for each in parameters])
    result = graph.call(SetParametersAtomically, "policy/set_parameters_atomically", request).result
    assert not result.successful
    assert "gate_warmup is 65, above gate_history, 64" in result.reason
    assert (get(graph, "adaptation.learning_rate"), get(graph, "adaptation.gate_warmup")) == (0.1, 8)


def test_a_new_learning_rate_is_in_force_from_the_next_window_on(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint, adaptation__pull_back=0.0)  # which moves the weights as well
    robot.run_until(lambda: bool(statuses.messages) and statuses.latest.committed, "a committed update")
    assert statuses.latest.update_norm > 0.0
    (result,) = graph.set_parameters("policy", {"adaptation.learning_rate": 0.0})
    assert result.successful
    robot.run_until(lambda: statuses.latest.committed and statuses.latest.update_norm == 0.0, "an update of length zero")
    assert graph.set_parameters("policy", {"adaptation.learning_rate": 0.1})[0].successful
    robot.run_until(lambda: statuses.latest.update_norm > 0.0, "a real update")


def test_adaptation_can_be_disabled_by_parameter(graph: Graph, robot: RobotStandIn, tiny_checkpoint: Path) -> None:
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status")
    start_safeguarded_policy(graph, robot, tiny_checkpoint)
    robot.run_until(lambda: len(statuses) > 2, "statuses")
    assert graph.set_parameters("policy", {"adaptation.enabled": False})[0].successful
    robot.run_for(0.5)
    disabled = robot.now
    robot.run_for(1.5)
    # Windows handed over before may still be reported, however late on a busy machine.
    assert all(nanoseconds(status.header.stamp) < disabled for status in statuses.messages)


def test_every_live_number_has_a_range_and_every_parameter_a_description(graph: Graph, tiny_checkpoint: Path) -> None:
    node = graph.start(PolicyNode, policy_parameters(tiny_checkpoint)).node
    names = [name for name in node._parameters if name.startswith(("adaptation.", "control.", "robot.", "policy.", "camera"))]
    descriptors = graph.call(DescribeParameters, "policy/describe_parameters", DescribeParameters.Request(names=names)).descriptors
    assert len(descriptors) > 30
    for descriptor in descriptors:
        assert descriptor.description, descriptor.name
        if descriptor.type in (Parameter.Type.DOUBLE.value, Parameter.Type.INTEGER.value):
            assert descriptor.floating_point_range or descriptor.integer_range, descriptor.name


@pytest.mark.parametrize(
    ("given", "expected"), [({}, {"features": 1.0, "proprioception": 1.0}), ({"adaptation__objectives__action": 2.0}, {"action": 2.0})]
)
def test_the_objectives_are_those_that_are_given_or_else_the_defaults(
    graph: Graph, tiny_checkpoint: Path, given: dict[str, float], expected: dict[str, float]
) -> None:
    node = graph.start(PolicyNode, policy_parameters(tiny_checkpoint, **given)).node
    assert adaptation_config(node).objectives == expected


@pytest.mark.parametrize(("name", "path"), [("", SHIPPED_POLICY), ("desk_arm_reactive", REACTIVE_POLICY), ("mine/p.st", Path("mine/p.st"))])
def test_a_shipped_policy_can_be_named_instead_of_its_path(graph: Graph, tiny_checkpoint: Path, name: str, path: Path) -> None:
    node = graph.start(PolicyNode, policy_parameters(tiny_checkpoint) | {"policy.path": name}).node
    assert parameters_of(node).policy_path == path


def test_a_parameter_that_does_not_exist_cannot_be_set(graph: Graph, tiny_checkpoint: Path) -> None:
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    (result,) = graph.set_parameters("policy", {"adaptation.learning_rat": 0.1})
    assert not result.successful
    assert "undeclared parameter" in result.reason


def test_an_unknown_parameter_is_named_at_start(graph: Graph, tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown parameter adaptation\.learning_rat for /policy; .*adaptation\.learning_rate"):
        graph.start(PolicyNode, policy_parameters(tiny_checkpoint, adaptation__learning_rat=0.1))


def test_a_missing_parameter_is_named_at_configure(graph: Graph, tiny_checkpoint: Path) -> None:
    parameters = policy_parameters(tiny_checkpoint)
    del parameters["robot.joint_names"]
    graph.start(PolicyNode, parameters)
    assert not graph.transition("policy", "configure")
    graph.wait_for_log("policy", "parameter 'robot.joint_names' of /policy is not set", "give it in the parameter file")


@pytest.mark.parametrize("name", ["policy_node", "policy_node_reactive"])
def test_the_node_and_a_reader_without_ros_take_the_same_from_a_parameter_file(graph: Graph, name: str) -> None:
    path = Path(__file__).parent.parent / "config" / f"{name}.yaml"
    node = graph.start(PolicyNode, {}, parameter_file=path).node
    assert parameters_of(node) == load_parameter_file(path)
