"""The image corruptions of ImageNet-C (Hendrycks and Dietterich, arXiv 1903.12261), as the library ``imagecorruptions`` has them."""

import warnings
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError

CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
)
"""All 19, in the order of the library; the last four are those that ImageNet-C keeps for validation."""

SLOW_CORRUPTIONS = ("glass_blur",)
"""A loop over the pixels in Python: some 0.3 s for 96 by 96 pixels, where the others take at most 15 ms."""

MAX_SEVERITY = 5
_MIN_SIZE = 32
_REMEDY = (
    "install them with: pip install --no-deps imagecorruptions==1.1.2 && pip install scikit-image opencv-python-headless 'setuptools<81' "
    "(without --no-deps it brings a second OpenCV that clashes with the headless one)"
)


def corrupted(image: NDArray[np.uint8], name: str, severity: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A corrupted copy of an image, both RGB, uint8 [height, width, 3]; the same generator state gives the same picture.

    The functions draw from numpy's global random state. It is seeded for the call and restored after it, which other threads that use
    it meanwhile would notice.

    Args:
        image: at least 32 by 32 pixels.
        name: of CORRUPTIONS.
        severity: 1 to MAX_SEVERITY.
        generator: one number is drawn from it.

    Raises:
        SimulationError: an unknown name, a severity out of range, an image that is too small, or the library is not installed.
    """
    if name not in CORRUPTIONS:
        raise SimulationError(f"unknown corruption '{name}'; known are: {', '.join(CORRUPTIONS)}")
    if severity not in range(1, MAX_SEVERITY + 1):
        raise SimulationError(f"severity {severity} of corruption '{name}' must be a whole number from 1 to {MAX_SEVERITY}")
    if min(image.shape[:2]) < _MIN_SIZE:
        raise SimulationError(f"image of {image.shape[0]} by {image.shape[1]} pixels: corruptions need at least {_MIN_SIZE} by {_MIN_SIZE}")
    library = _library()
    state = np.random.get_state()  # the library draws from the global state
    np.random.seed(generator.integers(2**32))
    try:
        return np.asarray(library.corrupt(image, corruption_name=name, severity=int(severity)), dtype=np.uint8)
    finally:
        np.random.set_state(state)


@cache
def _library() -> Any:
    """Imports the library, and mends in its own module what today's numpy and scikit-image have dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)
            import imagecorruptions
            import skimage.color
            import skimage.filters
            import skimage.util
            from imagecorruptions import corruptions
    except ImportError as error:
        raise SimulationError(f"image corruptions need libraries that cannot be imported ({error}); {_REMEDY}") from error
    _mend(corruptions, skimage)
    return imagecorruptions


def _mend(corruptions: ModuleType, skimage: ModuleType) -> None:
    """Replaces names in the library's module alone, so that nobody else's numpy or scikit-image changes."""

    def gaussian(image: NDArray[Any], *arguments: Any, multichannel: bool = False, **options: Any) -> NDArray[Any]:
        return np.asarray(skimage.filters.gaussian(image, *arguments, channel_axis=-1 if multichannel else None, **options))

    def random_noise(image: NDArray[Any], **options: Any) -> NDArray[Any]:
        # Without this the salt and pepper would come from the operating system's entropy.
        return np.asarray(skimage.util.random_noise(image, rng=np.random.randint(2**31), **options))

    replaced: dict[str, object] = {
        "gaussian": gaussian,
        "np": SimpleNamespace(**{**vars(np), "float_": np.float64}),
        "sk": SimpleNamespace(util=SimpleNamespace(random_noise=random_noise), color=skimage.color),
    }
    vars(corruptions).update(replaced)
