"""Leading a closed loop through its goals, as the demonstration's director leads the nodes."""

import math
from dataclasses import dataclass

from ttt_ros.evaluation.closed_loop.configuration import ClosedLoopConfig
from ttt_ros.evaluation.closed_loop.course import Course
from ttt_ros.evaluation.closed_loop.loop import ClosedLoop
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.goals import goal_sequence
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import POINT_TOLERANCE, Skill, phrasings

SETTLE_TIME = 1.0
"""Seconds after the last goal, so that its window is reported."""

_CLEARANCE = 0.08
"""Distance of the fingertip from every cube that is laid, m: a cube that appears within the hand would be shot away."""


@dataclass(frozen=True, kw_only=True)
class GoalOutcome:
    """One goal: in words, its end on the virtual clock in ns, and whether it was met by the physics state."""

    instruction: str
    end: int
    succeeded: bool


def lead(loop: ClosedLoop, config: ClosedLoopConfig) -> tuple[GoalOutcome, ...]:
    """Gives the goals of ``config`` one after the other, and lays the table anew before each.

    Raises:
        InstructionError: the policy cannot read a goal.
    """
    course = loop.course
    instructions = [words for task in course.tasks for words in phrasings(task)]
    outcomes = []
    for index, instruction in zip(range(config.goals), goal_sequence(instructions, seed=config.seed), strict=False):
        loop.simulation.set_shifts(config.robot.shifts(index))
        _lay_table(loop.simulation, course, first_seed=config.seed + 1_000 * index)
        outcomes.append(_pursued(loop, instruction))
        if course.between is not None:
            _pursued(loop, course.between.instruction)
    loop.advance(SETTLE_TIME)
    return tuple(outcomes)


def _pursued(loop: ClosedLoop, instruction: str) -> GoalOutcome:
    simulation = loop.simulation
    loop.instruct(instruction)
    assert simulation.task is not None
    skill = simulation.task.skill
    end = loop.now + round(loop.course.give_up[skill] * NANOSECONDS)
    while loop.now < end and not (simulation.settled() if loop.course.at_rest else simulation.succeeded()):
        loop.step()
    return GoalOutcome(instruction=instruction, end=loop.now, succeeded=_is_met(simulation, skill))


def _is_met(simulation: Simulation, skill: Skill) -> bool:
    distance = simulation.distance()
    if skill is Skill.POINT and distance is not None:
        return simulation.settled() and distance <= POINT_TOLERANCE
    return simulation.succeeded()


def _lay_table(simulation: Simulation, course: Course, *, first_seed: int) -> None:
    """Draws layouts until no cube lies where the hand is."""
    tip = simulation.kinematics.tip(simulation.true_joint_positions())
    seed = first_seed
    while True:
        simulation.rearrange(seed, mark=course.mark)
        if all(math.dist(tip, simulation.cube_position(colour)) > _CLEARANCE for colour in COLOURS):
            return
        seed += 1
