"""Absolute and relative actions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.control.action_meaning import from_absolute, to_absolute
from ttt_ros.policies.specification import ActionMeaning

OBSERVED = np.array([1.0, -1.0])
ACTIONS = np.array([[0.1, 0.2], [0.3, 0.4]], dtype=np.float32)


def test_relative_actions_are_offsets_from_the_observed_position_in_every_step() -> None:
    absolute = to_absolute(ACTIONS, observed=OBSERVED, meaning=ActionMeaning.RELATIVE)
    assert absolute.dtype == np.float64
    np.testing.assert_allclose(absolute, [[1.1, -0.8], [1.3, -0.6]], atol=1e-7)


def test_absolute_actions_stay_as_they_are() -> None:
    assert np.array_equal(to_absolute(ACTIONS, observed=OBSERVED, meaning=ActionMeaning.ABSOLUTE), ACTIONS.astype(np.float64))


def test_a_nan_in_the_observed_position_shows_in_relative_actions() -> None:
    assert np.isnan(to_absolute(ACTIONS, observed=np.array([np.nan, 0.0]), meaning=ActionMeaning.RELATIVE)[:, 0]).all()


@given(st.sampled_from(list(ActionMeaning)), st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2))
def test_converting_there_and_back_changes_nothing(meaning: ActionMeaning, observed: list[float]) -> None:
    absolute = to_absolute(ACTIONS, observed=np.array(observed), meaning=meaning)
    np.testing.assert_allclose(from_absolute(absolute, observed=np.array(observed), meaning=meaning), ACTIONS, atol=1e-12)
