"""``ttt-ros verify`` on the journals of a bag evaluation with the shipped policy, and its exit codes."""

import json
from pathlib import Path

import pytest
from deployment_bags import PARAMETERS, STREAMS, record_deployment
from typer.testing import CliRunner
from verified_journals import rewritten, sealed, stamp_of

from ttt_ros.adaptation.journal import read_journal
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.cli import COULD_NOT_RUN, FAILED, app
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import JournalError
from ttt_ros.evaluation.bags.configuration import ADAPTING, BagArm, BagEvaluationConfig, Control
from ttt_ros.evaluation.bags.player import play
from ttt_ros.evaluation.journal_verification import Outcome, verify
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

CONFIG = BagEvaluationConfig(parameters=PARAMETERS, streams=StreamMapping(**STREAMS))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(SHIPPED_POLICY)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_deployment(tmp_path_factory.mktemp("bags") / "run", goals=4, seed=1_600_000)


def evaluated(bag: Path, policy: Policy, arm: BagArm, journal: Path) -> Path:
    with BagReader(bag) as reader:
        play(reader, policy, arm, session=load_parameter_file(PARAMETERS).session, config=CONFIG, on_row=lambda row: None, journal=journal)
    return journal


@pytest.fixture(scope="module")
def journal(bag: Path, policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(bag, policy, ADAPTING, tmp_path_factory.mktemp("journals") / "adapting")


SHUFFLED = {"control": Control.SHUFFLED, "changes": {"following_limit": 0.0}}  # no joint ends where another command leads


@pytest.mark.parametrize("arm", [{}, {"reset_every": 0.1}, SHUFFLED, {"changes": {"learning_rate": 1.0}}])
def test_the_arms_of_an_evaluation_with_the_shipped_policy_are_computed_again(bag: Path, policy: Policy, tmp_path: Path, arm) -> None:
    path = evaluated(bag, policy, BagArm(name="arm", label="arm", adapts=True, **arm), tmp_path / "journal")
    result = verify(path, bag, policy, CONFIG.streams)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
    assert result.verified == result.windows >= 3
    assert result.commits >= 2  # what commands and outcomes that do not belong together teach is implausible


def test_steps_that_went_the_wrong_way_are_found_out(bag: Path, policy: Policy, tmp_path: Path) -> None:
    path = evaluated(bag, policy, BagArm(name="arm", label="arm", adapts=True, control=Control.FLIPPED), tmp_path / "journal")
    result = verify(path, bag, policy, CONFIG.streams)
    assert (result.outcome, result.verified) == (Outcome.DIFFERENT, 0)
    assert "checksum" in result.difference


def test_the_command_says_in_words_that_all_is_the_same(bag: Path, journal: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(journal), "--bag", str(bag)])
    assert result.exit_code == 0
    assert "identical: " in result.output
    assert "decisions, figures and checksums are the same" in result.output


def test_the_command_takes_topics_and_policy_from_a_configuration(bag: Path, journal: Path, tmp_path: Path) -> None:
    config = tmp_path / "bag.yaml"
    config.write_text(json.dumps({"parameters": str(PARAMETERS), "streams": STREAMS}))
    assert CliRunner().invoke(app, ["verify", str(journal), "--bag", str(bag), "--config", str(config)]).exit_code == 0


def test_the_command_fails_where_the_journal_is_not_true(bag: Path, journal: Path, tmp_path: Path) -> None:
    def change(record):
        if record["kind"] == "start":
            record["configuration"]["pull_back"] = 0.02

    changed = sealed(journal, tmp_path / "journal", change)
    result = CliRunner().invoke(app, ["verify", str(changed), "--bag", str(bag)])
    assert result.exit_code == FAILED
    assert "window 1 differs in" in result.output


def test_the_command_could_not_verify_without_a_frame_or_another_policy(bag: Path, journal: Path, tmp_path: Path) -> None:
    lost = read_journal(journal).records[-1]["new"][-1]["after"]["sources"]["overhead"][0]

    def change(message, fields):
        return None if message.topic == STREAMS["cameras"]["overhead"] and stamp_of(fields) == lost else message

    incomplete = rewritten(bag, tmp_path / "bag", change)
    result = CliRunner().invoke(app, ["verify", str(journal), "--bag", str(incomplete)])
    assert result.exit_code == COULD_NOT_RUN
    assert f"stamped {lost} ns" in result.output
    other = CliRunner().invoke(app, ["verify", str(journal), "--bag", str(bag), "--policy", "desk_arm_reactive"])
    assert isinstance(other.exception, JournalError)  # which ``main`` turns into a line and COULD_NOT_RUN
