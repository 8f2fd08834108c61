"""Whether a data set and a policy belong to the same robot."""

from collections.abc import Sequence

from ttt_ros.control.images import policy_image
from ttt_ros.errors import ObservationError, RecordingError
from ttt_ros.policies.specification import CameraSpecification, PolicySpecification
from ttt_ros.training.datasets.episode import Layout, Pixels, columns

_RATE_TOLERANCE = 0.01
"""Relative; as a checkpoint's period against the robot's."""


def check_fits(layout: Layout, specification: PolicySpecification, *, source: str) -> None:
    """Checks joints, rate and cameras of a data set against what a policy expects; their order does not matter.

    Raises:
        RecordingError: they differ; the message says in what.
    """
    columns(layout.state_names, wanted=specification.joint_names, what="joints", source=source)
    columns(layout.action_names, wanted=specification.joint_names, what="actions", source=source)
    if abs(layout.rate * specification.period - 1) > _RATE_TOLERANCE:
        raise RecordingError(
            f"{source} has {layout.rate:g} rows a second, but the policy acts {1 / specification.period:g} times a second; "
            "resample the data set or train a policy at its rate"
        )
    for camera in specification.cameras:
        if camera.name not in layout.cameras:
            raise RecordingError(
                f"{source} has no camera '{camera.name}', which the policy sees; it has {', '.join(layout.cameras) or 'none'}"
            )


def check_landmarks(layout: Layout, landmarks: Sequence[str], *, source: str) -> None:
    """Raises RecordingError unless the data set says where all ``landmarks`` are."""
    if missing := [name for name in landmarks if name not in layout.environment_names]:
        raise RecordingError(
            f"{source} says nothing of {', '.join(missing)}; its observation.environment_state has "
            f"{', '.join(layout.environment_names) or 'nothing'}; leave the landmarks out, or record them"
        )


def resized(pixels: Pixels, camera: CameraSpecification, *, name: str) -> Pixels:
    """Shrinks an image of episode ``name`` as the running robot does (``control.images``).

    Raises:
        RecordingError: it is smaller than the policy's, or its aspect ratio is another.
    """
    try:
        image: Pixels = policy_image(pixels, camera).numpy()
    except ObservationError as error:
        raise RecordingError(f"{name}: {error}") from None
    return image
