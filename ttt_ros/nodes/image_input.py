"""From image messages to the tensors that a policy expects."""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from torch import Tensor

from ttt_ros.control.images import Pixels, RawImage, decode_compressed, opencv_rgb, pixels, policy_image
from ttt_ros.errors import ObservationError
from ttt_ros.policies.specification import CameraSpecification

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # only a ROS installation has it
    CvBridge = None


def raw_image_tensor(message: Image, camera: CameraSpecification) -> Tensor:
    """Converts a sensor_msgs/Image to uint8 RGB of the camera's size, (height, width, 3).

    Raises:
        ObservationError: see ``ttt_ros.control.images``; or cv_bridge cannot convert it.
    """
    image = RawImage(
        encoding=message.encoding, height=message.height, width=message.width, step=message.step, data=memoryview(message.data)
    )
    if CvBridge is not None and image.encoding.startswith(("bayer", "yuv", "uyvy")):
        pixels(image)
        try:
            rgb: Pixels = np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
        except (CvBridgeError, cv2.error) as error:
            raise ObservationError(f"an image cannot be converted from {image.encoding} ({error}); check the camera driver") from None
    else:
        rgb = opencv_rgb(image)
    return policy_image(rgb, camera)


def compressed_image_tensor(message: CompressedImage, camera: CameraSpecification) -> Tensor:
    """Converts a sensor_msgs/CompressedImage to uint8 RGB of the camera's size, (height, width, 3).

    Raises:
        ObservationError: see ``ttt_ros.control.images``.
    """
    return policy_image(decode_compressed(memoryview(message.data), message.format), camera)
