"""The files in config/ say what the code does and fit the policies that they are for."""

import dataclasses
from importlib import resources
from pathlib import Path

import pytest
import yaml

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import load_yaml, validated
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.control.session import SessionConfig
from ttt_ros.evaluation.bags.configuration import BagEvaluationConfig
from ttt_ros.policies.checkpoint import check_specification, load_policy, read_header
from ttt_ros.policies.shipped import REACTIVE_POLICY, SHIPPED, SHIPPED_POLICY
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.simulation.arm import JOINT_LIMITS
from ttt_ros.simulation.shifts import Shifts

CONFIG = Path(__file__).parent.parent / "config"
OF_THE_NODE = ("enabled", "journal_directory", "recovery_directory", "initial_weights", "save_path")

each_policy = pytest.mark.parametrize(("suffix", "checkpoint"), [("", SHIPPED_POLICY), ("_reactive", REACTIVE_POLICY)])
each_suffix = pytest.mark.parametrize("suffix", ["", "_reactive"])


def parameters(name: str) -> dict:
    return yaml.safe_load((CONFIG / f"{name}.yaml").read_text())["/**"]["ros__parameters"]


def adaptation(suffix: str) -> AdaptationConfig:
    written = {name: value for name, value in parameters(f"policy_node{suffix}")["adaptation"].items() if name not in OF_THE_NODE}
    assert written.keys() == {field.name for field in dataclasses.fields(AdaptationConfig)}  # nothing is left to a default
    return validated(AdaptationConfig, written, source="the parameter file")


@each_suffix
def test_the_adaptation_parameters_are_complete_and_valid(suffix: str) -> None:
    assert adaptation(suffix).learning_rate > 0


def test_the_shipped_policy_adapts_on_the_robot_as_it_did_in_training() -> None:
    trained = yaml.safe_load(resources.files("ttt_ros.training.meta").joinpath("conf/desk_arm.yaml").read_text())["meta"]["adaptation"]
    on_the_robot = dataclasses.asdict(adaptation(""))
    assert {name: on_the_robot[name] for name in trained} == trained


def test_the_adaptation_parameters_of_the_reactive_policy_are_the_defaults() -> None:
    assert adaptation("_reactive") == AdaptationConfig()


def test_the_control_parameters_of_the_reactive_policy_are_the_defaults() -> None:
    session = load_parameter_file(CONFIG / "policy_node_reactive.yaml").session
    assert session == SessionConfig(limits=session.limits, adaptation=AdaptationConfig())
    written = parameters("policy_node_reactive")["control"]
    assert written.keys() == parameters("policy_node")["control"].keys()


@each_policy
def test_a_shipped_policy_fits_the_robot_of_its_parameter_file(suffix: str, checkpoint: Path) -> None:
    written = parameters(f"policy_node{suffix}")
    assert SHIPPED.get(written["policy"]["path"] or "desk_arm") == checkpoint
    check_specification(
        read_header(checkpoint).specification,
        joint_names=written["robot"]["joint_names"],
        cameras=written["cameras"],
        control_rate=written["control"]["rate"],
    )


@each_policy
def test_a_shipped_policy_can_adapt_and_has_a_model_card(suffix: str, checkpoint: Path) -> None:
    policy = load_policy(checkpoint)
    assert policy.fast_modules()
    assert policy.checksum in checkpoint.with_suffix(".md").read_text()


@each_suffix
def test_the_same_cameras_are_simulated_watched_and_looked_through(suffix: str) -> None:
    cameras = parameters(f"policy_node{suffix}")["cameras"]
    assert parameters(f"simulation_node{suffix}")["cameras"] == cameras
    assert parameters(f"safeguard_node{suffix}")["cameras"] == cameras


@each_suffix
def test_the_limits_of_the_parameter_file_are_those_of_the_simulated_arm(suffix: str) -> None:
    robot = parameters(f"policy_node{suffix}")["robot"]
    rows = zip(robot["joint_names"], robot["lower"], robot["upper"], robot["max_velocity"], strict=True)
    limits = {name: (lower, upper, velocity) for name, lower, upper, velocity in rows}
    assert limits == {name: (limit.lower, limit.upper, limit.velocity) for name, limit in JOINT_LIMITS.items()}


@each_suffix
def test_the_simulation_parameters_begin_without_a_shift(suffix: str) -> None:
    shifts = parameters(f"simulation_node{suffix}")["shift"]
    written = {name: tuple(value) if isinstance(value, list) else value for name, value in shifts.items()}
    assert written == dataclasses.asdict(Shifts())


@each_suffix
def test_the_gates_of_the_policy_node_act_before_the_rules_of_the_safeguard(suffix: str) -> None:
    rules = load_yaml(CONFIG / parameters(f"safeguard_node{suffix}")["rules"], SafeguardConfig).rules
    config = adaptation(suffix)
    gates = {"drift_total": config.drift_limit, "action_deviation": config.probe_limit}
    if not suffix:  # the reactive policy has the default gate, and a rule that follows clean runs and is tighter
        gates["gradient_norm"] = config.gradient_limit
    for rule in rules:
        if rule.signal in gates:
            assert gates[rule.signal] <= rule.limit, rule.signal


@pytest.mark.parametrize("name", ["bag.yaml", "g1_bag.yaml"])
def test_the_evaluations_on_bags_fit_their_parameter_files(name):
    config = load_yaml(CONFIG / name, BagEvaluationConfig)
    parameters = load_parameter_file(CONFIG / config.parameters)
    assert set(config.streams.cameras) == set(parameters.cameras)
    for arm in config.arms:
        arm.adaptation(parameters.session.adaptation)
