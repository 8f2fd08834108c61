"""What a policy is asked for, one goal after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttt_ros.simulation.arm import HOME, PARKED
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import CONTACT_SKILLS, POINTING_TASKS, REST, Skill, Task


@dataclass(frozen=True, kw_only=True)
class Course:
    """The goals of a kind of policy.

    Attributes:
        tasks: among which goals are drawn.
        between: what is asked for between two goals; None for nothing.
        give_up: seconds after which a goal is given up, by its skill.
        pose: that the arm starts in, rad.
        mark: whether the mark lies on the table.
        at_rest: whether a goal ends once the arm has moved and come to rest, or once it has been reached.
    """

    tasks: tuple[Task, ...]
    give_up: Mapping[Skill, float] = field(hash=False)
    pose: tuple[float, ...]
    mark: bool
    at_rest: bool
    between: Task | None = None


POINTING = Course(
    tasks=POINTING_TASKS,
    give_up={Skill.POINT: 4.0, Skill.REST: 4.0},
    pose=PARKED,
    mark=False,
    at_rest=True,
    between=REST,
)
"""For policies that decide a whole movement at once, as in the demonstration: point, come to rest, park, and the table is laid anew."""

CONTACT = Course(
    tasks=tuple(Task(skill=skill, colour=colour) for skill in CONTACT_SKILLS for colour in COLOURS),
    give_up={Skill.TOUCH: 6.0, Skill.PUSH: 15.0},
    pose=HOME,
    mark=True,
    at_rest=False,
)
"""For policies that look all the time; the times are those in which they are assessed."""
