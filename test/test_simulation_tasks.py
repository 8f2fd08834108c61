"""Tasks in words, and when the simulation says that they are done."""

from collections.abc import Iterator

import numpy as np
import pytest

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME, PARKED
from ttt_ros.simulation.engine import CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import INSTRUCTIONS, MARK_TOLERANCE, POINT_TOLERANCE, REST, TASKS, Skill, Task, parse, phrasings

TOUCH_RED = Task(skill=Skill.TOUCH, colour="red")
POINT_AT_RED = Task(skill=Skill.POINT, colour="red")


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    made = Simulation()
    yield made
    made.close()


def distance_to_mark(simulation: Simulation, colour: str) -> float:
    return float(np.linalg.norm(simulation.cube_position(colour)[:2] - simulation.mark_position()[:2]))


def drive(simulation: Simulation, task: Task, periods: int) -> None:
    expert = Expert(simulation)
    for _ in range(periods):
        simulation.command(expert.action(task))
        simulation.advance(CONTROL_PERIOD)


def press_on(simulation: Simulation, colour: str) -> None:
    """Keeps the fingers on the cube, where the expert would retreat."""
    cube = simulation.cube_position(colour)
    simulation.command(simulation.kinematics.joints(np.array([cube[0], cube[1], 0.02])))
    simulation.advance(0.5)


@pytest.mark.parametrize("task", TASKS)
def test_every_phrasing_of_a_task_is_read_as_that_task(task: Task) -> None:
    assert {parse(phrasing) for phrasing in phrasings(task)} == {task}
    assert parse(f"  {task.instruction.upper().replace(' ', '  ')} ") == task


def test_the_list_of_instructions_holds_every_phrasing_once() -> None:
    assert sorted(INSTRUCTIONS) == sorted(phrasing for task in TASKS for phrasing in phrasings(task))
    assert len(set(INSTRUCTIONS)) == len(INSTRUCTIONS)


@pytest.mark.parametrize("instruction", ["", "touch the yellow cube", "touch the red", "do not touch the red cube"])
def test_an_unknown_instruction_is_refused_with_the_known_ones(instruction: str) -> None:
    with pytest.raises(SimulationError, match=r"unknown instruction .* known are: touch the red cube; "):
        parse(instruction)


def test_nothing_has_succeeded_without_a_goal_and_after_a_reset(simulation: Simulation) -> None:
    simulation.reset(0)
    drive(simulation, TOUCH_RED, 60)
    assert not simulation.succeeded()
    simulation.start(TOUCH_RED)
    drive(simulation, TOUCH_RED, 60)
    assert simulation.succeeded()
    simulation.reset(0)
    assert not simulation.succeeded()
    assert simulation.task is None
    assert simulation.first_touched() is None


def test_hovering_above_a_cube_is_no_touch(simulation: Simulation) -> None:
    simulation.reset(0)
    simulation.start(TOUCH_RED)
    simulation.command(simulation.kinematics.joints(simulation.cube_position("red") + np.array([0.0, 0.0, 0.03])))
    simulation.advance(2.0)
    assert not simulation.succeeded()
    assert simulation.first_touched() is None


def test_touching_another_cube_is_reported_and_is_no_success(simulation: Simulation) -> None:
    simulation.reset(0)
    simulation.start(Task(skill=Skill.TOUCH, colour="blue"))
    drive(simulation, TOUCH_RED, 60)
    assert not simulation.succeeded()
    assert simulation.first_touched() == "red"


def test_success_stays_after_the_fingers_have_left(simulation: Simulation) -> None:
    simulation.reset(0)
    simulation.start(TOUCH_RED)
    drive(simulation, TOUCH_RED, 120)
    assert np.linalg.norm(simulation.kinematics.tip(simulation.joint_positions()) - simulation.cube_position("red")) > 0.1
    assert simulation.succeeded()
    assert simulation.first_touched() == "red"


def test_a_cube_still_touched_from_an_earlier_goal_counts_only_for_its_own_goal(simulation: Simulation) -> None:
    simulation.reset(0)
    press_on(simulation, "red")
    press_on(simulation, "red")
    simulation.start(Task(skill=Skill.TOUCH, colour="blue"))
    assert simulation.first_touched() is None
    simulation.start(TOUCH_RED)
    assert simulation.succeeded()
    assert simulation.first_touched() == "red"


def test_a_cube_that_is_left_and_touched_again_counts(simulation: Simulation) -> None:
    simulation.reset(0)
    press_on(simulation, "red")
    press_on(simulation, "red")
    simulation.start(Task(skill=Skill.TOUCH, colour="blue"))
    simulation.command(HOME)
    simulation.advance(0.5)
    assert simulation.first_touched() is None
    press_on(simulation, "red")
    press_on(simulation, "red")
    assert simulation.first_touched() == "red"


def test_a_new_goal_forgets_the_success_of_the_last(simulation: Simulation) -> None:
    simulation.reset(0)
    simulation.start(TOUCH_RED)
    drive(simulation, TOUCH_RED, 60)
    simulation.start(Task(skill=Skill.TOUCH, colour="green"))
    assert not simulation.succeeded()


@pytest.mark.parametrize("colour", COLOURS)
def test_a_push_succeeds_at_the_first_step_within_the_tolerance(simulation: Simulation, colour: str) -> None:
    simulation.reset(4)
    task = Task(skill=Skill.PUSH, colour=colour)
    simulation.start(task)
    expert = Expert(simulation)
    while not simulation.succeeded():
        assert distance_to_mark(simulation, colour) > MARK_TOLERANCE
        assert simulation.time < 8.0
        simulation.command(expert.action(task))
        for _ in range(10):
            before = distance_to_mark(simulation, colour)
            simulation.step()
            if simulation.succeeded():
                break
    assert before > MARK_TOLERANCE
    assert distance_to_mark(simulation, colour) == pytest.approx(MARK_TOLERANCE, abs=0.002)


def hover(simulation: Simulation, *, beside: float) -> None:
    """Commands the tip above the red cube, that far further out."""
    cube = simulation.cube_position("red")[:2]
    simulation.command(simulation.kinematics.joints(np.array([*cube * (1 + beside / np.linalg.norm(cube)), 0.09])))


@pytest.mark.parametrize(("beside", "succeeds"), [(0.0, True), (POINT_TOLERANCE - 0.001, True), (POINT_TOLERANCE + 0.001, False)])
def test_pointing_needs_the_resting_tip_within_the_tolerance(simulation: Simulation, beside: float, succeeds: bool) -> None:
    simulation.reset(0)
    hover(simulation, beside=beside)
    simulation.advance(2.0)
    simulation.start(POINT_AT_RED)
    simulation.advance(0.1)
    assert simulation.succeeded() == succeeds


def test_a_tip_that_passes_above_the_cube_does_not_point_at_it(simulation: Simulation) -> None:
    simulation.reset(0)
    hover(simulation, beside=-0.08)
    simulation.advance(2.0)
    simulation.start(POINT_AT_RED)
    cube, distances = simulation.cube_position("red")[:2], []
    for beside in np.linspace(-0.08, 0.08, 17):
        hover(simulation, beside=float(beside))
        simulation.advance(CONTROL_PERIOD)
        tip = simulation.kinematics.tip(simulation.true_joint_positions())
        distances.append(np.linalg.norm(tip[:2] - cube))
        if distances[-1] > POINT_TOLERANCE and min(distances) <= POINT_TOLERANCE:
            break
    assert min(distances) < POINT_TOLERANCE < distances[-1]
    assert not simulation.succeeded()


def test_resting_needs_the_arm_parked_and_still(simulation: Simulation) -> None:
    simulation.reset(0)
    simulation.start(REST)
    simulation.advance(0.5)
    assert not simulation.succeeded()
    simulation.command(PARKED)
    simulation.advance(0.1)
    assert not simulation.succeeded()
    simulation.advance(2.0)
    assert simulation.succeeded()
