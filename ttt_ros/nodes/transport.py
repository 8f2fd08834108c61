"""The DDS transports between processes, each a file of Fast DDS profiles in config/."""

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_OLDER_NAME = ("humble", "jazzy")


class Transport(Enum):
    """By what each is for; the files say why."""

    SMALL_IMAGES = "fastdds_udp.xml"
    LARGE_IMAGES = "fastdds.xml"
    THIS_MACHINE = "fastdds_localhost.xml"


def transport_environment(environment: Mapping[str, str] = os.environ, *, transport: Transport = Transport.SMALL_IMAGES) -> dict[str, str]:
    """Variables that make Fast DDS read the profiles of ``transport``; none where ``environment`` names profiles already.

    Other middlewares ignore them. Fast DDS up to 2.x, which Humble and Jazzy use, knows the variable under its older name only.
    """
    if any(name in environment for name in _VARIABLES):
        return {}
    name = _VARIABLES[1] if environment.get("ROS_DISTRO") in _OLDER_NAME else _VARIABLES[0]
    return {name: str(Path(get_package_share_directory("ttt_ros"), "config", transport.value))}
