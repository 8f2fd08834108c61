"""A scripted expert with privileged state, for demonstrations."""

import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.arm import HOME, PARKED
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.layout import CUBE_HALF_SIZE, push_station
from ttt_ros.simulation.tasks import Skill, Task

_LOW_STRIDE = 0.055
_HIGH_STRIDE = 0.085
"""Largest step of any joint ahead of its position, between the cubes and above them, rad: with the servos' lag 0.7 and 1.1 rad/s."""

_LOW_TO_HIGH = (0.04, 0.07)
"""Heights of the tip, m, between which the stride changes."""

_LOOK_AHEAD = 0.04
_HOVER = 0.08
_PUSH_HEIGHT = 0.014
_PUSH_LEAD = 0.04
_HEIGHTS = {Skill.TOUCH: 2 * CUBE_HALF_SIZE - 0.012, Skill.POINT: _HOVER}

_FUNNEL = (0.012, 0.04)
"""Horizontal distances from the place to descend to, m: within the first the tip may be low, from the second on it is at _HOVER."""

_BELOW_FUNNEL = (0.01, 0.02)
"""How far below the funnel the tip begins to slow down sideways, and stops to rise first, m."""

# Where the tip counts as behind the cube, in m, seen in the direction of the push; between each pair the expert blends.
_BEHIND_HEIGHT = (0.024, 0.036)
_BEHIND_NEAR = (-0.02, -0.005)
_BEHIND_FAR = (-0.1, -0.08)
_BEHIND_SIDE = (0.03, 0.045)
_CENTRED = (0.006, 0.011)


class Expert:
    """Answers each state with the joint command of the next control period.

    The action is a continuous function of the present joints, objects, task and its success, without phases or memory, so that it can
    be imitated and can start from any pose. It knows the shifts and makes up for offset and gain of the joints.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def action(self, task: Task) -> NDArray[np.float64]:
        """Joint command, rad, float64 [6], in the frame of the encoders; once a cube has been dealt with it leads home."""
        simulation = self._simulation
        if task.skill is not Skill.REST and simulation.task == task and simulation.succeeded():
            return self.home()
        if task.skill is Skill.REST:
            return self._up_and_to(PARKED)
        tip, cube, mark = self._tip(), simulation.cube_position(task.colour)[:2], simulation.mark_position()[:2]
        waypoint = _push(tip, cube, mark) if task.skill is Skill.PUSH else _descent(tip, cube, _HEIGHTS[task.skill])
        return self._towards(self._joints(waypoint))

    def home(self) -> NDArray[np.float64]:
        """Joint command, rad, float64 [6], that leads straight up and then to HOME."""
        return self._up_and_to(HOME)

    def _up_and_to(self, pose: tuple[float, ...]) -> NDArray[np.float64]:
        tip = self._tip()
        raised = self._joints(np.array([tip[0], tip[1], _HOVER]))
        clear = _ramp(tip[2], _HOVER - _BELOW_FUNNEL[1], _HOVER - _BELOW_FUNNEL[0])
        return self._towards(_blend(raised, np.array(pose), clear))

    def _tip(self) -> NDArray[np.float64]:
        return self._simulation.kinematics.tip(self._simulation.true_joint_positions())

    def _joints(self, waypoint: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joints for a point at most _LOOK_AHEAD on the way to the waypoint, so that the tip goes straight."""
        tip = self._tip()
        distance = float(np.linalg.norm(waypoint - tip))
        return self._simulation.kinematics.joints(_blend(tip, waypoint, min(1.0, _LOOK_AHEAD / max(distance, 1e-9))))

    def _towards(self, goal: NDArray[np.float64]) -> NDArray[np.float64]:
        present = self._simulation.true_joint_positions()
        stride = _LOW_STRIDE + (_HIGH_STRIDE - _LOW_STRIDE) * _ramp(self._tip()[2], *_LOW_TO_HIGH)
        largest = float(np.abs(goal - present).max())
        return self._simulation.shifts.command(_blend(present, goal, min(1.0, stride / max(largest, 1e-9))))


def _descent(tip: NDArray[np.float64], place: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """Next waypoint of the tip on its way above the cubes and down to ``height`` at ``place``."""
    wanted = height + (_HOVER - height) * _ramp(float(np.linalg.norm(place - tip[:2])), *_FUNNEL)
    clear = 1 - _ramp(wanted - tip[2], *_BELOW_FUNNEL)
    return np.array([*_blend(tip[:2], place, clear), wanted])


def _push(tip: NDArray[np.float64], cube: NDArray[np.float64], mark: NDArray[np.float64]) -> NDArray[np.float64]:
    """Next waypoint of the tip: down to behind the cube, then forward while centred on the line to the mark, else back to be so."""
    direction = (mark - cube) / max(float(np.linalg.norm(mark - cube)), 1e-9)
    along = float((tip[:2] - cube) @ direction)
    across = abs(float((tip[:2] - cube) @ np.array([-direction[1], direction[0]])))
    behind = (
        (1 - _ramp(tip[2], *_BEHIND_HEIGHT))
        * (1 - _ramp(along, *_BEHIND_NEAR))
        * _ramp(along, *_BEHIND_FAR)
        * (1 - _ramp(across, *_BEHIND_SIDE))
    )
    station = push_station(cube, mark)
    back = np.array([*station, _PUSH_HEIGHT])
    forward = np.array([*(cube + (along + _PUSH_LEAD) * direction), _PUSH_HEIGHT])
    return _blend(_descent(tip, station, _PUSH_HEIGHT), _blend(back, forward, 1 - _ramp(across, *_CENTRED)), behind)


def _blend(start: NDArray[np.float64], end: NDArray[np.float64], fraction: float) -> NDArray[np.float64]:
    return start + fraction * (end - start)


def _ramp(value: float, start: float, end: float) -> float:
    """0 up to ``start``, 1 from ``end`` on, linear between."""
    return min(max((float(value) - start) / (end - start), 0.0), 1.0)
