"""From image messages to the images that a policy expects."""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from ttt_ros.control.images import DeferredImage, Pixels, RawImage, decode_compressed, opencv_rgb, pixels
from ttt_ros.errors import ObservationError
from ttt_ros.policies.specification import CameraSpecification

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # only a ROS installation has it
    CvBridge = None


def raw_image(message: Image, camera: CameraSpecification) -> DeferredImage:
    """Converts a sensor_msgs/Image to RGB, to be brought to the camera's size once it is looked at.

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
    return DeferredImage(rgb, camera)


def compressed_image(message: CompressedImage, camera: CameraSpecification) -> DeferredImage:
    """Converts a sensor_msgs/CompressedImage to RGB, to be brought to the camera's size once it is looked at.

    Raises:
        ObservationError: see ``ttt_ros.control.images``.
    """
    return DeferredImage(decode_compressed(memoryview(message.data), message.format), camera)
