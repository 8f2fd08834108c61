"""The simulation node on the topics of a robot."""

import math
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from ros_graph import Graph, Inbox
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from ttt_ros.errors import ConfigurationError, SimulationError
from ttt_ros.nodes.quality_of_service import LATCHED
from ttt_ros.nodes.recorder_node import DEEP_SENSOR
from ttt_ros.nodes.simulation_node import NO_DISTANCE, SimulationNode
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.simulation.arm import HOME, JOINT_NAMES, PARKED
from ttt_ros.simulation.engine import STEPS_PER_SECOND, Simulation

pytestmark = pytest.mark.ros

SMALL = {"image_width": 64, "image_height": 48}
PAN = JOINT_NAMES.index("shoulder_pan")
LIFT = JOINT_NAMES.index("shoulder_lift")


class Simulated:
    """A running simulation node and what it says."""

    camera = "scene"

    def __init__(self, graph: Graph, *, namespace: str = "", **parameters: object) -> None:
        prefix = f"{namespace}/" if namespace else ""
        self.graph = graph
        self.joints: Inbox[JointState] = graph.listen(JointState, f"{prefix}joint_states", DEEP_SENSOR)
        self.images: Inbox[Image] = graph.listen(Image, f"{prefix}camera/{self.camera}/image_raw", DEEP_SENSOR)
        graph.start(SimulationNode, SMALL | {"real_time_factor": 2.0} | parameters, namespace=namespace or None)
        graph.wait_until(lambda: bool(self.joints.messages) and bool(self.images.messages), "the first messages")
        self._commands = graph.publisher(JointTrajectory, f"{prefix}joint_trajectory")

    def command(self, *points: tuple[float, list[float]], joints: tuple[str, ...] = JOINT_NAMES) -> None:
        """Publishes a trajectory of (seconds from start, positions)."""
        trajectory = JointTrajectory(joint_names=list(joints))
        for time, positions in points:
            point = JointTrajectoryPoint(positions=positions)
            point.time_from_start.sec, point.time_from_start.nanosec = divmod(round(time * 1e9), 1_000_000_000)
            trajectory.points.append(point)
        self._commands.publish(trajectory)

    def position(self) -> np.ndarray:
        """The newest joint positions."""
        return np.array(self.joints.latest.position)

    def wait_for_position(self, joint: int, value: float) -> None:
        """Waits until a joint stands close to ``value``."""
        self.graph.wait_until(lambda: abs(self.position()[joint] - value) < 0.03, f"joint {joint} at {value} rad")

    def wait_for_more(self, inbox: Inbox[Image] | Inbox[JointState], count: int = 5) -> None:
        """Waits for further messages of a stream."""
        start = len(inbox)
        self.graph.wait_until(lambda: len(inbox) >= start + count, f"{count} more messages")


def pixels(image: Image) -> np.ndarray:
    return np.frombuffer(image.data, dtype=np.uint8).reshape(image.height, image.width, 3)


def test_sensors_come_at_their_rates_by_stamps_that_are_multiples_of_the_physics_step(graph: Graph) -> None:
    clocks: Inbox[Clock] = graph.listen(Clock, "/clock", DEEP_SENSOR)
    simulated = Simulated(graph)
    graph.wait_until(lambda: len(simulated.images) > 40 and len(simulated.joints) > 120, "more than a second of messages")
    for inbox, steps in ((simulated.joints, 3), (simulated.images, 10)):
        stamps = [nanoseconds(message.header.stamp) for message in inbox.messages]
        counts = [round(stamp * STEPS_PER_SECOND / 1e9) for stamp in stamps]
        assert stamps == [count * 1_000_000_000 // STEPS_PER_SECOND for count in counts]
        gaps = [later - earlier for earlier, later in pairwise(counts)]
        assert all(gap % steps == 0 and gap > 0 for gap in gaps)
        assert gaps.count(steps) >= 0.95 * len(gaps)  # best effort may lose a few
    times = [nanoseconds(clock.clock) for clock in clocks.messages]
    sensed = {nanoseconds(message.header.stamp) for inbox in (simulated.joints, simulated.images) for message in inbox.messages}
    assert times == sorted(times)
    assert len(sensed.intersection(times)) > 0.9 * len(sensed)


def test_joint_states_name_every_joint_with_position_and_velocity_from_the_home_pose(graph: Graph) -> None:
    simulated = Simulated(graph)
    first = simulated.joints.messages[0]
    assert tuple(first.name) == JOINT_NAMES
    assert len(first.velocity) == len(JOINT_NAMES)
    np.testing.assert_allclose(first.position, HOME, atol=0.02)


def test_camera_info_fits_the_images(graph: Graph) -> None:
    infos = graph.listen(CameraInfo, "camera/scene/camera_info", DEEP_SENSOR)
    simulated = Simulated(graph)
    graph.wait_until(lambda: len(infos) > 3, "camera infos")
    frames = {nanoseconds(image.header.stamp): image for image in simulated.images.messages}
    (info, *_) = [info for info in infos.messages if nanoseconds(info.header.stamp) in frames]
    image = frames[nanoseconds(info.header.stamp)]
    assert (info.width, info.height) == (image.width, image.height) == (64, 48)
    assert (image.encoding, image.step, len(image.data)) == ("rgb8", 3 * 64, 3 * 64 * 48)
    assert info.header.frame_id == image.header.frame_id == "scene_camera"
    fx, _, cx, _, fy, cy, *_ = info.k
    assert fx == fy > 0.0
    assert (cx, cy) == (32.0, 24.0)
    np.testing.assert_array_equal(np.reshape(info.p, (3, 4))[:, :3], np.reshape(info.k, (3, 3)))
    assert pixels(image).std() > 5.0  # something is to be seen


def test_a_trajectory_of_some_joints_moves_those_and_keeps_the_others(graph: Graph) -> None:
    simulated = Simulated(graph)
    simulated.command((0.0, [0.4]), joints=("shoulder_pan",))
    simulated.wait_for_position(PAN, 0.4)
    np.testing.assert_allclose(simulated.position()[1:], HOME[1:], atol=0.05)
    simulated.command((0.0, [-0.6]), joints=("shoulder_lift",))
    simulated.wait_for_position(LIFT, -0.6)
    assert abs(simulated.position()[PAN] - 0.4) < 0.05


def test_the_points_of_a_trajectory_are_steered_for_one_after_the_other(graph: Graph) -> None:
    simulated = Simulated(graph)
    simulated.command((1.0, [0.4]), (2.0, [-0.4]), joints=("shoulder_pan",))
    simulated.wait_for_position(PAN, 0.4)
    reached = nanoseconds(simulated.joints.latest.header.stamp)
    simulated.wait_for_position(PAN, -0.4)
    assert nanoseconds(simulated.joints.latest.header.stamp) > reached


@pytest.mark.parametrize(
    ("joints", "positions", "reason"),
    [
        (("shoulder_pan", "tail"), [0.5, 0.5], "unknown joint tail; this robot has shoulder_pan"),
        (("shoulder_pan",), [math.nan], "point 0 needs 1 finite positions"),
        (("shoulder_pan",), [math.inf], "point 0 needs 1 finite positions"),
        (("shoulder_pan",), [0.5, 0.5], "point 0 needs 1 finite positions"),
    ],
)
def test_a_trajectory_that_cannot_be_followed_is_refused_and_moves_nothing(
    graph: Graph, joints: tuple[str, ...], positions: list[float], reason: str
) -> None:
    simulated = Simulated(graph)
    simulated.command((0.0, positions), joints=joints)
    graph.wait_for_log("simulation", "trajectory refused", reason)
    simulated.wait_for_more(simulated.joints, 30)
    assert abs(simulated.position()[PAN]) < 0.02
    simulated.command((0.0, [0.3]), joints=("shoulder_pan",))
    simulated.wait_for_position(PAN, 0.3)


def test_shifts_change_what_the_running_robot_sees_and_feels(graph: Graph) -> None:
    simulated = Simulated(graph)
    before = pixels(simulated.images.latest).mean(axis=(0, 1))
    changes = {"shift.colour_cast": [1.0, 0.5, 1.0], "shift.encoder_offset": [0.2, 0.0, 0.0, 0.0, 0.0, 0.0]}
    assert all(result.successful for result in graph.set_parameters("simulation", changes))
    simulated.wait_for_more(simulated.images)
    after = pixels(simulated.images.latest).mean(axis=(0, 1))
    assert after[1] == pytest.approx(0.5 * before[1], rel=0.1)
    assert after[0] == pytest.approx(before[0], rel=0.1)
    # The servo then drives the joint back to where the shifted encoder reads what was commanded.
    graph.wait_until(lambda: max(message.position[PAN] for message in simulated.joints.messages) > 0.1, "a jump of the joint states")
    simulated.wait_for_position(PAN, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("shift.light", 5.0, "shift 'light' = 5.0: 5.0 must be a finite number from 0.1 to 3.0"),
        ("shift.light", math.nan, "must be a finite number"),
        ("shift.encoder_offset", [0.1], "must be a tuple of 6 numbers, like its default"),
        ("shift.corruption", "rain", "shift 'corruption' = 'rain' must be empty or one of"),
        ("shift.payload", -1.0, "must be a finite number from 0.0 to 0.5"),
        ("image_width", 128, "read-only"),
        ("seed", -1, "seed"),
    ],
)
def test_a_bad_shift_is_refused_with_the_reason_and_changes_nothing(graph: Graph, name: str, value: object, reason: str) -> None:
    simulated = Simulated(graph)
    before = pixels(simulated.images.latest).mean()
    (result,) = graph.set_parameters("simulation", {name: value})
    assert not result.successful
    assert reason in result.reason
    simulated.wait_for_more(simulated.images, 2)
    assert pixels(simulated.images.latest).mean() == pytest.approx(before, rel=0.02)


def test_bad_parameters_at_start_are_named(graph: Graph) -> None:
    with pytest.raises(SimulationError, match="shift 'light' = 9"):
        graph.start(SimulationNode, {"shift.light": 9.0})
    with pytest.raises(ConfigurationError, match=r"unknown parameter shift\.lights .*shift\.light"):
        graph.start(SimulationNode, {"shift.lights": 1.0})


def test_reset_draws_the_next_scene_and_brings_the_arm_home(graph: Graph) -> None:
    simulated = Simulated(graph)
    simulated.command((0.0, [0.8]), joints=("shoulder_pan",))
    simulated.wait_for_position(PAN, 0.8)
    for scene in (1, 2):
        answer = graph.call(Trigger, "simulation/reset", Trigger.Request())
        assert (answer.success, answer.message) == (True, f"scene {scene}")
    simulated.wait_for_position(PAN, 0.0)
    simulated.wait_for_more(simulated.joints, 50)
    assert abs(simulated.position()[PAN]) < 0.03  # the trajectory of before is forgotten
    stamps = [nanoseconds(message.header.stamp) for message in simulated.joints.messages]
    assert stamps == sorted(stamps)  # time goes on


OVERHEAD = {"cameras": ["overhead"], "parked": True, "mark": False}


class Overhead(Simulated):
    """A simulation node with the overhead camera and the arm parked."""

    camera = "overhead"


def test_the_cameras_are_those_asked_for_and_the_arm_starts_parked_where_asked(graph: Graph) -> None:
    simulated = Overhead(graph, **OVERHEAD)
    np.testing.assert_allclose(simulated.joints.messages[0].position, PARKED, atol=0.02)
    topics = {name for name, _ in graph.tester.get_topic_names_and_types()}
    assert "/camera/overhead/image_raw" in topics
    assert "/camera/wrist/image_raw" not in topics
    with pytest.raises(SimulationError, match="unknown camera 'ceiling'"):
        graph.start(SimulationNode, {"cameras": ["ceiling"]})


def test_rearranging_lays_the_cubes_out_anew_while_the_arm_stays(graph: Graph) -> None:
    simulated = Overhead(graph, **OVERHEAD)
    before = pixels(simulated.images.latest).astype(int)
    simulated.wait_for_more(simulated.images, 3)
    assert np.abs(pixels(simulated.images.latest) - before).max() < 10
    answer = graph.call(Trigger, "simulation/rearrange", Trigger.Request())
    assert (answer.success, answer.message) == (True, "scene 1")
    simulated.wait_for_more(simulated.images, 3)
    assert np.abs(pixels(simulated.images.latest) - before).max() > 50
    np.testing.assert_allclose(simulated.position(), PARKED, atol=0.02)
    assert graph.call(Trigger, "simulation/reset", Trigger.Request()).message == "scene 2"


def test_it_is_told_once_for_each_goal_how_far_from_the_cube_the_arm_came_to_rest(graph: Graph) -> None:
    settled = graph.listen(Float64, "simulation/settled")
    simulated = Overhead(graph, **OVERHEAD)
    instructions = graph.publisher(String, "instruction", LATCHED)
    same_scene = Simulation(cameras={}, seed=0)
    same_scene.rearrange(0, mark=False)
    beside = same_scene.cube_position("green") + np.array([0.03, 0.0, 0.07])
    instructions.publish(String(data="point at the green cube"))
    simulated.wait_for_more(simulated.joints, 100)
    assert not settled.messages  # at rest, but it has not moved yet
    simulated.command((1.0, same_scene.kinematics.joints(beside).tolist()))
    graph.wait_until(lambda: bool(settled.messages), "the arm at rest")
    assert settled.latest.data == pytest.approx(0.03, abs=0.005)
    instructions.publish(String(data="return to rest"))
    simulated.command((1.0, list(PARKED)))
    graph.wait_until(lambda: len(settled) > 1, "the arm parked")
    assert settled.latest.data == NO_DISTANCE
    simulated.wait_for_more(simulated.joints, 100)
    assert len(settled) == 2


def test_success_is_told_with_the_instruction_and_the_touched_colour(graph: Graph) -> None:
    succeeded = graph.listen(String, "simulation/succeeded", LATCHED)
    touched = graph.listen(String, "simulation/touched", LATCHED)
    simulated = Simulated(graph, seed=5)
    instructions = graph.publisher(String, "instruction", LATCHED)
    instructions.publish(String(data="touch the purple cube"))
    graph.wait_for_log("simulation", "unknown instruction 'touch the purple cube'; known are")
    instructions.publish(String(data="touch the red cube"))

    same_scene = Simulation(cameras={}, seed=5)
    cube = same_scene.cube_position("red")
    above, at = (same_scene.kinematics.joints(cube + np.array([0.0, 0.0, height])) for height in (0.1, 0.01))
    simulated.command((1.5, above.tolist()), (3.0, at.tolist()))
    graph.wait_until(lambda: bool(succeeded.messages) and bool(touched.messages), "success")
    assert succeeded.messages[0].data == "touch the red cube"
    assert touched.messages[0].data == "red"


def test_the_same_seed_gives_the_same_images_and_joint_states(graph: Graph) -> None:
    noise = {"shift.sensor_noise": 5.0, "seed": 7}
    left, right, other = (
        Simulated(graph, namespace=name, **(noise | changes)) for name, changes in (("left", {}), ("right", {}), ("other", {"seed": 8}))
    )

    def by_stamp(inbox: Inbox[Image] | Inbox[JointState], field: str) -> dict[int, bytes]:
        return {nanoseconds(message.header.stamp): bytes(getattr(message, field)) for message in inbox.messages}

    def common(stream: str, field: str) -> tuple[dict[int, bytes], dict[int, bytes], dict[int, bytes], set[int]]:
        tables = [by_stamp(getattr(node, stream), field) for node in (left, right, other)]
        return (*tables, tables[0].keys() & tables[1].keys() & tables[2].keys())

    graph.wait_until(lambda: len(common("images", "data")[3]) >= 10 and len(common("joints", "position")[3]) >= 30, "common stamps")
    for stream, field in (("images", "data"), ("joints", "position")):
        first, second, _, stamps = common(stream, field)
        assert all(first[stamp] == second[stamp] for stamp in stamps)
    first, _, third, stamps = common("images", "data")
    assert all(first[stamp] != third[stamp] for stamp in stamps)
