"""The sliding window gives out the last transitions and says which are new."""

import pytest
import torch
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation.window import TransitionWindow, Window, selected
from ttt_ros.errors import AdaptationError
from ttt_ros.policies.transition import concatenated

TRANSITIONS = list(stream(SmallPolicy(), 6))


def test_the_window_slides_and_counts_what_is_fresh():
    window = TransitionWindow(size=3, minimum=2)
    pushed = [window.push(transition, stamp=stamp) for stamp, transition in enumerate(TRANSITIONS)]
    assert pushed[0] is None
    assert [each.fresh for each in pushed[1:]] == [2, 1, 1, 1, 1]
    assert [each.stamps for each in pushed[1:]] == [(0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5)]
    assert [each.first for each in pushed[1:]] == [0, 0, 1, 2, 3]
    assert pushed[-1].transitions.executed.equal(torch.cat([each.executed for each in TRANSITIONS[3:]]))


def test_nothing_from_before_a_reset_is_in_a_window_after_it():
    window = TransitionWindow(size=3, minimum=2)
    window.push(TRANSITIONS[0], stamp=0)
    window.reset()
    assert window.push(TRANSITIONS[1], stamp=1) is None
    after = window.push(TRANSITIONS[2], stamp=2)
    assert (after.stamps, after.first) == ((1, 2), 1)


def test_several_transitions_at_once_are_refused():
    with pytest.raises(AdaptationError, match="one transition at a time, not 2"):
        TransitionWindow(size=3).push(concatenated(TRANSITIONS[:2]), stamp=0)


@pytest.mark.parametrize(("fresh", "stamps"), [(0, (1, 2)), (3, (1, 2)), (1, (1,))])
def test_counts_that_do_not_fit_are_refused(fresh, stamps):
    with pytest.raises(AdaptationError):
        Window(transitions=concatenated(TRANSITIONS[:2]), fresh=fresh, stamps=stamps)


def test_selected_takes_the_same_samples_from_every_part():
    mask = torch.tensor([True, False, True])
    chosen = selected(concatenated(TRANSITIONS[:3]), mask)
    expected = concatenated([TRANSITIONS[0], TRANSITIONS[2]])
    assert len(chosen) == 2
    assert chosen.executed.equal(expected.executed)
    assert chosen.steps.equal(expected.steps)
    for name in expected.features:
        assert chosen.features[name].equal(expected.features[name])
        assert chosen.next_features[name].equal(expected.next_features[name])
