"""The scripted expert: success, limits, and that it answers the state alone."""

from collections.abc import Iterator

import numpy as np
import pytest

from ttt_ros.simulation.arm import HOME, JOINT_LIMITS, JOINT_NAMES
from ttt_ros.simulation.engine import CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts
from ttt_ros.simulation.tasks import POINTING_TASKS, REST, TASKS, Skill, Task

TIME_LIMITS = {Skill.TOUCH: 3.0, Skill.PUSH: 8.0, Skill.POINT: 3.0, Skill.REST: 4.0}
LOWER = np.array([JOINT_LIMITS[name].lower for name in JOINT_NAMES])
UPPER = np.array([JOINT_LIMITS[name].upper for name in JOINT_NAMES])
VELOCITY = np.array([JOINT_LIMITS[name].velocity for name in JOINT_NAMES])


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    made = Simulation()
    yield made
    made.close()


def attempt(simulation: Simulation, task: Task) -> bool:
    """Whether the expert reaches the goal in its time."""
    expert = Expert(simulation)
    simulation.start(task)
    end = simulation.time + TIME_LIMITS[task.skill]
    while simulation.time < end and not simulation.succeeded():
        simulation.command(expert.action(task))
        simulation.advance(CONTROL_PERIOD)
    return simulation.succeeded()


def successes(simulation: Simulation, skill: Skill, seeds: range, *, random_pose: bool) -> int:
    done = 0
    for seed in seeds:
        simulation.reset(seed, random_pose=random_pose)
        done += attempt(simulation, Task(skill=skill, colour=COLOURS[seed % 3]))
    return done


@pytest.mark.parametrize("random_pose", [False, True])
def test_the_expert_touches_the_named_cube_in_time(simulation: Simulation, random_pose: bool) -> None:
    assert successes(simulation, Skill.TOUCH, range(1000, 1030), random_pose=random_pose) >= 29


@pytest.mark.parametrize("random_pose", [False, True])
def test_the_expert_pushes_the_named_cube_to_the_mark_in_time(simulation: Simulation, random_pose: bool) -> None:
    assert successes(simulation, Skill.PUSH, range(1000, 1015), random_pose=random_pose) >= 14


@pytest.mark.parametrize("task", [*POINTING_TASKS, REST])
def test_the_expert_points_and_parks_from_any_pose_in_time(simulation: Simulation, task: Task) -> None:
    for seed in range(4):
        simulation.reset(seed, random_pose=True)
        assert attempt(simulation, task)


def test_the_expert_touches_no_other_cube_on_its_way(simulation: Simulation) -> None:
    for seed in range(20):
        simulation.reset(seed)
        task = Task(skill=Skill.TOUCH, colour=COLOURS[seed % 3])
        attempt(simulation, task)
        assert simulation.first_touched() == task.colour


def test_goals_may_follow_one_another_without_a_reset(simulation: Simulation) -> None:
    generator = np.random.default_rng(0)
    done = []
    for seed in range(4):
        simulation.reset(seed)
        done += [attempt(simulation, TASKS[generator.integers(len(TASKS))]) for _ in range(6)]
    assert sum(done) >= 22


@pytest.mark.parametrize(
    "shifts",
    [
        Shifts(encoder_offset=(0.1, -0.1, 0.1, -0.1, 0.2, 0.0)),
        Shifts(actuator_gain=(0.7, 0.8, 0.7, 1.2, 1.0, 1.0)),
        Shifts(payload=0.3),
        Shifts(action_delay=0.1),
    ],
)
def test_the_expert_makes_up_for_shifts_of_the_joints(simulation: Simulation, shifts: Shifts) -> None:
    simulation.set_shifts(shifts)
    assert successes(simulation, Skill.TOUCH, range(10), random_pose=False) >= 9
    assert successes(simulation, Skill.PUSH, range(5), random_pose=False) >= 4


@pytest.mark.parametrize("skill", Skill)
def test_commands_and_joints_keep_to_their_limits(simulation: Simulation, skill: Skill) -> None:
    expert = Expert(simulation)
    for seed in range(4):
        simulation.reset(seed, random_pose=True)
        task = Task(skill=skill, colour=COLOURS[seed % 3])
        simulation.start(task)
        command = simulation.joint_positions()
        for _ in range(90):
            previous, command = command, expert.action(task)
            assert ((command >= LOWER) & (command <= UPPER)).all()
            assert (np.abs(command - previous) <= VELOCITY * CONTROL_PERIOD).all()
            simulation.command(command)
            simulation.advance(CONTROL_PERIOD)
            assert np.abs(simulation.joint_velocities()).max() <= 1.5


def test_the_action_depends_on_the_state_and_not_on_earlier_calls(simulation: Simulation) -> None:
    simulation.reset(2)
    task = Task(skill=Skill.PUSH, colour="green")
    simulation.start(task)
    long_used = Expert(simulation)
    for index in range(45):
        long_used.action(TASKS[index % len(TASKS)])
        command = long_used.action(task)
        np.testing.assert_array_equal(command, Expert(simulation).action(task))
        simulation.command(command)
        simulation.advance(CONTROL_PERIOD)


def test_a_small_change_of_the_state_changes_the_action_a_little(simulation: Simulation) -> None:
    simulation.reset(2)
    task = Task(skill=Skill.PUSH, colour="green")
    simulation.start(task)
    expert = Expert(simulation)
    for _ in range(60):
        plain = expert.action(task)
        simulation.set_shifts(NO_SHIFTS)
        simulation.command(plain)
        simulation.step()
        assert np.abs(expert.action(task) - plain).max() < 0.05
        simulation.advance(CONTROL_PERIOD - 1 / 300)


def test_after_success_the_expert_leads_home(simulation: Simulation) -> None:
    for task in (Task(skill=Skill.TOUCH, colour="red"), Task(skill=Skill.PUSH, colour="blue")):
        simulation.reset(5)
        assert attempt(simulation, task)
        expert = Expert(simulation)
        for _ in range(90):
            simulation.command(expert.action(task))
            simulation.advance(CONTROL_PERIOD)
        np.testing.assert_allclose(simulation.joint_positions(), HOME, atol=0.02)
