"""A sample in which a joint did not end where it was commanded to is neither learned from nor remembered."""

import math
from dataclasses import replace

import pytest
import torch
from adapting import learner_on, store_of, windows
from hypothesis import given
from hypothesis import strategies as st
from linear_policy import BASE, OUTPUTS, RECURSIVE, LinearPolicy, linear_stream

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.plausibility import Plausibility
from ttt_ros.adaptation.window import Window, selected
from ttt_ros.policies.transition import Transitions, concatenated

POLICY = LinearPolicy()
LIMIT = 0.4
CONFIG = replace(RECURSIVE, following_limit=LIMIT, trim_factor=1e6)
ERRORS = st.lists(st.floats(width=32), min_size=1, max_size=4)


def with_errors(transitions: Transitions, *errors: float) -> Transitions:
    """The transitions with one following error each, of the first joint."""
    column = torch.tensor(errors)[:, None]
    return replace(transitions, following_error=torch.cat([column, torch.zeros(len(errors), OUTPUTS - 1)], dim=1))


def window_of(*errors: float) -> Window:
    (window,) = windows(linear_stream(2.0 * BASE, len(errors)), size=len(errors), minimum=len(errors))
    return replace(window, transitions=with_errors(window.transitions, *errors))


@given(ERRORS, st.floats(0.0625, 6.25, width=32))
def test_a_sample_is_followed_if_no_joint_is_off_by_more_than_the_limit_and_nan_is_not(errors, limit):
    transitions = replace(window_of(0.0).transitions, following_error=torch.tensor([errors]))
    assert steps.followed(transitions, limit=limit).tolist() == [all(abs(error) <= limit for error in errors)]
    assert steps.followed(transitions, limit=0.0).tolist() == [True]


def test_where_nobody_measured_it_only_no_limit_lets_a_sample_pass():
    transitions = next(linear_stream(BASE, 1))
    assert steps.followed(transitions, limit=0.0).tolist() == [True]
    assert steps.followed(transitions, limit=6.3).tolist() == [False]


@pytest.mark.parametrize("error", [0.41, -0.41, math.nan, math.inf])
def test_the_step_is_that_of_the_other_samples(error):
    window = window_of(0.1, error, -0.3, 0.0)
    others = selected(window.transitions, torch.tensor([True, False, True, True]))
    learner, expected = learner_on(POLICY, CONFIG), learner_on(POLICY, CONFIG)
    report = learner.adapt(window, epoch=0)
    assert report.checksum == expected.adapt(replace(window, transitions=others, fresh=3, stamps=(0, 2, 3), passages=()), epoch=0).checksum
    assert (report.committed, report.implausible, report.trimmed) == (True, 1, 0)


def test_a_window_without_a_fresh_sample_that_was_followed_is_refused_in_words():
    learner = learner_on(POLICY, CONFIG)
    report = learner.adapt(replace(window_of(0.1, 0.2, 0.9, -0.5), fresh=2), epoch=0)
    assert not report.committed
    assert report.reason == (
        "no fresh sample ended where it was commanded to: the smallest following error is 0.5 rad, above following_limit, 0.4 rad"
    )
    assert report.implausible == 2
    assert learner.store.current is learner.store.base


def test_a_window_of_which_nobody_measured_the_following_error_is_refused_in_words():
    report = learner_on(POLICY, CONFIG).adapt(next(windows(linear_stream(BASE, 1), size=1, minimum=1)), epoch=0)
    assert report.reason == "no following error was measured, and following_limit is 0.4 rad"


def test_what_was_not_followed_says_nothing_about_the_noise():
    """Were its innovations remembered, those of a patient attacker would raise the gate's limit."""
    config = replace(CONFIG, innovation_factor=4.0, innovation_warmup=2, innovation_quantile=1.0, innovation_history=8)
    learner = learner_on(POLICY, config)
    for clean, forged in zip(linear_stream(BASE, 8), linear_stream(-20.0 * BASE, 8, seed=2), strict=True):
        (window,) = windows([clean, forged], size=2, minimum=2)
        learner.adapt(replace(window, transitions=with_errors(window.transitions, 0.0, 0.9)), epoch=0)
    (stranger,) = windows(linear_stream(-20.0 * BASE, 1, seed=5), size=1, minimum=1)
    report = learner.adapt(replace(stranger, transitions=with_errors(stranger.transitions, 0.0)), epoch=0)
    assert report.reason.startswith("the innovation of no fresh sample is within the gate's limit, ")


@pytest.mark.parametrize(("error", "remembered"), [(0.4, True), (0.41, False), (math.nan, False)])
@pytest.mark.parametrize("factor", [0.0, 1e6])
def test_only_what_was_followed_may_be_remembered(error, remembered, factor):
    judge = Plausibility(POLICY, history=4)
    config = replace(CONFIG, innovation_factor=factor)
    transition = with_errors(next(linear_stream(BASE, 1)), error)
    assert judge.judge(transition, store_of(POLICY).base, epoch=0, config=config) is remembered


def test_joined_samples_keep_their_errors_and_one_that_was_not_measured_leaves_none():
    measured = [with_errors(each, error) for each, error in zip(linear_stream(BASE, 2), (0.1, 0.2), strict=True)]
    joined = concatenated(measured).following_error
    assert joined is not None
    assert joined[:, 0].tolist() == pytest.approx([0.1, 0.2])
    assert concatenated([*measured, *linear_stream(BASE, 1)]).following_error is None
