"""What is read off a frame without knowing what it shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.safeguard.pictures import content_digest, saturated_share


@pytest.mark.parametrize(("grey", "share"), [(0, 1.0), (255, 1.0), (128, 0.0)])
@pytest.mark.parametrize("shape", [(1, 1, 3), (96, 96, 3), (480, 640, 3), (7, 5, 1)])
def test_a_black_and_a_white_picture_are_saturated_and_a_grey_one_is_not(grey: int, share: float, shape: tuple[int, ...]) -> None:
    assert saturated_share(np.full(shape, grey, dtype=np.uint8)) == share


@given(share=st.floats(0.0, 1.0), channel=st.integers(0, 2))
def test_the_share_is_met_from_samples_of_all_rows_and_channels(share: float, channel: int) -> None:
    picture = np.full((480, 640, 3), 100, dtype=np.uint8)
    picture[: round(480 * share)] = 255
    assert saturated_share(picture) == pytest.approx(share, abs=0.02)
    picture[:] = 100
    picture[..., channel] = 0
    assert saturated_share(picture) == pytest.approx(1 / 3, abs=0.02)


def test_an_empty_picture_is_not_saturated() -> None:
    assert saturated_share(np.empty(0, dtype=np.uint8)) == 0.0


def test_the_digest_tells_pictures_apart() -> None:
    assert content_digest(b"abc") == content_digest(memoryview(b"abc")) != content_digest(b"abd")
