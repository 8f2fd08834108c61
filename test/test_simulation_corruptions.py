"""The corruptions of ImageNet-C: each works on today's libraries, is repeatable, and refuses what it cannot do."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation import corruptions
from ttt_ros.simulation.corruptions import CORRUPTIONS, MAX_SEVERITY, SLOW_CORRUPTIONS, corrupted

QUICK = [name for name in CORRUPTIONS if name not in SLOW_CORRUPTIONS]
ROWS, COLUMNS = np.mgrid[:96, :96]
IMAGE = np.stack([ROWS * 2, COLUMNS * 2, 60 + 80 * ((ROWS // 12 + COLUMNS // 12) % 2)], axis=2).astype(np.uint8)


@pytest.fixture
def library() -> object:
    return pytest.importorskip("imagecorruptions", reason="imagecorruptions is not installed")


def applied(name: str, severity: int, *, seed: int = 0, image: NDArray[np.uint8] = IMAGE) -> NDArray[np.uint8]:
    return corrupted(image, name, severity, np.random.default_rng(seed))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("severity", [1, MAX_SEVERITY])
@pytest.mark.parametrize("name", QUICK)
def test_each_corruption_changes_the_image_and_the_same_seed_repeats_it(name: str, severity: int) -> None:
    original = IMAGE.copy()
    first = applied(name, severity)
    assert first.shape == IMAGE.shape
    assert first.dtype == np.uint8
    assert (first != IMAGE).any()
    np.testing.assert_array_equal(IMAGE, original)
    np.testing.assert_array_equal(applied(name, severity), first)


@pytest.mark.usefixtures("library")
def test_the_slow_corruption_can_be_chosen() -> None:
    small = IMAGE[:32, :32]
    np.testing.assert_array_equal(applied("glass_blur", 2, image=small), applied("glass_blur", 2, image=small))
    assert (applied("glass_blur", 2, image=small) != small).any()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "motion_blur", "snow", "frost", "fog", "elastic_transform"])
def test_another_seed_gives_another_picture(name: str) -> None:
    assert (applied(name, 3, seed=0) != applied(name, 3, seed=1)).any()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["gaussian_noise", "gaussian_blur", "contrast", "fog"])
def test_a_higher_severity_takes_the_image_further_away(name: str) -> None:
    distances = [np.abs(applied(name, severity).astype(float) - IMAGE).mean() for severity in (1, 3, 5)]
    assert distances[0] < distances[1] < distances[2]


def test_the_list_is_that_of_the_library(library: object) -> None:
    assert list(CORRUPTIONS) == library.get_corruption_names("all")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["fog", "impulse_noise"])
def test_the_global_random_state_stays_as_it_was(name: str) -> None:
    np.random.seed(5)
    expected = np.random.uniform()
    np.random.seed(5)
    applied(name, 3)
    assert np.random.uniform() == expected


@pytest.mark.usefixtures("library")
def test_numpy_and_scikit_image_stay_as_they_were() -> None:
    import skimage.filters

    before = skimage.filters.gaussian
    applied("fog", 1)
    assert not hasattr(np, "float_")
    assert skimage.filters.gaussian is before


@pytest.mark.parametrize(
    ("name", "severity", "image", "message"),
    [
        ("rain", 3, IMAGE, "unknown corruption 'rain'; known are: gaussian_noise, "),
        ("fog", 0, IMAGE, "severity 0 of corruption 'fog' must be a whole number from 1 to 5"),
        ("fog", 6, IMAGE, "severity 6 of corruption 'fog'"),
        ("fog", 3, IMAGE[:31], "image of 31 by 96 pixels: corruptions need at least 32 by 32"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(name: str, severity: int, image: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        applied(name, severity, image=image)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    corruptions._library.cache_clear()
    with pytest.raises(SimulationError, match="pip install --no-deps imagecorruptions"):
        applied("fog", 3)
    corruptions._library.cache_clear()
