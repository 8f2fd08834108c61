"""The suite's configuration and the deployments that come out of it."""

from pathlib import Path

import pytest

from ttt_ros.configuration import load_yaml, validated
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments.arms import Control, Role
from ttt_ros.evaluation.deployments.conditions import CONDITIONS, Group
from ttt_ros.evaluation.deployments.jobs import planned
from ttt_ros.evaluation.deployments.suite import QUICK_GOALS, QUICK_LONG_GOALS, SHIPPED_SUITE, SuiteConfig, quick, resolved
from ttt_ros.policies.shipped import SHIPPED_POLICY
from ttt_ros.simulation.robots import Property, Robot, Unseen

ADAPTING = {"name": "adapting", "label": "adapting", "role": "adapting", "checkpoint": "a.safetensors", "adapts": True}
STATIC = {"name": "static", "label": "static", "role": "static", "checkpoint": "b.safetensors"}
PART = {"conditions": ["training/all"], "seeds": 2, "goals": 3}


def suite(*, arms=(ADAPTING, STATIC), parts=(PART,), adaptation=None) -> SuiteConfig:
    values = {"adaptation": adaptation or {"window": 4}, "arms": list(arms), "parts": list(parts)}
    return validated(SuiteConfig, values, source="a test")


def test_the_shipped_suite_has_every_arm_that_the_verdicts_ask_for():
    shipped = load_yaml(SHIPPED_SUITE, SuiteConfig)
    assert {arm.role for arm in shipped.arms} == set(Role)
    assert {name for part in shipped.parts for name in part.conditions} == set(CONDITIONS)
    (long,) = [part for part in shipped.parts if part.long]
    assert long.goals * 80 >= 100_000
    assert all(part.goals >= 40 and part.goals * 80 >= 5_000 for part in shipped.parts)
    first = shipped.parts[0]
    assert "training/all" in first.conditions
    assert first.seeds >= 100


def test_the_suite_of_the_shipped_policy_alone_adapts_it_as_the_comparison_does():
    alone, comparison = (load_yaml(path, SuiteConfig) for path in (SHIPPED_SUITE.with_name("shipped.yaml"), SHIPPED_SUITE))
    assert alone.adaptation == comparison.adaptation
    assert {arm.checkpoint for arm in resolved(alone, checkpoints=Path("nowhere"))} == {SHIPPED_POLICY}


def test_a_policy_that_comes_with_the_package_is_an_arm_by_its_name():
    named, filed = resolved(suite(arms=({**ADAPTING, "checkpoint": "desk_arm"}, STATIC)), checkpoints=Path("there"))
    assert named.checkpoint == SHIPPED_POLICY
    assert filed.checkpoint == Path("there/b.safetensors")


def test_every_property_and_every_unseen_kind_has_a_condition():
    assert {condition.properties for condition in CONDITIONS.values() if condition.group is Group.WIDER} == {
        tuple(Property),
        *((name,) for name in Property),
    }
    assert {kind for condition in CONDITIONS.values() for kind in condition.unseen} == set(Unseen)


def test_conditions_of_one_seed_share_the_properties_that_they_have_in_common():
    everything, encoder = CONDITIONS["training/all"].robot(7), CONDITIONS["training/encoder"].robot(7)
    assert everything.shifts(20).encoder_offset == encoder.shifts(20).encoder_offset
    assert encoder.shifts(20).payload == 0
    assert CONDITIONS["nominal"].robot(7).shifts(20) == Robot(seed=0, properties=()).shifts(0)
    assert CONDITIONS["unseen/fog"].robot(7).shifts(0).corruption == "fog"


def test_an_arm_takes_the_common_adaptation_with_its_own_changes():
    arms = resolved(
        suite(
            arms=(
                {**ADAPTING, "changes": {"window": 8}},
                STATIC,
                {**ADAPTING, "name": "open", "role": "variant", "gates": False},
                {**ADAPTING, "name": "flipped", "role": "flipped", "control": "flipped"},
            ),
            adaptation={"window": 5, "pull_back": 0.02},
        ),
        checkpoints=Path("folder"),
    )
    assert [arm.adaptation.window if arm.adaptation else None for arm in arms] == [8, None, 5, 5]
    assert arms[0].adaptation.pull_back == 0.02
    assert arms[2].adaptation.drift_limit == 10.0
    assert arms[3].control is Control.FLIPPED
    assert arms[0].checkpoint == Path("folder/a.safetensors")


def test_every_arm_is_run_on_the_same_seeds_and_nothing_twice():
    twice = suite(parts=(PART, {**PART, "seeds": 3}, {**PART, "long": True, "goals": 9, "seeds": 1, "arms": ["adapting"]}))
    jobs = planned(twice, resolved(twice, checkpoints=Path()), {"adapting": "0", "static": "1"})
    places = [(job.header.long, job.header.seed, job.header.arm) for job in jobs]
    assert places == [(False, seed, arm) for seed in range(3) for arm in ("adapting", "static")] + [(True, 0, "adapting")]


def test_quick_keeps_every_part_and_arm_but_makes_it_small():
    small = quick(suite(parts=({**PART, "seeds": 50, "goals": 64}, {**PART, "goals": 1250, "long": True})))
    assert [(part.seeds, part.goals) for part in small.parts] == [(2, QUICK_GOALS), (2, QUICK_LONG_GOALS)]
    assert len(small.arms) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arms": (ADAPTING, ADAPTING)}, "more than once"),
        ({"arms": (STATIC,)}, "one arm must have the role 'adapting', not 0"),
        ({"arms": (ADAPTING, {**STATIC, "role": "adapting"})}, "not 2 \\(adapting, static\\)"),
        ({"parts": ({**PART, "conditions": ["training/gravity"]},)}, "training/gravity; known are nominal"),
        ({"parts": ({**PART, "arms": ["nobody"]},)}, "nobody; known are adapting, static"),
        ({"parts": ({**PART, "seeds": 0},)}, "seeds"),
        ({"arms": ({**ADAPTING, "colour": "red"},)}, "colour"),
        ({"arms": ({**ADAPTING, "name": "not/a name"},)}, "name"),
        ({"adaptation": {"window": 0}}, "window"),
    ],
)
def test_a_suite_that_makes_no_sense_is_refused_with_the_reason(change, reason):
    with pytest.raises(ConfigurationError, match=reason):
        suite(**change)


def test_a_change_that_the_adaptation_does_not_know_is_refused():
    with pytest.raises(ConfigurationError, match=r"arm 'adapting'.*speed"):
        resolved(suite(arms=({**ADAPTING, "changes": {"speed": 3}},)), checkpoints=Path())
