"""The tasks of the simulation, in words, and when each is done."""

from dataclasses import dataclass
from enum import Enum

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.layout import COLOURS

MARK_TOLERANCE = 0.025
"""A push is done when the cube's centre is this close to the mark's, m."""

POINT_TOLERANCE = 0.015
"""Pointing is done when the resting fingertip is horizontally this close to the cube's centre, m."""

RESTING_TIP_SPEED = 0.02
"""Below this speed, m/s, the fingertip counts as resting."""

PARKED_TOLERANCE = 0.5
"""The arm is parked when each joint rests this close to PARKED, rad: far from every working pose, and wide enough that a robot with wrong
encoder zeros and gains, which parks elsewhere, is parked too."""


class Skill(str, Enum):
    """What is to be done."""

    TOUCH = "touch"
    PUSH = "push"
    POINT = "point"
    """Hold the fingertip above the cube."""
    REST = "rest"
    """Park the arm; about no cube."""


_PHRASINGS = {
    Skill.TOUCH: ("touch the {} cube", "reach the {} cube", "tap the {} block"),
    Skill.PUSH: ("push the {} cube to the mark", "move the {} cube to the mark", "slide the {} block onto the mark"),
    Skill.POINT: ("point at the {} cube", "show me the {} cube", "indicate the {} block"),
    Skill.REST: ("return to rest", "park the arm", "go back to rest"),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A skill and the colour of the cube that it is about; for Skill.REST the colour is empty."""

    skill: Skill
    colour: str

    @property
    def instruction(self) -> str:
        """The task in words, in its first phrasing."""
        return _PHRASINGS[self.skill][0].format(self.colour)


CONTACT_SKILLS = (Skill.TOUCH, Skill.PUSH)
"""Those that are done by moving a cube or meeting it, in a closed loop."""

POINTING_TASKS = tuple(Task(skill=Skill.POINT, colour=colour) for colour in COLOURS)
REST = Task(skill=Skill.REST, colour="")

TASKS = (*(Task(skill=skill, colour=colour) for skill in CONTACT_SKILLS for colour in COLOURS), *POINTING_TASKS, REST)

_BY_INSTRUCTION = {phrasing.format(task.colour): task for task in TASKS for phrasing in _PHRASINGS[task.skill]}

INSTRUCTIONS = tuple(_BY_INSTRUCTION)
"""Every instruction that ``parse`` knows, in all phrasings."""


def phrasings(task: Task) -> tuple[str, ...]:
    """All instructions that mean ``task``."""
    return tuple(phrasing.format(task.colour) for phrasing in _PHRASINGS[task.skill])


def parse(instruction: str) -> Task:
    """Reads an instruction, whatever its case and spacing.

    Raises:
        SimulationError: the instruction is none of INSTRUCTIONS.
    """
    task = _BY_INSTRUCTION.get(" ".join(instruction.lower().split()))
    if task is None:
        raise SimulationError(f"unknown instruction '{instruction}'; known are: {'; '.join(INSTRUCTIONS)}")
    return task
