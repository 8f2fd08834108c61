"""Watching, step by step, what the fingers touch and whether the goal has been reached."""

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.arm import JOINT_NAMES, PARKED
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import MARK_TOLERANCE, PARKED_TOLERANCE, POINT_TOLERANCE, RESTING_TIP_SPEED, Skill, Task

_FINGERS = ("fixed_finger", "moving_finger")

_MOVED = 0.03
"""Way of the fingertip since the goal was set, m, from which the arm has moved."""

_SETTLING_TIME = 0.2
"""How long the fingertip must rest for the arm to have settled, s: longer than it stands at a turning point."""


class Progress:
    """What has happened since the goal was set.

    Attributes:
        task: the goal, None before the first.
        succeeded: whether it has been reached; stays true.
        settled: whether the arm has moved since the goal was set and come to rest; stays true.
        first_touched: colour of the cube touched first, None if none. A cube that the fingers still rest on from before counts only
            if it is the goal's, or once they have left it.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._fingers = {model.geom(name).id for name in _FINGERS}
        self._tip = model.site("tip").id
        self._timestep = float(model.opt.timestep)
        self._cubes = {colour: model.geom(f"{colour}_cube").id for colour in COLOURS}
        self.clear()

    def clear(self) -> None:
        """Drops the goal."""
        self.task: Task | None = None
        self.succeeded = False
        self.settled = False
        self.first_touched: str | None = None
        self._lingering: set[str] = set()
        self._first_tip: list[float] | None = None
        self._last_tip: list[float] | None = None
        self._moved = False
        self._resting_steps = 0

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
        self._watch_motion(data.site_xpos[self._tip].tolist())
        if self.task is not None and not self.succeeded:
            self.succeeded = self._is_done(self.task, touched, data)

    def _touched(self, data: mujoco.MjData) -> set[str]:
        pairs = data.contact.geom.tolist()
        touched = {geom for pair in pairs if not self._fingers.isdisjoint(pair) for geom in pair}
        return {colour for colour, geom in self._cubes.items() if geom in touched}

    def _is_done(self, task: Task, touched: set[str], data: mujoco.MjData) -> bool:
        if task.skill is Skill.TOUCH:
            return task.colour in touched
        if task.skill is Skill.PUSH:
            return _distance(data.body(f"{task.colour}_cube").xpos, data.mocap_pos[0]) <= MARK_TOLERANCE
        if not self._resting_steps:
            return False
        distance = self.distance(data)
        if distance is not None:
            return distance <= POINT_TOLERANCE
        return bool(np.abs(data.qpos[: len(JOINT_NAMES)] - PARKED).max() <= PARKED_TOLERANCE)

    def distance(self, data: mujoco.MjData) -> float | None:
        """Distance of the fingertip from the goal's cube in the plane of the table, m; None for a goal without one."""
        if self.task is None or not self.task.colour:
            return None
        return _distance(data.site_xpos[self._tip], data.body(f"{self.task.colour}_cube").xpos)

    def _watch_motion(self, tip: list[float]) -> None:
        if self._first_tip is None or self._last_tip is None:
            self._first_tip = self._last_tip = tip
            return
        rests = math.dist(tip, self._last_tip) < RESTING_TIP_SPEED * self._timestep
        self._resting_steps = self._resting_steps + 1 if rests else 0
        self._moved |= math.dist(tip, self._first_tip) > _MOVED
        self.settled |= self._moved and self._resting_steps * self._timestep >= _SETTLING_TIME
        self._last_tip = tip


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """In the plane of the table."""
    return float(np.linalg.norm(first[:2] - second[:2]))
