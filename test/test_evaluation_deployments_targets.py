"""From records to verdicts, on invented records whose truth is known."""

from dataclasses import replace

import pytest
import synthetic_deployments as synthetic

from ttt_ros.evaluation.deployments.analysis import analysed
from ttt_ros.evaluation.deployments.arms import Role
from ttt_ros.evaluation.deployments.collected import Collected
from ttt_ros.evaluation.deployments.findings import Findings, Verdict

CONDITIONS = ("nominal", "training/all", "training/encoder", "wider/all", "unseen/backlash", "unseen/fog")
ARMS = synthetic.arms()
LONG_GOALS = 320


def records(arms=ARMS, *, seeds: int = 6, conditions=CONDITIONS, long_goals: int = LONG_GOALS):
    short = [
        synthetic.record(arm, condition=condition, seed=seed, goals=20) for arm in arms for condition in conditions for seed in range(seeds)
    ]
    long = [
        synthetic.record(arm, condition="training/all", seed=seed, goals=long_goals, long=True) for arm in arms for seed in range(seeds)
    ]
    return short + (long if long_goals else [])


def found(records, arms=ARMS) -> Findings:
    return analysed(Collected(records, arms), synthetic.facts(arms), failures=())


@pytest.fixture(scope="module")
def findings() -> Findings:
    return found(records())


def verdict(findings: Findings, words: str) -> Verdict:
    (match,) = [each for each in findings.verdicts if words in each.target]
    return match


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("something to win", True),
        ("Nowhere below 'sliding window'", True),
        ("(time, runs of training length)", True),  # full attention was invented better and cheaper there, but not beyond its interval
        ("(time at their end, long runs)", True),
        ("above the best periodic reset", True),
        ("within 2 % of that at step 100", True),
        ("cost per step of 'full attention' grows", True),
        ("'shuffled commands' loses", True),
        ("'flipped sign' loses", True),
        ("drift bounded", True),
        ("never below 0", True),
    ],
)
def test_a_verdict_says_what_was_invented(findings, words, holds):
    assert verdict(findings, words).holds is holds


def test_every_verdict_tells_its_figure(findings):
    assert len(findings.verdicts) == 26
    assert all(any(character.isdigit() for character in each.figure) or "better and cheaper" in each.figure for each in findings.verdicts)


def test_a_baseline_that_is_cheaper_and_better_beyond_its_interval_is_named():
    poor = [replace(arm, role=Role.VARIANT) if arm.role is Role.ADAPTING else arm for arm in ARMS]
    poor = [replace(arm, role=Role.ADAPTING) if arm.name == "naive" else arm for arm in poor]
    dominated = verdict(found(records(poor, long_goals=0), poor), "(time, runs of training length)")
    assert dominated.holds is False
    assert "better and cheaper: " in dominated.figure
    assert "better and cheaper: none" not in dominated.figure


def test_a_gap_that_is_not_closed_does_not_hold():
    poor = [replace(arm, role=Role.VARIANT) if arm.role is Role.ADAPTING else arm for arm in ARMS]
    poor = [replace(arm, role=Role.ADAPTING) if arm.name == "naive" else arm for arm in poor]
    findings = found(records(poor, long_goals=0), poor)
    closed = verdict(findings, "Gap closed at least 0.70 in the ranges of training, all")
    assert closed.holds is False
    assert verdict(findings, "Above 'LSTM', intervals apart, all properties").holds is False
    assert verdict(findings, "Nowhere below 'LSTM'").holds is False


def test_where_full_attention_is_not_above_the_window_a_tie_with_a_memory_is_enough():
    played = {"full": Role.VARIANT, "frozen": Role.FULL_ATTENTION, "adapting": Role.VARIANT, "naive": Role.ADAPTING}
    arms = [replace(arm, role=played.get(arm.name, arm.role)) for arm in ARMS]
    findings = found(records(arms, long_goals=0), arms)
    above = verdict(findings, "Above 'LSTM', intervals apart, all properties")
    assert above.holds is None
    assert above.figure.startswith("nowhere is it so; not so under")
    assert verdict(findings, "Nowhere below 'LSTM'").holds is False


def test_an_arm_is_to_be_above_under_each_condition_in_which_full_attention_is_above_the_window():
    short = {
        (each.header.arm, each.header.condition, each.header.seed): each
        for each in records(conditions=("training/all", "wider/all"), seeds=40, long_goals=0)
    }
    for (arm, condition, seed), record in short.items():
        if (arm, condition) == ("full", "training/all"):
            short[arm, condition, seed] = replace(short["window", condition, seed], header=record.header)
    above = verdict(found(short.values()), "Above 'LSTM', intervals apart, all properties")
    assert above.holds is True
    assert above.figure.startswith("all properties, wider: +")
    assert "not so under 'all properties'" in above.figure


def test_without_full_attention_an_arm_is_to_be_above_everywhere():
    arms = [arm for arm in ARMS if arm.name != "full"]
    findings = found(records(arms, conditions=("training/all", "wider/all"), long_goals=0), arms)
    above = verdict(findings, "Above 'LSTM', intervals apart, all properties")
    assert (above.figure.count("points"), "not so" in above.figure) == (2, False)


def test_what_was_not_run_is_not_judged(findings):
    few = synthetic.arms(("adapting", "static"))
    missing = found(records(few, conditions=("training/all",), long_goals=0), few)
    unjudged = {each.target for each in missing.verdicts if each.holds is None}
    assert any("something to win" in target for target in unjudged)
    assert any("Long run" in target for target in unjudged)
    assert all(each.figure == "not run" for each in missing.verdicts if each.holds is None)


def test_an_oracle_that_is_not_above_the_static_arm_leaves_no_gap():
    swapped = [replace(arm, role={"oracle": Role.STATIC, "nominal": Role.ORACLE}.get(arm.name, arm.role)) for arm in ARMS]
    findings = found(records(swapped, long_goals=0), swapped)
    closed = verdict(findings, "Gap closed at least 0.70 in the ranges of training, all")
    assert (closed.holds, verdict(findings, "something to win").holds) == (False, False)
    assert "there is no gap" in closed.figure


def test_the_best_static_arm_is_the_floor(findings):
    assert {each.best_static for each in findings.groups} == {"static"}


def test_the_noise_floor_is_the_static_arm_against_itself(findings):
    assert findings.noise_floor.arm == "static"
    assert abs(findings.noise_floor.difference.value) < 0.1
    assert findings.noise_floor.goals_changed > 0


def test_an_arm_with_fewer_robots_does_not_shrink_the_others():
    fewer = [record for record in records(long_goals=0) if record.header.arm != "first_order" or record.header.seed < 2]
    group = next(each for each in found(fewer).groups if each.name == "training")
    assert group.success["adapting"].deployments == 12
    assert group.success["first_order"].deployments == 4
    assert group.advantage["first_order"].deployments == 4


def test_an_arm_that_was_not_run_under_all_conditions_of_a_group_is_left_out_of_it():
    partly = [record for record in records(long_goals=0) if (record.header.arm, record.header.condition) != ("lstm", "training/encoder")]
    findings = found(partly)
    assert "lstm" not in next(each for each in findings.groups if each.name == "training").success
    assert "lstm" in next(each for each in findings.conditions if each.name == "training/all").success


def test_the_first_part_is_16_times_a_run_of_training_length(findings):
    run = findings.long_runs["full"]
    assert run.first_part.value == pytest.approx(run.success.value)  # 16 times 20 goals are the whole run here
    assert found(records(long_goals=100)).long_runs["full"].first_part is None


def test_refusals_are_counted_by_their_kind(findings):
    refusals = findings.refusals["adapting"]
    assert list(refusals.reasons) == ["the loss is above times the quantile"]
    assert refusals.windows == refusals.committed + sum(refusals.reasons.values()) == 6 * 20 * len(CONDITIONS)


def test_costs_are_medians_and_the_memory_at_the_end(findings):
    cost = findings.costs["adapting"]
    assert cost.seconds_per_step == pytest.approx(130e-6 + 0.003 / synthetic.STEPS, rel=0.02)
    assert (cost.memory_bytes, cost.adaptation_bytes) == (8_000, 60_000)
    assert findings.long_runs["full"].bytes_late > 10 * findings.costs["full"].memory_bytes
