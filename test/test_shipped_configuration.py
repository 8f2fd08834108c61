"""The files in config/ say what the code does."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import load_yaml
from ttt_ros.control.session import SessionConfig
from ttt_ros.policies.checkpoint import check_specification, read_header
from ttt_ros.policies.shipped import SHIPPED_POLICY
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.simulation.arm import JOINT_LIMITS
from ttt_ros.simulation.shifts import Shifts

CONFIG = Path(__file__).parent.parent / "config"


def _parameters(name: str) -> dict:
    return yaml.safe_load((CONFIG / name).read_text())["/**"]["ros__parameters"]


@pytest.fixture(scope="module")
def policy_node() -> dict:
    return _parameters("policy_node.yaml")


def test_the_adaptation_parameters_are_complete_and_the_defaults(policy_node: dict) -> None:
    of_the_node = ("enabled", "journal_directory", "initial_weights", "save_path")
    written = {name: value for name, value in policy_node["adaptation"].items() if name not in of_the_node}
    assert written == {**dataclasses.asdict(AdaptationConfig()), "objectives": dict(AdaptationConfig().objectives)}


def test_the_control_parameters_are_the_defaults(policy_node: dict) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(SessionConfig)}
    assert {name: value for name, value in policy_node["control"].items() if name != "rate"}.items() <= defaults.items()


def test_the_shipped_policy_fits_the_robot_of_the_parameter_file(policy_node: dict) -> None:
    check_specification(
        read_header(SHIPPED_POLICY).specification,
        joint_names=policy_node["robot"]["joint_names"],
        cameras=policy_node["cameras"],
        control_rate=policy_node["control"]["rate"],
    )


def test_the_limits_of_the_parameter_file_are_those_of_the_simulated_arm(policy_node: dict) -> None:
    robot = policy_node["robot"]
    rows = zip(robot["joint_names"], robot["lower"], robot["upper"], robot["max_velocity"], strict=True)
    limits = {name: (lower, upper, velocity) for name, lower, upper, velocity in rows}
    assert limits == {name: (limit.lower, limit.upper, limit.velocity) for name, limit in JOINT_LIMITS.items()}


def test_the_simulation_parameters_begin_without_a_shift() -> None:
    written = {
        name: tuple(value) if isinstance(value, list) else value for name, value in _parameters("simulation_node.yaml")["shift"].items()
    }
    assert written == dataclasses.asdict(Shifts())


def test_the_gates_of_the_policy_node_act_before_the_rules_of_the_safeguard() -> None:
    rules = load_yaml(CONFIG / "safeguard.yaml", SafeguardConfig).rules
    adaptation = AdaptationConfig()
    gates = {"gradient_norm": adaptation.gradient_limit, "drift_total": adaptation.drift_limit, "action_deviation": adaptation.probe_limit}
    for rule in rules:
        if rule.signal in gates:
            assert gates[rule.signal] <= rule.limit, rule.signal
