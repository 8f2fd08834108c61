"""Watching, step by step, what the fingers touch and whether the goal has been reached."""

import mujoco
import numpy as np

from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import MARK_TOLERANCE, Skill, Task

_FINGERS = ("fixed_finger", "moving_finger")


class Progress:
    """What has happened since the goal was set.

    Attributes:
        task: the goal, None before the first.
        succeeded: whether it has been reached; stays true.
        first_touched: colour of the cube touched first, None if none. A cube that the fingers still rest on from before counts only
            if it is the goal's, or once they have left it.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._fingers = {model.geom(name).id for name in _FINGERS}
        self._cubes = {colour: model.geom(f"{colour}_cube").id for colour in COLOURS}
        self.clear()

    def clear(self) -> None:
        """Drops the goal."""
        self.task: Task | None = None
        self.succeeded = False
        self.first_touched: str | None = None
        self._lingering: set[str] = set()

    def start(self, task: Task, data: mujoco.MjData) -> None:
        """Sets the goal, which may be reached already."""
        self.clear()
        self.task = task
        self._lingering = self._touched(data) - {task.colour}
        self.observe(data)

    def observe(self, data: mujoco.MjData) -> None:
        """Takes one physics step into account."""
        touched = self._touched(data)
        self._lingering &= touched
        fresh = touched - self._lingering
        if self.first_touched is None and fresh:
            self.first_touched = min(fresh, key=COLOURS.index)
        if self.task is not None and not self.succeeded:
            self.succeeded = self._is_done(self.task, touched, data)

    def _touched(self, data: mujoco.MjData) -> set[str]:
        pairs = data.contact.geom.tolist()
        touched = {geom for pair in pairs if not self._fingers.isdisjoint(pair) for geom in pair}
        return {colour for colour, geom in self._cubes.items() if geom in touched}

    @staticmethod
    def _is_done(task: Task, touched: set[str], data: mujoco.MjData) -> bool:
        if task.skill is Skill.TOUCH:
            return task.colour in touched
        distance = np.linalg.norm(data.body(f"{task.colour}_cube").xpos[:2] - data.mocap_pos[0, :2])
        return bool(distance <= MARK_TOLERANCE)
