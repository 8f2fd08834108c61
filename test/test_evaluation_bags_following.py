"""What a joint of a recording follows."""

import numpy as np
import pytest

from ttt_ros.evaluation.bags.following import following


@pytest.mark.parametrize("ticks", range(1, 16))
def test_a_recording_that_is_shorter_than_the_longest_delay_tells_nothing(ticks: int) -> None:
    table = np.linspace(0.0, 1.0, ticks)[:, None]
    (found,) = following(table, table, names=("pan",), period=1 / 30)
    assert found.joint == "pan"
