"""The figures of an evaluation on bags: known differences are found with intervals that cover them, and nothing is invented."""

from dataclasses import replace

import pytest
import synthetic_bags
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_bags import GOOD, JOINTS, LEARNING, Invented, examinations, found, records

from ttt_ros.evaluation.bags.figures import TENTHS
from ttt_ros.evaluation.bags.findings import findings


def test_a_known_difference_lies_in_a_narrow_interval() -> None:
    change = found().whole.changes["adapting"]
    assert change.loss is not None
    assert change.action is not None
    assert change.loss.lower is not None
    assert change.loss.upper is not None
    assert change.loss.lower < -0.20 < change.loss.upper
    assert change.action.least < -0.05 < change.action.most
    assert change.loss.upper - change.loss.lower < 0.02
    assert change.windows == change.chunks == 240


@settings(max_examples=8, deadline=None)
@given(loss=st.floats(0.5, 2.0), action=st.floats(0.5, 2.0))
def test_a_difference_without_noise_is_found_exactly(loss: float, action: float) -> None:
    arms = {"frozen": Invented(), "adapting": replace(LEARNING, loss=loss, action=action)}
    change = found(arms, bags=("monday",)).whole.changes["adapting"]
    assert change.loss is not None
    assert change.action is not None
    assert change.loss.value == pytest.approx(loss - 1)
    assert change.action.value == pytest.approx(action - 1)
    assert change.loss.least == pytest.approx(change.loss.most)


def test_identical_arms_give_exactly_no_change() -> None:
    change = found({"frozen": Invented(), "adapting": Invented(committed=1.0)}).whole.changes["adapting"]
    for estimate in (change.loss, change.action):
        assert estimate is not None
        assert (estimate.value, estimate.lower, estimate.upper) == (0.0, 0.0, 0.0)


def test_the_noise_floor_is_that_of_the_frozen_arm_with_image_noise() -> None:
    outcome = found().whole
    again = outcome.changes["frozen_again"].loss
    assert again is not None
    assert outcome.noise.loss == max(abs(again.least), abs(again.most))
    assert 0 < outcome.noise.loss < 0.01


def test_without_commands_there_is_no_action_error() -> None:
    outcome = found(commanded=False).whole
    assert all(arm.action is None for arm in outcome.arms.values())
    assert outcome.changes["adapting"].action is None
    assert outcome.changes["adapting"].chunks == 0
    assert outcome.noise.action is None


def test_errors_are_given_by_joint_and_by_step() -> None:
    action = found().whole.arms["frozen"].action
    assert action is not None
    assert tuple(action.joints) == JOINTS
    mean = sum(joint.error.value for joint in action.joints.values()) / len(JOINTS)
    assert mean == pytest.approx(action.error.value)
    assert action.error.value < action.root_mean_square.value
    assert len(action.by_step) == synthetic_bags.STEPS
    assert action.by_step[-1].value == pytest.approx(3 * action.by_step[0].value)
    assert action.against_held is not None
    assert action.against_held.value == pytest.approx(-2 / 3)


def test_chunks_at_the_end_that_lack_steps_count_for_the_steps_that_they_have() -> None:
    whole = records({"frozen": Invented()}, bags=("monday",))
    record = whole["monday"][0]
    chunks = (*record.chunks[:-1], replace(record.chunks[-1], by_step=(1.0,)))
    outcome = findings(
        examinations(("monday",)),
        {"monday": [replace(record, chunks=chunks)]},
        config=synthetic_bags.CONFIG,
        joints=JOINTS,
        period=synthetic_bags.PERIOD,
    ).whole
    action = outcome.arms["frozen"].action
    assert action is not None
    assert len(action.by_step) == synthetic_bags.STEPS
    rest = sum((row.by_step or (0.0,))[0] for row in chunks[:-1])
    assert action.by_step[0].value == pytest.approx((rest + 1.0) / len(chunks))


def test_with_few_blocks_there_is_a_figure_and_no_interval() -> None:
    change = found(bags=("monday",), seconds=12).whole.changes["adapting"].loss
    assert change is not None
    assert (change.lower, change.upper) == (None, None)


def test_blocks_of_two_bags_are_never_joined() -> None:
    whole = found(bags=("monday", "tuesday"), seconds=12)
    assert [bag.blocks for bag in whole.bags] == [3, 3]
    assert whole.whole.blocks == 6


def test_only_windows_that_both_arms_have_are_compared() -> None:
    invented = records({"frozen": Invented(), "adapting": replace(LEARNING, loss=0.5)}, bags=("monday",))
    frozen, adapting = invented["monday"]
    spoilt = tuple(replace(row, loss=None) if place < 60 else row for place, row in enumerate(adapting.windows))
    cut = replace(adapting, windows=spoilt, chunks=adapting.chunks[::2])
    change = findings(
        examinations(("monday",)),
        {"monday": [frozen, cut]},
        config=synthetic_bags.CONFIG,
        joints=JOINTS,
        period=synthetic_bags.PERIOD,
    ).whole.changes["adapting"]
    assert (change.windows, change.chunks) == (60, 60)
    assert change.loss is not None
    assert change.loss.value == pytest.approx(-0.5)


def test_refusals_are_counted_by_kind_and_modes_by_time() -> None:
    arm = found().whole.arms["adapting"]
    assert list(arm.adapting.refusals) == ["window loss is above the gate's limit, times in a row"]
    assert arm.adapting.committed == pytest.approx(1 - sum(arm.adapting.refusals.values()) / arm.adapting.windows)
    assert arm.modes.shares["hold"] == pytest.approx(1 / synthetic_bags.SECONDS)
    assert sum(arm.modes.shares.values()) == pytest.approx(1)
    assert (arm.modes.changes, arm.modes.reasons) == (2, {"camera 'wrist': no frame has come": 2})
    assert len(arm.loss_by_tenth) == TENTHS


def test_an_arm_or_a_bag_that_is_missing_leaves_the_rest() -> None:
    invented = {**records(GOOD, bags=("monday",)), "tuesday": []}
    outcome = findings(examinations(), invented, config=synthetic_bags.CONFIG, joints=JOINTS, period=synthetic_bags.PERIOD)
    assert [bag.name for bag in outcome.bags] == ["monday"]
    without = found({"adapting": LEARNING}).whole
    assert without.changes == {}
    assert without.noise.loss is None
