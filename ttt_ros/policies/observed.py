"""What a policy takes from an observation, checked against its specification."""

import torch
from torch import Tensor

from ttt_ros.errors import ObservationError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import PolicySpecification


def stacked_images(observation: Observation, specification: PolicySpecification) -> Tensor:
    """The images in the order of the specification's cameras, uint8 (cameras, height, width, 3).

    Raises:
        ObservationError: a camera is missing, or its image has another shape or type than specified.
    """
    for camera in specification.cameras:
        image = observation.images.get(camera.name)
        if image is None:
            raise ObservationError(f"the observation lacks the camera '{camera.name}'; it has: {', '.join(observation.images)}")
        if tuple(image.shape) != (camera.height, camera.width, 3) or image.dtype != torch.uint8:
            raise ObservationError(
                f"the image of camera '{camera.name}' is {image.dtype} of shape {tuple(image.shape)}, "
                f"but the policy takes uint8 of shape {(camera.height, camera.width, 3)}; convert it first"
            )
    return torch.stack([observation.images[camera.name] for camera in specification.cameras])


def checked_positions(observation: Observation, specification: PolicySpecification) -> Tensor:
    """The joint positions as they are, (joints,).

    Raises:
        ObservationError: there are more or fewer than specified.
    """
    expected = len(specification.joint_names)
    if tuple(observation.joint_positions.shape) != (expected,):
        raise ObservationError(
            f"the joint positions have shape {tuple(observation.joint_positions.shape)}, but the policy has {expected} joints"
        )
    return observation.joint_positions
