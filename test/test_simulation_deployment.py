"""Deployments: the same physics as the simulation, repeatable, with something to win, and an expert that wins it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME, JOINT_NAMES, PARKED, ArmKinematics
from ttt_ros.simulation.deployment import CAMERA, Deployment
from ttt_ros.simulation.engine import CONTROL_PERIOD, MODEL_PATH, Simulation
from ttt_ros.simulation.layout import draw_cubes
from ttt_ros.simulation.pointing import HORIZON, PointingExpert
from ttt_ros.simulation.robots import Range, Robot, Unseen
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts
from ttt_ros.simulation.tasks import POINT_TOLERANCE, REST, Skill

NOMINAL = Robot(seed=0, properties=())
COUPLED = Shifts(
    encoder_offset=(0.1, -0.1, 0.08, -0.06, 0.1, 0.1),
    actuator_gain=(0.9, 1.1, 0.95, 1.05, 1.0, 1.0),
    cross_coupling=(
        0.0,
        0.05,
        -0.05,
        0.05,
        0,
        0,
        0.05,
        0.0,
        0.05,
        -0.05,
        0,
        0,
        -0.05,
        0.05,
        0.0,
        0.05,
        0,
        0,
        0.05,
        0.05,
        -0.05,
        *(0.0,) * 15,
    ),
    action_delay=0.15,
    payload=0.15,
)


@dataclass(frozen=True)
class Fixed:
    """A robot with given shifts."""

    values: Shifts

    def shifts(self, goal_index: int) -> Shifts:
        return self.values


def deployment_with(shifts: Shifts, *, seed: int = 0) -> Deployment:
    return Deployment(Fixed(shifts), seed=seed)  # type: ignore[arg-type]  # stands in for a robot


@pytest.fixture(scope="module")
def nominal() -> Iterator[Deployment]:
    made = Deployment(NOMINAL, seed=5)
    yield made
    made.close()


def point(deployment: Deployment, index: int) -> float:
    """Points as the expert does, from where the arm is; the distance, m."""
    deployment.begin_goal(index)
    deployment.play(deployment.demonstration().chunk)
    return deployment.result().distance_m


@pytest.mark.parametrize("shifts", [NO_SHIFTS, COUPLED, Shifts(action_delay=0.02, bent_hand=(0.01, -0.01), backlash=0.1)])
def test_an_arm_under_deployment_moves_as_it_does_in_the_simulation(shifts: Shifts) -> None:
    deployment, simulation = deployment_with(shifts), Simulation(shifts=shifts)
    for pose in (HOME, PARKED):
        deployment.play(np.tile(pose, (60, 1)))
        simulation.command(pose)
        simulation.advance(2.0)
    chunk = deployment.demonstration().chunk
    for start, end in ((0, 7), (7, 15), (15, 22), (22, 40)):
        deployment.play(chunk[start:end])
        for positions in chunk[start:end]:
            simulation.command(positions)
            simulation.advance(CONTROL_PERIOD)
        np.testing.assert_allclose(deployment.observe().joint_positions, simulation.joint_positions(), atol=2e-4)
    assert deployment.time == pytest.approx(simulation.time)
    deployment.close()


@pytest.mark.parametrize("shifts", [NO_SHIFTS, COUPLED, Shifts(bent_hand=(0.015, -0.01)), Shifts(backlash=0.12), Shifts(action_delay=0.15)])
def test_the_expert_settles_within_two_millimetres_of_the_cube_whatever_is_hidden(shifts: Shifts) -> None:
    deployment = deployment_with(shifts, seed=3)
    for index in range(8):
        assert point(deployment, index) < 0.002
        assert deployment.result().success
        assert deployment.result().height_m == pytest.approx(0.09, abs=0.004)
        deployment.rest()
        deployment.play(deployment.demonstration().chunk)


@pytest.mark.parametrize("span", list(Range))
def test_the_expert_wins_every_goal_of_drifting_robots_within_speed_limits(span: Range) -> None:
    for seed in range(6):
        deployment = Deployment(Robot(seed=seed, range=span), seed=seed)
        for index in range(0, 200, 40):
            deployment.begin_goal(index)
            for _ in range(2):
                before = deployment.demonstration().chunk
                steps = np.abs(np.diff(before, axis=0)).max()
                assert steps < 0.14
                assert steps / CONTROL_PERIOD < 4.0
                deployment.play(before)
                if deployment.task is not REST:
                    assert deployment.result().distance_m < 0.002
                    deployment.rest()


def test_a_chunk_of_the_expert_starts_at_the_last_command_and_ends_at_rest(nominal: Deployment) -> None:
    nominal.park()
    chunk = nominal.demonstration().chunk
    assert chunk.shape == (HORIZON, len(JOINT_NAMES))
    np.testing.assert_allclose(chunk[0], PARKED, atol=0.01)
    np.testing.assert_array_equal(chunk[-10:], np.tile(chunk[-1], (10, 1)))
    assert (chunk[:, 4:] == 0).all()


def test_there_is_something_to_win_an_encoder_offset_makes_the_nominal_command_miss(nominal: Deployment) -> None:
    shifted = deployment_with(Shifts(encoder_offset=(0.1, 0.1, 0.0, 0.0, 0.0, 0.0)), seed=5)
    for index in range(5):
        nominal.park()
        shifted.park()
        nominal.begin_goal(index)
        shifted.begin_goal(index)
        assert nominal.instruction == shifted.instruction
        shifted.play(nominal.demonstration().chunk)
        assert not shifted.result().success
        assert shifted.result().distance_m > POINT_TOLERANCE


def test_after_resting_the_command_is_parked_and_the_hand_out_of_view(nominal: Deployment) -> None:
    point(nominal, 2)
    assert nominal.landmarks()[3, 2] == 1.0
    nominal.rest()
    assert nominal.instruction == REST.instruction
    chunk = nominal.demonstration().chunk
    np.testing.assert_array_equal(chunk[-1], PARKED)
    nominal.play(chunk)
    assert nominal.landmarks()[3, 2] == 0.0
    np.testing.assert_allclose(nominal.observe().joint_positions, PARKED, atol=1e-3)


def test_a_goal_depends_on_seed_and_index_alone(nominal: Deployment) -> None:
    def goal(deployment: Deployment, index: int) -> list[Any]:
        deployment.begin_goal(index)
        return [deployment.instruction, *deployment.landmarks()[:3].ravel().tolist()]

    other = Deployment(NOMINAL, seed=5)
    other.play(np.zeros((10, 6)))
    expected = [goal(nominal, index) for index in range(6)]
    assert [goal(other, index) for index in reversed(range(6))] == expected[::-1]
    assert len({words for words, *_ in expected}) > 1
    assert goal(Deployment(NOMINAL, seed=6), 0) != expected[0]


def test_a_new_goal_leaves_the_arm_where_it_is(nominal: Deployment) -> None:
    point(nominal, 0)
    before = nominal.observe().joint_positions
    nominal.begin_goal(1)
    np.testing.assert_array_equal(nominal.observe().joint_positions, before)


def test_the_same_seed_gives_the_same_run_bit_for_bit() -> None:
    def run() -> list[Any]:
        deployment, seen = Deployment(Robot(seed=8, unseen=(Unseen.DROPPED_FRAMES, Unseen.LENS_SMEAR)), seed=2), []
        for index in range(4):
            deployment.begin_goal(index)
            seen += [deployment.observe().images[CAMERA].numpy(), deployment.landmarks()]
            deployment.play(deployment.demonstration().chunk)
            seen += [
                deployment.observe().images[CAMERA].numpy(),
                deployment.observe().joint_positions.numpy(),
                deployment.result().distance_m,
            ]
            deployment.rest()
            deployment.play(deployment.demonstration().chunk)
        deployment.close()
        return seen

    for first, second in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(first, second)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_cubes_lie_apart_and_in_reach(seed: int) -> None:
    places, yaws = draw_cubes(np.random.default_rng(seed))
    assert places.shape == (3, 2)
    assert yaws.shape == (3,)
    assert min(np.linalg.norm(a - b) for i, a in enumerate(places) for b in places[:i]) >= 0.08
    assert all(0.16 <= np.linalg.norm(place) <= 0.275 for place in places)


def test_the_jacobian_tells_how_the_fingertip_follows_the_last_command() -> None:
    deployment = deployment_with(COUPLED)
    kinematics = ArmKinematics.of(mujoco.MjModel.from_xml_path(str(MODEL_PATH)))
    demonstration = deployment.demonstration()
    for joint in range(len(JOINT_NAMES)):
        change = np.zeros(len(JOINT_NAMES))
        change[joint] = 1e-6
        moved = [kinematics.tip(COUPLED.target(demonstration.chunk[-1] + sign * change)) for sign in (1, -1)]
        np.testing.assert_allclose(demonstration.jacobian[:, joint], (moved[0] - moved[1]) / 2e-6, atol=1e-5)


@pytest.mark.parametrize(
    "chunk", [np.zeros((4, 5)), np.zeros(6), np.zeros((0, 6)), [[0, 0, math.nan, 0, 0, 0]], [[0, 0, 0, 0, 0, math.inf]]]
)
def test_a_chunk_that_is_not_rows_of_six_finite_numbers_is_refused(nominal: Deployment, chunk: Any) -> None:
    before = nominal.time
    with pytest.raises(SimulationError, match="must be one or more rows of 6 finite positions in rad"):
        nominal.play(chunk)
    assert nominal.time == before


def test_a_goal_of_resting_has_no_distance_to_a_cube(nominal: Deployment) -> None:
    nominal.begin_goal(0)
    nominal.rest()
    with pytest.raises(SimulationError, match=r"'return to rest' has no cube; ask for the result before rest\(\)"):
        nominal.result()


def test_negative_numbers_are_refused(nominal: Deployment) -> None:
    with pytest.raises(SimulationError, match="goal index -1 must be at least 0"):
        nominal.begin_goal(-1)
    with pytest.raises(SimulationError, match="seed -1 must be at least 0"):
        Deployment(NOMINAL, seed=-1)


def test_a_command_beyond_a_joint_limit_is_obeyed_as_far_as_the_joint_goes(nominal: Deployment) -> None:
    nominal.park()
    nominal.play(np.tile([2.5, *PARKED[1:]], (60, 1)))
    assert float(nominal.observe().joint_positions[0]) == pytest.approx(1.9, abs=0.02)
    nominal.park()


@pytest.mark.parametrize("place", [(0.5, 0.0), (0.0, 0.0, 0.0)])
def test_a_place_out_of_reach_is_refused_by_the_expert(place: tuple[float, ...]) -> None:
    expert = PointingExpert(mujoco.MjModel.from_xml_path(str(MODEL_PATH)))
    with pytest.raises(SimulationError, match=r"the fingertip cannot reach|the expert would command"):
        expert.point(np.array(PARKED), np.array(place), shifts=NO_SHIFTS, drives=np.array(PARKED))


def test_every_goal_asks_for_a_cube_that_is_there(nominal: Deployment) -> None:
    for index in range(20):
        nominal.begin_goal(index)
        assert nominal.task.skill is Skill.POINT
        assert nominal.task.colour in nominal.instruction
