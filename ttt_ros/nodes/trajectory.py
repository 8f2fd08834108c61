"""Following a joint trajectory as a position controller does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.errors import ActionError

Positions = NDArray[np.float64]


class TrajectoryFollower:
    """Holds the newest trajectory and answers with the waypoint to steer for: the first one whose time has not come yet."""

    def __init__(self, joint_names: Sequence[str]) -> None:
        self._joint_names = tuple(joint_names)
        self._times: list[float] = []
        self._waypoints: list[Positions] = []

    def clear(self) -> None:
        """Forgets the trajectory."""
        self._times, self._waypoints = [], []

    def follow(self, message: JointTrajectory, *, now: float, current: Positions) -> None:
        """Replaces the trajectory; joints that it does not name keep their place in ``current`` [rad]. An empty one is a stop.

        Raises:
            ActionError: a joint is unknown, a point has another number of positions than joints, or a value is not finite.
        """
        unknown = [name for name in message.joint_names if name not in self._joint_names]
        if unknown:
            raise ActionError(f"unknown joint {', '.join(unknown)}; this robot has {', '.join(self._joint_names)}")
        columns = [self._joint_names.index(name) for name in message.joint_names]
        times, waypoints = [], []
        for index, point in enumerate(message.points):
            if len(point.positions) != len(columns) or not np.isfinite(point.positions).all():
                raise ActionError(f"point {index} needs {len(columns)} finite positions, got {list(point.positions)}")
            waypoint = np.array(current, dtype=np.float64)
            waypoint[columns] = point.positions
            times.append(now + point.time_from_start.sec + point.time_from_start.nanosec * 1e-9)
            waypoints.append(waypoint)
        self._times, self._waypoints = times, waypoints

    def target(self, now: float) -> Positions | None:
        """The waypoint to steer for at ``now`` [s], or None without a trajectory; after the end, the last one."""
        while len(self._times) > 1 and self._times[0] <= now:
            self._times.pop(0)
            self._waypoints.pop(0)
        return self._waypoints[0] if self._waypoints else None
