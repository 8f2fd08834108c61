"""The tasks of the simulation, in words, and when each is done."""

from dataclasses import dataclass
from enum import Enum

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.layout import COLOURS

MARK_TOLERANCE = 0.025
"""A push is done when the cube's centre is this close to the mark's, m."""


class Skill(str, Enum):
    """What is to be done with the cube."""

    TOUCH = "touch"
    PUSH = "push"


_PHRASINGS = {
    Skill.TOUCH: ("touch the {} cube", "reach the {} cube", "tap the {} block"),
    Skill.PUSH: ("push the {} cube to the mark", "move the {} cube to the mark", "slide the {} block onto the mark"),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A skill and the colour of the cube that it is about."""

    skill: Skill
    colour: str

    @property
    def instruction(self) -> str:
        """The task in words, in its first phrasing."""
        return _PHRASINGS[self.skill][0].format(self.colour)


TASKS = tuple(Task(skill=skill, colour=colour) for skill in Skill for colour in COLOURS)

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
