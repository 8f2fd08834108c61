"""When the simulation says that the arm has settled, how far from the cube, and where a table without a mark differs."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from ttt_ros.simulation.arm import HOME, PARKED
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import REST, Skill, Task

POINT_AT_RED = Task(skill=Skill.POINT, colour="red")


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    made = Simulation(cameras={"overhead": (96, 96)})
    made.reset(4, pose=PARKED)
    yield made
    made.close()


def beside(simulation: Simulation, away: float) -> NDArray[np.float64]:
    """Joints that bring the fingertip above a point beside the red cube."""
    return simulation.kinematics.joints(simulation.cube_position("red") + np.array([away, 0.0, 0.07]))


def test_an_arm_that_has_not_moved_yet_has_not_settled(simulation: Simulation) -> None:
    simulation.start(POINT_AT_RED)
    simulation.advance(1.0)
    assert not simulation.settled()


def test_a_moving_arm_has_not_settled_and_a_resting_one_has_and_stays_so(simulation: Simulation) -> None:
    simulation.start(POINT_AT_RED)
    simulation.command(beside(simulation, 0.03))
    simulation.advance(0.1)
    assert not simulation.settled()
    simulation.advance(1.5)
    assert simulation.settled()
    assert simulation.distance() == pytest.approx(0.03, abs=0.004)
    simulation.command(PARKED)
    simulation.advance(0.1)
    assert simulation.settled()


def test_a_short_stop_on_the_way_is_no_rest(simulation: Simulation) -> None:
    simulation.start(POINT_AT_RED)
    for joints in (beside(simulation, 0.03), beside(simulation, -0.03)) * 4:
        simulation.command(joints)
        for _ in range(3):
            simulation.advance(0.1)
            assert not simulation.settled()


def test_each_goal_is_settled_anew_and_only_a_goal_with_a_cube_has_a_distance(simulation: Simulation) -> None:
    assert simulation.distance() is None
    simulation.start(POINT_AT_RED)
    simulation.command(beside(simulation, 0.0))
    simulation.advance(1.6)
    simulation.start(REST)
    assert not simulation.settled()
    assert simulation.distance() is None
    simulation.command(PARKED)
    simulation.advance(1.6)
    assert simulation.settled()


def test_without_a_mark_the_cubes_alone_are_laid_out_and_the_mark_is_out_of_sight(simulation: Simulation) -> None:
    simulation.rearrange(9)
    marked = simulation.render("overhead").astype(int)
    assert (np.abs(marked - np.array([240, 200, 30])).max(axis=-1) < 60).any()  # its yellow
    simulation.rearrange(9, mark=False)
    bare = simulation.render("overhead").astype(int)
    assert not (np.abs(bare - np.array([240, 200, 30])).max(axis=-1) < 60).any()
    places = np.array([simulation.cube_position(colour) for colour in COLOURS])
    simulation.rearrange(10, mark=False)
    assert np.abs(places - [simulation.cube_position(colour) for colour in COLOURS]).max() > 0.01
    simulation.rearrange(9, mark=False)
    assert np.array_equal(places, [simulation.cube_position(colour) for colour in COLOURS])


def test_an_episode_starts_from_the_pose_asked_for(simulation: Simulation) -> None:
    assert np.array_equal(simulation.true_joint_positions(), PARKED)
    simulation.reset(4)
    assert np.array_equal(simulation.true_joint_positions(), HOME)
