"""What the gates judge on clean robots."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from deployment_policies import memory_policy
from deployment_stand_ins import ObedientRobot, PointingPolicy
from typer.testing import CliRunner

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.cli import app
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.control.shipped_configuration import shipped_configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments import gate_figures
from ttt_ros.evaluation.deployments.arms import Arm, Role
from ttt_ros.evaluation.deployments.gate_figures import measure_gates, summarised
from ttt_ros.evaluation.deployments.runner import Runner
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

ADAPTATION = load_parameter_file(shipped_configuration("policy_node.yaml")).session.adaptation


def test_figures_tell_what_is_exceeded_how_often_and_what_a_limit_refuses():
    found = summarised([float(each) for each in range(1001)], name="innovation", setting="innovation_prior", limit=750.0)
    assert (found.median, found.one_in_100, found.one_in_1000, found.largest) == (500.0, 990.0, 999.0, 1000.0)
    assert found.refused == pytest.approx(250 / 1001)
    assert summarised([1.0, 2.0], name="a", setting="a", limit=0.0).refused == 0.0


def test_every_informative_transition_is_measured_with_its_following_error():
    adaptation = AdaptationConfig(objectives={"features": 1.0}, window=2, minimum_samples=1, learning_rate=0.05)
    arm = Arm(name="open", label="open", role=Role.VARIANT, checkpoint=Path("none"), adaptation=adaptation)
    policy = PointingPolicy()
    watched = gate_figures._Watched(policy, arm, seed=0)
    runner = Runner(policy, arm, ObedientRobot(offset=0.9), seed=0, adaptation=watched)
    outcomes = [runner.goal(index) for index in range(5)]
    assert len(watched.innovations) == len(watched.following) == 5
    assert watched.following == pytest.approx([0.9] * 5, abs=1e-5)
    assert len(watched.gradients) == sum(outcome.loss is not None for outcome in outcomes) > 0


def test_the_shipped_limits_let_clean_robots_pass_and_the_figures_are_written(tmp_path):
    found = measure_gates(SHIPPED_POLICY, ADAPTATION, condition="training/all", seeds=(4_000_000, 4_000_001), goals=8, out=tmp_path)
    assert [each.setting for each in found] == ["innovation_prior", "following_limit", "gradient_limit"]
    assert {each.refused for each in found} == {0.0}
    assert all(0.0 < each.median <= each.one_in_100 <= each.largest < each.limit for each in found)
    written = json.loads((tmp_path / "gates.json").read_text())
    assert [each["count"] for each in written["gates"]] == [each.count for each in found]
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_measured_does_not_depend_on_the_limits(tmp_path):
    found = [
        measure_gates(SHIPPED_POLICY, adaptation, condition="training/all", seeds=(4_000_000,), goals=4, out=tmp_path)
        for adaptation in (ADAPTATION, replace(ADAPTATION, following_limit=1e-6, innovation_prior=1e-8))
    ]
    assert [each.largest for each in found[0]] == [each.largest for each in found[1]]
    assert [each.refused for each in found[1]] == [1.0, 1.0, 0.0]


def test_the_command_takes_the_limits_from_the_parameter_file_that_it_is_given(tmp_path):
    shipped = shipped_configuration("policy_node.yaml").read_text()
    own = tmp_path / "own.yaml"
    own.write_text(shipped.replace("following_limit: 0.4", "following_limit: 0.123"))
    arguments = ["measure-gates", "--parameters", str(own), "--deployments", "1", "--goals", "2", "--out", str(tmp_path / "gates")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    limits = {each["setting"]: each["limit"] for each in json.loads((tmp_path / "gates" / "gates.json").read_text())["gates"]}
    assert limits["following_limit"] == 0.123


def test_a_policy_that_learns_from_nothing_is_refused(tmp_path):
    save_policy(memory_policy(fast=True), tmp_path / "blind.safetensors", training={})
    with pytest.raises(ConfigurationError, match="in 1 deployments of 1 goals nothing was learned from"):
        measure_gates(tmp_path / "blind.safetensors", ADAPTATION, condition="training/all", seeds=(0,), goals=1, out=tmp_path)


def test_a_condition_that_does_not_exist_is_refused_with_the_list(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no condition 'mars'; known are nominal, "):
        measure_gates(SHIPPED_POLICY, ADAPTATION, condition="mars", seeds=(0,), goals=1, out=tmp_path)
