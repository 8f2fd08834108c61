"""The verdict on bags: it passes a sound evaluation, and names the cause of each fault that was put in on purpose."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import pytest
from synthetic_bags import CONFIG, GOOD, JOINTS, LEARNING, PERIOD, Invented, examinations, found, records, with_joints, with_stream

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.findings import findings
from ttt_ros.evaluation.bags.records import ArmRecord
from ttt_ros.evaluation.bags.thresholds import Thresholds
from ttt_ros.evaluation.bags.verdict import FAILED, PASSED, Verdict, judged

SHIPPED = Path(__file__).parent.parent / "config" / "evaluation.yaml"
LIMITS = Thresholds()


def verdict(
    arms: Mapping[str, Invented] = GOOD, bags: Sequence[Examination] | None = None, limits: Thresholds = LIMITS, **options: object
) -> Verdict:
    figures = sound() if arms is GOOD and not options else found(arms, **options)
    return judged(figures, examinations() if bags is None else bags, limits)


@lru_cache
def sound() -> Findings:
    return found()


def with_adapting(**changes: object) -> dict[str, Invented]:
    return {**GOOD, "adapting": replace(GOOD["adapting"], **changes)}


def causes(of: Verdict) -> dict[str, str]:
    return {line.name: line.cause for line in of.failed}


def test_a_sound_evaluation_passes_without_any_alarm() -> None:
    passed = verdict()
    assert causes(passed) == {}
    assert passed.exit_code == PASSED
    assert all(line.cause == "" for line in passed.lines)


def test_without_commands_the_lines_about_actions_are_not_judged_and_the_rest_is() -> None:
    passed = verdict(commanded=False)
    assert passed.passed
    open_lines = {line.name for line in passed.lines if line.passed is None}
    assert {"the frozen policy beats holding still", "adapting does not raise the action error"} <= open_lines


INPUT_FAULTS: dict[str, tuple[Callable[[], list[Examination]], str, str]] = {
    "gain": (
        lambda: with_joints(shoulder_lift={"gain": 1.2}),
        "joints move as far as commanded",
        "shoulder_lift moves 1.20 times as far as",
    ),
    "small gain": (lambda: with_joints(elbow_flex={"gain": 0.8}), "joints move as far as commanded", "elbow_flex moves 0.80 times"),
    "exchanged": (
        lambda: with_joints(shoulder_pan={"follows": "elbow_flex"}, elbow_flex={"follows": "shoulder_pan"}),
        "joints follow their own commands",
        "elbow_flex and shoulder_pan are exchanged",
    ),
    "another's": (
        lambda: with_joints(elbow_flex={"follows": "shoulder_pan"}),
        "joints follow their own commands",
        "elbow_flex follows the commands of shoulder_pan",
    ),
    "frozen camera": (lambda: with_stream("camera wrist", frozen=12.0), "cameras see the arm move", "camera wrist (/wrist) gave the same"),
    "shifted": (lambda: with_stream("joint_states", lag=0.112), "stamps of the streams agree", "joint_states (/joint_states) and commands"),
    "shifted ahead": (lambda: with_stream("camera wrist", lag=-0.07), "stamps of the streams agree", "82 ms apart"),
    "gap": (lambda: with_stream("joint_states", longest_gap=4.2), "cameras and joint states are steady", "was silent for 4.2 s"),
    "slow": (lambda: with_stream("camera wrist", rate=2.0), "cameras and joint states are steady", "came at 2.0 Hz"),
    "one message": (lambda: with_stream("camera wrist", rate=None, messages=1), "cameras and joint states are steady", "came once"),
    "repeated": (lambda: with_stream("camera wrist", repeated=900), "stamps go forward", "repeats the stamp before in 900 of 3600"),
    "backwards": (lambda: with_stream("commands", backwards=2), "stamps go forward", "has 2 stamps that jump back"),
    "unreadable": (lambda: with_stream("camera wrist", unreadable=3, problem="size"), "the bags are whole", "has 3 of 3600 messages"),
    "empty": (lambda: with_stream("camera wrist", messages=0, rate=None), "every topic has messages", "camera wrist (/wrist) holds no"),
    "damage": (lambda: [replace(each, damage="chunk 7 is corrupt") for each in examinations()], "the bags are whole", "chunk 7 is corrupt"),
}


@pytest.mark.parametrize("fault", INPUT_FAULTS)
def test_a_fault_of_the_input_fails_its_line_alone_and_is_named(fault: str) -> None:
    bags, line, words = INPUT_FAULTS[fault]
    failed = verdict(bags=bags())
    assert list(causes(failed)) == [line]
    assert words in causes(failed)[line]
    assert "bag tuesday" in causes(failed)[line]
    assert failed.exit_code == FAILED


def test_a_joint_whose_motion_its_commands_do_not_explain_is_not_blamed_for_its_gain() -> None:
    assert verdict(bags=with_joints(elbow_flex={"gain": 0.3, "explained": 0.1})).passed


def test_a_bag_or_arm_that_could_not_be_evaluated_fails_the_verdict() -> None:
    failed = judged(found(), examinations(), LIMITS, failures=["bag broken: it has no metadata.yaml"])
    assert causes(failed) == {"every bag was evaluated": "bag broken: it has no metadata.yaml"}
    assert "bag tuesday: no arm gave a record" in causes(judged(found(bags=("monday",)), examinations(), LIMITS))["every bag was evaluated"]


def test_a_policy_that_is_worse_than_holding_still_is_called_random_or_wrong() -> None:
    random = {name: replace(arm, action=6 * arm.action) for name, arm in GOOD.items()}
    failed = causes(verdict(random))
    assert list(failed) == ["the frozen policy beats holding still"]
    assert "no better than holding still: its weights are random" in failed["the frozen policy beats holding still"]


def test_adapting_that_hurts_is_named_with_its_steps() -> None:
    failed = causes(verdict(with_adapting(loss=1.5, action=1.3, noise=0.0, drift=30.0, drift_limit=5.0)))
    assert "adapting raises the prediction loss by +50.0 %" in failed["adapting does not raise the prediction loss"]
    assert "the learning rate is too high" in failed["adapting does not raise the prediction loss"]
    assert "adapting raises the action error by +30.0 %" in failed["adapting does not raise the action error"]
    assert "the drift stays at 5" in failed["the drift is not held at its limit"]
    assert failed["adapting lowers the prediction loss"].startswith("no gain")


def test_harm_within_the_noise_floor_is_none() -> None:
    noisy = {**with_adapting(action=1.03), "frozen_again": Invented(action=1.05)}
    assert causes(verdict(noisy)) == {}
    assert "adapting does not raise the action error" in causes(verdict(with_adapting(action=1.03)))


def test_updates_that_are_mostly_refused_fail_with_the_reason() -> None:
    failed = causes(verdict(with_adapting(committed=0.1)))
    assert list(failed) == ["updates come into force"]
    assert "window loss is above the gate's limit" in failed["updates come into force"]


NO_GAIN: dict[str, tuple[dict[str, object], str]] = {
    "nothing committed": ({"loss": 1.0, "action": 1.0, "noise": 0.0, "committed": 0.0}, "none of 240 windows was committed"),
    "zero rate": ({"loss": 1.0, "action": 1.0, "noise": 0.0, "update": 0.0, "drift": 0.0}, "the learning rate is 0"),
    "within the noise": ({"loss": 1.0001, "action": 1.0, "noise": 0.0}, "within the noise floor"),
    "too uncertain": ({"loss": 0.998, "noise": 0.2}, "certainty"),
}


@pytest.mark.parametrize("case", NO_GAIN)
def test_adapting_that_changes_nothing_reads_as_no_gain_and_fails(case: str) -> None:
    changes, words = NO_GAIN[case]
    failed = verdict(with_adapting(**changes))
    cause = causes(failed)["adapting lowers the prediction loss"]
    assert cause.startswith("no gain: ")
    assert words in cause
    assert failed.exit_code == FAILED
    assert "adapting lowers the prediction loss" in failed.sentence


def test_a_gain_of_the_actions_can_be_asked_for() -> None:
    limits = replace(LIMITS, min_action_decrease=0.1)
    assert causes(verdict(limits=limits))["adapting lowers the action error"].startswith(
        "no gain: the action error falls by less than 10 %"
    )
    assert verdict(with_adapting(action=0.8), limits=limits).passed


def test_updates_of_the_wrong_sign_that_do_as_well_fail() -> None:
    failed = causes(verdict({**GOOD, "flipped": replace(LEARNING, loss=0.7)}))
    assert list(failed) == ["updates of the wrong sign do worse"]


def test_too_little_is_no_verdict_on_the_policy_and_still_fails() -> None:
    failed = causes(verdict(seconds=8))
    assert "too short" in failed["there is enough to judge"]


def test_blocks_in_which_one_arm_alone_learned_do_not_count() -> None:
    def begun(arm: ArmRecord) -> ArmRecord:
        return replace(arm, windows=tuple(row for row in arm.windows if row.stamp < arm.windows[0].stamp + 12e9))

    broken_off = {bag: [begun(arm) if arm.header.arm.name == "adapting" else arm for arm in arms] for bag, arms in records().items()}
    limits = replace(LIMITS, min_windows=1)
    assert "there is enough to judge" not in causes(verdict(limits=limits))
    figures = findings(examinations(), broken_off, config=CONFIG, joints=JOINTS, period=PERIOD)
    assert figures.whole.blocks >= limits.min_blocks
    assert "there is enough to judge" in causes(judged(figures, examinations(), limits))


def test_a_policy_whose_chunks_are_all_refused_is_told_why() -> None:
    refused = {"unsafe": 40}
    invented = {
        bag: [replace(arm, chunks=(), windows=(), end=replace(arm.end, refused=refused, held=arm.end.ticks)) for arm in arms]
        for bag, arms in records().items()
    }
    failed = causes(judged(findings(examinations(), invented, config=CONFIG, joints=JOINTS, period=PERIOD), examinations(), LIMITS))
    assert "unsafe (80 times)" in failed["there is enough to judge"]
    assert "unsafe (80 times)" in failed["frozen: the policy is played"]


def test_without_any_record_nothing_passes() -> None:
    empty = judged(found(bags=()), [], LIMITS)
    assert empty.exit_code == FAILED
    assert "every bag was evaluated" in causes(empty)


def test_the_shipped_file_holds_the_defaults_and_explains_every_limit() -> None:
    assert configuration.load_yaml(SHIPPED, Thresholds) == LIMITS
    lines = {line.split(":")[0]: line for line in SHIPPED.read_text().splitlines() if line and not line.startswith("#")}
    assert list(lines) == [field.name for field in fields(Thresholds)]
    assert all(len(line.split("#")[1]) > 20 for line in lines.values())


@pytest.mark.parametrize("value", [-0.1, math.nan, "much"])
def test_a_limit_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="max_gap"):
        configuration.validated(Thresholds, {"max_gap": value}, source="evaluation.yaml")
