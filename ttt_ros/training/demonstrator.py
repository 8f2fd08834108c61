"""What a demonstration shows: the scripted expert at work, disturbed, with what it would do at every frame."""

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import CAMERAS, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import INSTRUCTIONS, Skill, Task, phrasings
from ttt_ros.training.configuration import DemonstrationConfig

HORIZON = 16
"""Steps of the expert's commands stored with each frame: the chunk that a policy learns to predict."""

FRAME_INTERVAL = 4
"""Control steps from one frame to the next: neighbouring frames teach little, so new scenes are the better use of space."""

_FIRST_SEED = 1
_GOALS = 3
_MAX_GOAL_STEPS = 250
_STEPS_AFTERWARDS = 24
"""Long enough that the chunk of every frame up to the end of a task is whole, with two frames of what to do afterwards."""

_PUSHED_DISTANCE = 0.012
"""How close to the mark's centre a demonstration brings the cube, m: a push that stops where it first counts teaches to stop short."""

_NOISY_STEPS = 10
_QUIET_STEPS = 20
_LEAD_IN_RADIUS = 0.07
_LEAD_IN_HEIGHT = (0.015, 0.07)
_LEAD_IN_STEPS = 25
_LEAD_IN_STRIDE = 0.085

Frame: TypeAlias = dict[str, Any]
"""Arrays and scalars of one frame, by column."""


def demonstrate(config: DemonstrationConfig, simulation: Simulation, *, episode: int) -> Iterator[Frame]:
    """Runs one episode, goal after goal in the same world, and yields its frames.

    A frame holds ``images`` uint8 [cameras, height, width, 3]; ``positions`` float32 [joints], rad; ``instruction``, its number in
    INSTRUCTIONS; ``goal``, different for each goal of all episodes; ``commands`` and ``executed`` float32 [HORIZON, joints], rad: what
    the expert commanded and what was executed from this frame on; ``landmarks`` float32 [4], m: x and y of the named cube and of the mark.
    """
    generator = np.random.default_rng([config.seed, episode])
    light, noise = generator.uniform(*config.light), generator.uniform(0, config.sensor_noise)
    simulation.set_shifts(Shifts(light=light, sensor_noise=noise))
    simulation.reset(_FIRST_SEED + config.seed * config.episodes + episode, random_pose=bool(generator.random() < 0.5))
    for number, task in enumerate(_draw_goals(generator)):
        goal = _GOALS * episode + number
        for frame in _Demonstration(config, simulation, task, generator).record():
            yield {**frame, "goal": np.int64(goal)}


def _draw_goals(generator: np.random.Generator) -> list[Task]:
    """Two touches and a push, each of another cube: a second push would find the mark taken, a second touch its goal reached."""
    skills = generator.permutation([Skill.TOUCH.value, Skill.TOUCH.value, Skill.PUSH.value])
    return [Task(skill=Skill(skill), colour=str(colour)) for skill, colour in zip(skills, generator.permutation(COLOURS), strict=True)]


class _Demonstration:
    """One task, demonstrated from where the arm is: done with some margin, and then held.

    The expert goes home at the edge of success, which cannot be imitated: the pictures on both sides of that edge look the same.
    So what is shown after the end is to keep the contact or the place.
    """

    def __init__(self, config: DemonstrationConfig, simulation: Simulation, task: Task, generator: np.random.Generator) -> None:
        self._config = config
        self._simulation = simulation
        self._expert = Expert(simulation)
        self._task = task
        self._generator = generator
        self._instruction = str(generator.choice(phrasings(task)))
        self._noise_scale = generator.uniform(0, config.noise)
        self._noise_phase = int(generator.integers(_NOISY_STEPS + _QUIET_STEPS))
        self._noise: NDArray[np.float64] = np.zeros(len(JOINT_NAMES))
        self._frames: list[Frame] = []
        self._commands: list[NDArray[np.float64]] = []
        self._executed: list[NDArray[np.float64]] = []

    def record(self) -> list[Frame]:
        """The frames of a successful demonstration; none of a failed one."""
        if self._generator.random() < self._config.lead_in:
            self._lead_in()
        if self._task.skill is Skill.TOUCH:
            # A push is not told to the simulation: it would make the expert go home as soon as the cube is at the edge of the mark.
            self._simulation.start(self._task)
        while not self._is_done():
            if len(self._commands) == _MAX_GOAL_STEPS:
                return []
            self._step(self._expert.action(self._task))
        touched = self._task.skill is Skill.TOUCH and self._commands
        held = self._commands[-1] if touched else self._simulation.joint_positions()
        for _ in range(_STEPS_AFTERWARDS):
            self._step(held)
        whole = (len(self._commands) - HORIZON) // FRAME_INTERVAL + 1
        return [{**frame, **self._chunks(index * FRAME_INTERVAL)} for index, frame in enumerate(self._frames[:whole])]

    def _lead_in(self) -> None:
        """Leads the tip close to the cube that is to be pushed, or, for a touch, to any cube."""
        colour = self._task.colour if self._task.skill is Skill.PUSH else str(self._generator.choice(COLOURS))
        azimuth, radius = self._generator.uniform(-math.pi, math.pi), self._generator.uniform(0, _LEAD_IN_RADIUS)
        place = self._simulation.cube_position(colour)[:2] + radius * np.array([math.cos(azimuth), math.sin(azimuth)])
        goal = self._simulation.kinematics.joints(np.array([*place, self._generator.uniform(*_LEAD_IN_HEIGHT)]))
        for _ in range(_LEAD_IN_STEPS):
            present = self._simulation.joint_positions()
            self._simulation.command(present + np.clip(goal - present, -_LEAD_IN_STRIDE, _LEAD_IN_STRIDE))
            self._simulation.advance(CONTROL_PERIOD)

    def _is_done(self) -> bool:
        simulation, colour = self._simulation, self._task.colour
        if self._task.skill is Skill.TOUCH:
            return simulation.succeeded()
        return bool(np.linalg.norm((simulation.cube_position(colour) - simulation.mark_position())[:2]) <= _PUSHED_DISTANCE)

    def _step(self, command: NDArray[np.float64]) -> None:
        if len(self._commands) % FRAME_INTERVAL == 0:
            self._frames.append(self._frame())
        self._commands.append(command)
        self._executed.append(command + self._next_noise())
        self._simulation.command(self._executed[-1])
        self._simulation.advance(CONTROL_PERIOD)

    def _next_noise(self) -> NDArray[np.float64]:
        noisy = (len(self._commands) + self._noise_phase) % (_NOISY_STEPS + _QUIET_STEPS) < _NOISY_STEPS
        innovation = self._noise_scale * math.sqrt(1 - self._config.noise_correlation**2)
        self._noise = self._config.noise_correlation * self._noise + innovation * self._generator.standard_normal(self._noise.shape)
        return noisy * self._noise

    def _frame(self) -> Frame:
        simulation = self._simulation
        landmarks = [simulation.cube_position(self._task.colour)[:2], simulation.mark_position()[:2]]
        return {
            "images": np.stack([simulation.render(camera) for camera in CAMERAS]),
            "positions": simulation.joint_positions().astype(np.float32),
            "instruction": np.int64(INSTRUCTIONS.index(self._instruction)),
            "landmarks": np.concatenate(landmarks).astype(np.float32),
        }

    def _chunks(self, start: int) -> Frame:
        window = slice(start, start + HORIZON)
        return {
            "commands": np.array(self._commands[window], dtype=np.float32),
            "executed": np.array(self._executed[window], dtype=np.float32),
        }
