"""The DDS transport between processes: without shared memory, or with enough of it for large images."""

import os
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_OLDER_NAME = ("humble", "jazzy")


def transport_environment(environment: Mapping[str, str] = os.environ, *, large_images: bool = False) -> dict[str, str]:
    """Variables that make Fast DDS read a profile of the package; none where the user has chosen profiles already.

    Other middlewares ignore them. Fast DDS up to 2.x, which Humble and Jazzy use, knows the variable under its older name only.

    Args:
        environment: in which the user may have chosen.
        large_images: read config/fastdds.xml, for raw images above 64 KiB, instead of config/fastdds_udp.xml.
    """
    if any(name in environment for name in _VARIABLES):
        return {}
    name = _VARIABLES[1] if environment.get("ROS_DISTRO") in _OLDER_NAME else _VARIABLES[0]
    return {name: str(Path(get_package_share_directory("ttt_ros"), "config", "fastdds.xml" if large_images else "fastdds_udp.xml"))}
