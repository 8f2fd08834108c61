"""The parameter file of the policy node, read without ROS."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ttt_ros.control.node_parameters import CameraParameters, declarations
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.shipped import REACTIVE_POLICY, SHIPPED_POLICY

CONFIG = Path(__file__).parent.parent / "config"

ROBOT = {"joint_names": ["lift"], "lower": [-1.0], "upper": [1.0], "max_velocity": [2.0], "max_step": [0.5]}


def written(path: Path, values: dict[str, Any], *, node: str = "/**") -> Path:
    path.write_text(yaml.safe_dump({node: {"ros__parameters": {"robot": ROBOT} | values}}))
    return path


def test_the_shipped_files_say_what_the_policy_and_its_robot_are() -> None:
    arm = load_parameter_file(CONFIG / "policy_node.yaml")
    assert (arm.policy_path, arm.policy_factory, arm.policy_device, arm.rate) == (SHIPPED_POLICY, "", "cpu", 30.0)
    assert arm.cameras == {"overhead": CameraParameters(topic="camera/overhead/image_raw", compressed=False, rate=30.0)}
    assert arm.session.open_loop
    assert arm.session.adaptation.objectives == {"action": 1.0}
    assert arm.session.limits.joint_limits["gripper"].upper == 1.5
    assert load_parameter_file(CONFIG / "policy_node_reactive.yaml").policy_path == REACTIVE_POLICY


def test_what_a_file_does_not_say_is_the_default(tmp_path: Path) -> None:
    parameters = load_parameter_file(written(tmp_path / "p.yaml", {"cameras": ["front"]}))
    assert parameters.cameras["front"].topic == "camera/front/image_raw"
    assert parameters.commands_topic == "joint_trajectory"
    assert parameters.session.adaptation.objectives == {"features": 1.0, "proprioception": 1.0}
    assert not parameters.session.shadow


def test_what_is_written_for_the_node_wins_over_what_is_written_for_every_node(tmp_path: Path) -> None:
    sections = {
        "/arm/policy": {"ros__parameters": {"control": {"shadow": True}}},
        "/**": {"ros__parameters": {"robot": ROBOT, "control.shadow": False, "control.request_at": 3}},
        "safeguard": {"ros__parameters": {"rules": "other.yaml"}},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(sections))
    session = load_parameter_file(tmp_path / "p.yaml").session
    assert (session.shadow, session.request_at) == (True, 3)


@pytest.mark.parametrize(("text", "value"), [("1e-2", 0.01), ("1.e-2", 0.01), ("2E+0", 2.0), ("1.5e0", 1.5)])
def test_numbers_are_those_that_ros_reads(tmp_path: Path, text: str, value: float) -> None:
    path = written(tmp_path / "p.yaml", {"adaptation": {"learning_rate": 7.0}})
    path.write_text(path.read_text().replace("7.0", text))
    assert load_parameter_file(path).session.adaptation.learning_rate == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"adaptation": {"learning_rat": 0.1}}, r"unknown parameter adaptation\.learning_rat; .*known: .*adaptation\.learning_rate"),
        ({"camera": {"wrist": {"topik": "x"}}}, r"unknown parameter camera\.wrist\.topik"),
        ({"control": {"rate": 30}}, r"'control\.rate' is 30, which is no double; a double is written with a point"),
        ({"control": {"request_at": 3.0}}, r"'control\.request_at' is 3\.0, which is no integer"),
        ({"control": {"shadow": "on"}}, r"'control\.shadow' is 'on', which is no bool"),
        ({"control": {"tolerance": 2.0}}, r"'control\.tolerance' is 2\.0, outside 0\.001 to 1"),
        ({"control": {"tolerance": float("nan")}}, r"'control\.tolerance' is nan, outside"),
        ({"robot": ROBOT | {"lower": [-1]}}, r"'robot\.lower' is \[-1\], which is no double_array"),
        ({"robot": ROBOT | {"lower": [-1.0, 0.0]}}, r"robot\.lower has 2 values for 1 joints"),
        ({"robot": ROBOT | {"lower": [2.0]}}, r"lower 2 rad must be below upper"),
        ({"robot": {"lower": [1.0]}}, r"parameter 'robot\.joint_names' is not set"),
        ({"cameras": "front"}, r"parameter 'cameras' is 'front'; give a list of names"),
        ({"adaptation": {"gate_warmup": 65}}, r"gate_warmup is 65, above gate_history, 64"),
    ],
)
def test_a_value_that_the_node_would_refuse_is_refused_with_the_reason(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_parameter_file(written(tmp_path / "p.yaml", values))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no parameters for a node 'policy'"),
        ("safeguard: {ros__parameters: {rules: x}}", "has no parameters for a node 'policy'"),
        ("/**: {robot: {lower: [1.0]}}", "followed by no 'ros__parameters:'"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_parameter_file(tmp_path / "p.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere\.yaml"):
        load_parameter_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("policy.path: ~nobody-of-that-name/p", "the path '~nobody-of-that-name/p' leads nowhere"),
        ("policy.path: " + "x" * 5000, "parameter 'policy.path' has 5000 characters, the limit is 4096; shorten it"),
        (f"robot.joint_names: [{'j, ' * 2000}]", "parameter 'robot.joint_names' has 2000 values, the limit is 1000; shorten it"),
        (f"robot.joint_names: [a, {'x' * 5000}]", "parameter 'robot.joint_names' has 5000 characters, the limit is 4096; shorten it"),
    ],
)
def test_a_path_to_nowhere_and_strings_and_arrays_longer_than_a_node_needs_are_refused(tmp_path: Path, given: str, reason: str) -> None:
    path = tmp_path / "parameters.yaml"
    shipped = yaml.safe_load((CONFIG / "policy_node.yaml").read_text(encoding="utf-8"))
    (section,) = shipped.values()
    section["ros__parameters"] |= yaml.safe_load(given)
    section["ros__parameters"].pop("robot", None) if given.startswith("robot") else None
    path.write_text(yaml.safe_dump(shipped), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_parameter_file(path)
    assert reason in str(refused.value)


def test_a_parameter_file_of_aliases_that_mean_billions_of_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    levels = (f"a{level}: &a{level} {{{', '.join(f'k{n}: *a{level - 1}' for n in range(10))}}}\n" for level in range(1, 12))
    path.write_text("a0: &a0 {x: 1}\n" + "".join(levels), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="holds more than 100000 values, aliases written out"):
        load_parameter_file(path)


def test_no_string_and_so_no_path_can_be_changed_by_a_message_while_the_node_runs() -> None:
    assert not [each.name for each in declarations({}) if each.live and each.kind.startswith("string")]
