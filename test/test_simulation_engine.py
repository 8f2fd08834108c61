"""The simulated robot: determinism, time, commands, cameras and layouts."""

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation import engine
from ttt_ros.simulation.arm import HOME, JOINT_LIMITS, JOINT_NAMES, ArmKinematics
from ttt_ros.simulation.engine import CAMERAS, CONTROL_PERIOD, TIMESTEP, Simulation
from ttt_ros.simulation.layout import COLOURS, CUBE_HALF_SIZE, draw_layout, push_station
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import Skill, Task

MODEL = mujoco.MjModel.from_xml_path(str(Path(engine.__file__).parent / "assets" / "desk_arm.xml"))
REACHED = np.array([0.4, 0.3, 0.2, 1.0, -0.5, 0.5])
CHANNELS = {"red": 0, "green": 1, "blue": 2}


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()


def run(simulation: Simulation, seed: int) -> list[NDArray[np.generic]]:
    simulation.reset(seed, random_pose=seed % 2 == 1)
    seen: list[NDArray[np.generic]] = []
    for index in range(12):
        simulation.command(np.array(HOME) + 0.1 * np.sin(index + np.arange(6)))
        simulation.advance(CONTROL_PERIOD)
        seen += [simulation.joint_positions(), simulation.joint_velocities(), *(simulation.cube_position(colour) for colour in COLOURS)]
    return [*seen, simulation.mark_position(), *(simulation.render(camera) for camera in CAMERAS)]


def cube_mask(image: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Pixels in which the colour's channel outshines both others by far."""
    others = np.delete(image.astype(int), CHANNELS[colour], axis=2).max(axis=2)
    return np.asarray(image[:, :, CHANNELS[colour]].astype(int) > others * 1.8 + 20)


def pixel_of(point: NDArray[np.float64], simulation: Simulation) -> NDArray[np.float64]:
    """(row, column) of a world point in the scene image, by the pinhole model."""
    camera = MODEL.camera("scene").id
    x, y, z = MODEL.cam_mat0[camera].reshape(3, 3).T @ (point - MODEL.cam_pos0[camera])
    intrinsics = simulation.camera_intrinsics("scene")
    return np.array([intrinsics.cy + intrinsics.fy * y / z, intrinsics.cx - intrinsics.fx * x / z])


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_run_bit_for_bit(shared: Simulation, seed: int) -> None:
    fresh = Simulation(shifts=Shifts(sensor_noise=5.0))
    shared.set_shifts(Shifts(sensor_noise=5.0))
    run(shared, seed + 1)
    for first, second in zip(run(shared, seed), run(fresh, seed), strict=True):
        np.testing.assert_array_equal(first, second)
    shared.set_shifts(Shifts())
    fresh.close()


def test_another_seed_gives_another_layout(shared: Simulation) -> None:
    shared.reset(1)
    first = shared.cube_position("red")
    shared.reset(2)
    assert np.linalg.norm(first - shared.cube_position("red")) > 0.001


def test_a_negative_seed_is_refused(shared: Simulation) -> None:
    with pytest.raises(SimulationError, match="seed -1 must be at least 0"):
        shared.reset(-1)


def test_time_counts_physics_steps_exactly(shared: Simulation) -> None:
    shared.reset(0)
    assert shared.time == 0.0
    shared.step()
    assert shared.time == TIMESTEP
    shared.advance(0.01)
    assert shared.time == 4 / 300
    shared.advance(CONTROL_PERIOD)
    assert shared.time == 14 / 300


@pytest.mark.parametrize("duration", [0.005, 1e-4, -0.01, math.nan, math.inf])
def test_a_duration_between_steps_is_refused(shared: Simulation, duration: float) -> None:
    with pytest.raises(SimulationError, match=r"whole number of steps of 1/300 s"):
        shared.advance(duration)


@pytest.mark.parametrize("command", [np.zeros(5), np.zeros((1, 6)), [0, 0, math.nan, 0, 0, 0], [0, 0, 0, 0, 0, math.inf]])
def test_a_command_that_is_not_six_finite_numbers_is_refused(shared: Simulation, command: object) -> None:
    with pytest.raises(SimulationError, match="must be 6 finite positions"):
        shared.command(command)  # type: ignore[arg-type]  # the point of the test


def test_a_caller_who_reuses_its_array_does_not_change_a_pending_command(shared: Simulation) -> None:
    shared.reset(0)
    order = REACHED.copy()
    shared.command(order)
    order[:] = 0.0
    shared.advance(1.0)
    np.testing.assert_allclose(shared.joint_positions(), REACHED, atol=0.01)


def test_the_arm_reaches_a_commanded_pose_and_rests_there(shared: Simulation) -> None:
    shared.reset(0)
    shared.command(REACHED)
    shared.advance(1.5)
    np.testing.assert_allclose(shared.joint_positions(), REACHED, atol=0.005)
    np.testing.assert_allclose(shared.joint_velocities(), 0.0, atol=0.005)


def test_a_joint_ordered_beyond_its_limit_stops_at_the_limit(shared: Simulation) -> None:
    shared.reset(0)
    shared.command([3.0, *HOME[1:]])
    shared.advance(2.0)
    assert shared.joint_positions()[0] == pytest.approx(JOINT_LIMITS["shoulder_pan"].upper, abs=0.02)


def test_published_limits_names_and_step_are_those_of_the_model() -> None:
    assert [MODEL.joint(index).name for index in range(6)] == list(JOINT_NAMES)
    assert [MODEL.actuator(index).name for index in range(MODEL.nu)] == list(JOINT_NAMES)
    for name, limit in JOINT_LIMITS.items():
        assert tuple(MODEL.joint(name).range) == (limit.lower, limit.upper)
    assert MODEL.opt.timestep == TIMESTEP
    assert {float(MODEL.geom(f"{colour}_cube").size[0]) for colour in COLOURS} == {CUBE_HALF_SIZE}


@settings(deadline=None)
@given(st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6))
def test_the_kinematics_agree_with_the_model(fractions: list[float]) -> None:
    joints = np.array(
        [limit.lower + (limit.upper - limit.lower) * (f + 1) / 2 for limit, f in zip(JOINT_LIMITS.values(), fractions, strict=True)]
    )
    data = mujoco.MjData(MODEL)
    data.qpos[:6] = joints
    mujoco.mj_kinematics(MODEL, data)
    np.testing.assert_allclose(ArmKinematics.of(MODEL).tip(joints), data.site("tip").xpos, atol=1e-12)


@settings(deadline=None)
@given(radius=st.floats(0.12, 0.32), azimuth=st.floats(-0.7, 0.7), height=st.floats(0.012, 0.1))
def test_inverse_kinematics_bring_the_tip_to_any_point_above_the_work_area_within_the_limits(
    radius: float, azimuth: float, height: float
) -> None:
    kinematics = ArmKinematics.of(MODEL)
    point = np.array([radius * math.cos(azimuth), radius * math.sin(azimuth), height])
    joints = kinematics.joints(point)
    np.testing.assert_allclose(kinematics.tip(joints), point, atol=1e-9)
    assert all(limit.lower <= joint <= limit.upper for joint, limit in zip(joints, JOINT_LIMITS.values(), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_layouts_lie_apart_in_reach_and_can_be_pushed(seed: int) -> None:
    layout = draw_layout(np.random.default_rng(seed))
    places = [*layout.cubes, layout.mark]
    assert min(np.linalg.norm(a - b) for i, a in enumerate(places) for b in places[:i]) > 0.06
    assert all(0.15 < np.linalg.norm(place) < 0.28 for place in places)
    kinematics = ArmKinematics.of(MODEL)
    for cube in layout.cubes:
        station = np.array([*push_station(cube, layout.mark), 0.014])
        assert np.linalg.norm(station[:2]) > 0.11
        np.testing.assert_allclose(kinematics.tip(kinematics.joints(station)), station, atol=1e-9)


def test_rearranging_draws_the_layout_of_that_seed_and_leaves_arm_and_task_alone(shared: Simulation) -> None:
    shared.reset(8)
    expected = [shared.cube_position(colour) for colour in COLOURS]
    shared.reset(3)
    task = Task(skill=Skill.TOUCH, colour="red")
    shared.start(task)
    shared.command(REACHED)
    shared.advance(0.2)
    pose, velocity, time = shared.joint_positions(), shared.joint_velocities(), shared.time
    shared.rearrange(8)
    np.testing.assert_array_equal([shared.cube_position(colour) for colour in COLOURS], expected)
    np.testing.assert_array_equal(shared.joint_positions(), pose)
    np.testing.assert_array_equal(shared.joint_velocities(), velocity)
    assert (shared.time, shared.task) == (time, task)
    with pytest.raises(SimulationError, match="seed -1 must be at least 0"):
        shared.rearrange(-1)


def test_the_overhead_camera_is_there_for_those_who_ask_for_it(shared: Simulation) -> None:
    simulation = Simulation(cameras={"overhead": (64, 64)}, seed=2)
    assert all(cube_mask(simulation.render("overhead"), colour).sum() > 9 for colour in COLOURS)
    simulation.close()
    with pytest.raises(SimulationError, match="unknown camera 'overhead'; known are: scene, wrist"):
        shared.render("overhead")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_moves_while_the_arm_keeps_its_pose(shared: Simulation, seed: int) -> None:
    shared.reset(seed, random_pose=True)
    pose, cubes = shared.joint_positions(), [shared.cube_position(colour) for colour in COLOURS]
    shared.advance(1.0)
    np.testing.assert_allclose(shared.joint_positions(), pose, atol=1e-3)
    np.testing.assert_allclose([shared.cube_position(colour) for colour in COLOURS], cubes, atol=1e-3)


def test_images_have_the_size_asked_for() -> None:
    simulation = Simulation(cameras={"scene": (48, 64), "wrist": (32, 32)})
    assert simulation.render("scene").shape == (48, 64, 3)
    assert simulation.render("wrist").shape == (32, 32, 3)
    assert simulation.render("wrist").dtype == np.uint8
    simulation.close()


@pytest.mark.parametrize("seed", range(4))
def test_each_cube_is_seen_where_the_intrinsics_say_and_at_least_seven_pixels_wide(shared: Simulation, seed: int) -> None:
    shared.reset(seed)
    image = shared.render("scene")
    for colour in COLOURS:
        mask = cube_mask(image, colour)
        centre = np.argwhere(mask).mean(axis=0) + 0.5
        np.testing.assert_allclose(centre, pixel_of(shared.cube_position(colour), shared), atol=1.0)
        assert mask.any(axis=0).sum() >= 7


def test_the_wrist_camera_sees_the_cube_below_the_hand(shared: Simulation) -> None:
    shared.reset(0)
    above = shared.cube_position("blue") + np.array([-0.03, 0.0, 0.08])
    shared.command(shared.kinematics.joints(above))
    shared.advance(1.5)
    assert cube_mask(shared.render("wrist"), "blue").mean() > 0.02


def test_an_image_stays_what_it_was_when_the_next_is_taken(shared: Simulation) -> None:
    shared.reset(0)
    first = shared.render("scene")
    kept = first.copy()
    shared.command(REACHED)
    shared.advance(0.5)
    assert (shared.render("scene") != kept).any()
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("call", [lambda s: s.render("side"), lambda s: s.camera_intrinsics("side")])
def test_an_unknown_camera_is_refused(shared: Simulation, call: object) -> None:
    with pytest.raises(SimulationError, match="unknown camera 'side'; known are: scene, wrist"):
        call(shared)  # type: ignore[operator]


@pytest.mark.parametrize("cameras", [{"side": (96, 96)}, {"scene": (0, 96)}])
def test_cameras_that_cannot_be_are_refused(cameras: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(SimulationError, match=r"camera '(side|scene)'"):
        Simulation(cameras=cameras)


def test_rendering_in_another_thread_than_before_is_refused(shared: Simulation) -> None:
    shared.render("scene")
    raised: list[BaseException] = []

    def render() -> None:
        try:
            shared.render("scene")
        except SimulationError as error:
            raised.append(error)

    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    assert "a GL context belongs to one thread" in str(raised[0])


def test_without_a_gl_library_physics_runs_and_rendering_names_the_packages_to_install() -> None:
    program = (
        "from ttt_ros.simulation.engine import Simulation\nsimulation = Simulation()\nsimulation.advance(0.1)\nsimulation.render('scene')\n"
    )
    root = str(Path(__file__).parent.parent)
    environment = {"MUJOCO_GL": "disabled", "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert "SimulationError: rendering is disabled" in result.stderr
    assert "libegl1 libopengl0 libgl1-mesa-dri" in result.stderr
