"""Messages as they are recorded, made without ROS."""

from typing import Any

import numpy as np

from ttt_ros.bags.content import types

NOTHING = np.zeros(0)
JOINT_STATE = "sensor_msgs/msg/JointState"


def made(kind: str, **fields: Any) -> Any:
    return types().types[kind](**fields)


def header(sec: int = 0, nanosec: int = 0) -> Any:
    return made("std_msgs/msg/Header", stamp=made("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec), frame_id="")


def joint_state(names: list[str], positions: list[float]) -> Any:
    return made(JOINT_STATE, header=header(3, 5), name=names, position=np.array(positions), velocity=NOTHING, effort=NOTHING)


def trajectory(names: list[str], *points: list[float]) -> Any:
    zero = made("builtin_interfaces/msg/Duration", sec=0, nanosec=0)
    kind = "trajectory_msgs/msg/JointTrajectoryPoint"
    each = [
        made(kind, positions=np.array(point), velocities=NOTHING, accelerations=NOTHING, effort=NOTHING, time_from_start=zero)
        for point in points
    ]
    return made("trajectory_msgs/msg/JointTrajectory", header=header(), joint_names=names, points=each)


def numbers(*values: float) -> Any:
    layout = made("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
    return made("std_msgs/msg/Float64MultiArray", layout=layout, data=np.array(values))


def image(encoding: str = "rgb8") -> Any:
    """Black, of 3 x 2 pixels."""
    step = 6 if encoding == "16UC1" else 9
    data = np.zeros(2 * step, dtype=np.uint8)
    return made("sensor_msgs/msg/Image", header=header(), height=2, width=3, encoding=encoding, is_bigendian=0, step=step, data=data)


def text(words: str) -> Any:
    return made("std_msgs/msg/String", data=words)
