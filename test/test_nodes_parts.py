"""The small parts of the nodes: ticks, stamps, trajectories, transport."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.errors import ActionError, ObservationError
from ttt_ros.nodes.tick_monitor import TickMonitor
from ttt_ros.policies.specification import CameraSpecification

pytest.importorskip("rclpy", reason="needs ROS 2")
pytestmark = pytest.mark.ros

from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from ttt_ros.nodes import image_input  # noqa: E402
from ttt_ros.nodes.stamps import nanoseconds, serialized_stamp, stamp  # noqa: E402
from ttt_ros.nodes.trajectory import TrajectoryFollower  # noqa: E402
from ttt_ros.nodes.transport import Transport, transport_environment  # noqa: E402

MILLISECOND = 1_000_000


@given(st.integers(min_value=0, max_value=2**31 * 1_000_000_000 - 1))
def test_a_stamp_survives_the_message_and_is_read_without_deserializing(time: int) -> None:
    message = Image(width=3)
    message.header.stamp = stamp(time)
    assert nanoseconds(message.header.stamp) == time
    assert serialized_stamp(serialize_message(message)) == time


class _BridgeError(TypeError):
    """Stands in for that of cv_bridge, which only a ROS installation has."""


class _Bridge:
    def imgmsg_to_cv2(self, message: Image, desired_encoding: str) -> None:
        raise _BridgeError(f"no conversion to {desired_encoding}")


def test_an_image_that_cv_bridge_cannot_convert_is_refused_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_input, "CvBridge", _Bridge)
    monkeypatch.setattr(image_input, "CvBridgeError", _BridgeError, raising=False)
    message = Image(encoding="bayer_rggb8", height=4, width=4, step=4, data=bytes(16))
    with pytest.raises(ObservationError, match=r"cannot be converted from bayer_rggb8 \(no conversion to rgb8\); check the camera driver"):
        image_input.raw_image(message, CameraSpecification(name="scene", height=4, width=4))


@pytest.mark.parametrize(
    ("times", "missed"),
    [
        ([0, 33, 67, 100], 0),
        ([0, 43, 67, 110, 133], 0),  # late by less than half a period, and in time again
        ([0, 60, 67, 100], 0),  # late by nearly a period
        ([0, 33, 133, 167], 2),
        ([0, 33, 20, 53], 0),  # the clock was set back
    ],
)
def test_only_ticks_that_never_came_are_missed(times: list[int], missed: int) -> None:
    monitor = TickMonitor(1 / 30)
    for time in times:
        monitor.tick(time * MILLISECOND)
    assert (monitor.met, monitor.missed) == (len(times), missed)


def _trajectory(names: list[str], *points: tuple[float, list[float]]) -> JointTrajectory:
    message = JointTrajectory(joint_names=names)
    for seconds, positions in points:
        point = JointTrajectoryPoint(positions=positions)
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(round(seconds * 1e9), 10**9)
        message.points.append(point)
    return message


def test_a_trajectory_steers_for_the_first_waypoint_that_is_still_to_come() -> None:
    follower = TrajectoryFollower(["a", "b"])
    follower.follow(_trajectory(["a", "b"], (0.1, [1.0, 2.0]), (0.2, [3.0, 4.0])), now=5.0, current=np.zeros(2))
    assert [follower.target(now).tolist() for now in (5.0, 5.09, 5.11, 9.0)] == [[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [3.0, 4.0]]


def test_joints_that_a_trajectory_does_not_name_keep_their_place() -> None:
    follower = TrajectoryFollower(["a", "b"])
    follower.follow(_trajectory(["b"], (0.1, [2.0])), now=0.0, current=np.array([7.0, 0.0]))
    assert follower.target(0.0).tolist() == [7.0, 2.0]


def test_an_empty_trajectory_is_a_stop() -> None:
    follower = TrajectoryFollower(["a"])
    follower.follow(_trajectory(["a"], (0.1, [2.0])), now=0.0, current=np.zeros(1))
    follower.follow(_trajectory(["a"]), now=0.0, current=np.zeros(1))
    assert follower.target(0.0) is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (_trajectory(["a", "tail"], (0.1, [1.0, 1.0])), "unknown joint tail; this robot has a, b"),
        (_trajectory(["a", "b"], (0.1, [1.0])), "point 0 needs 2 finite positions"),
        (_trajectory(["a", "b"], (0.1, [1.0, float("nan")])), "point 0 needs 2 finite positions"),
    ],
)
def test_a_wrong_trajectory_is_refused_and_the_one_before_goes_on(message: JointTrajectory, words: str) -> None:
    follower = TrajectoryFollower(["a", "b"])
    follower.follow(_trajectory(["a", "b"], (0.1, [1.0, 2.0])), now=0.0, current=np.zeros(2))
    with pytest.raises(ActionError, match=words):
        follower.follow(message, now=0.0, current=np.zeros(2))
    assert follower.target(0.0).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [
        ("humble", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_the_transport_is_given_by_the_name_that_the_distribution_knows(distribution: str, variable: str) -> None:
    environment = transport_environment({"ROS_DISTRO": distribution})
    assert list(environment) == [variable]
    assert environment[variable].endswith("config/fastdds_udp.xml")
    assert transport_environment({"ROS_DISTRO": distribution}, transport=Transport.LARGE_IMAGES)[variable].endswith("config/fastdds.xml")


def test_profiles_that_the_user_chose_are_left_alone() -> None:
    assert transport_environment({"ROS_DISTRO": "kilted", "FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml"}) == {}
