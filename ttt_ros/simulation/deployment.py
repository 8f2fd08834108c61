"""One long run of a robot with hidden properties: goal after goal in language, one open-loop chunk of commands each."""

import copy
import math
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.policies.observation import Observation
from ttt_ros.simulation.arm import JOINT_NAMES, PARKED
from ttt_ros.simulation.engine import CONTROL_PERIOD, MODEL_PATH, TIMESTEP
from ttt_ros.simulation.layout import COLOURS, CUBE_HALF_SIZE, draw_cubes
from ttt_ros.simulation.pointing import PointingExpert
from ttt_ros.simulation.rendering import OffscreenRenderer
from ttt_ros.simulation.robots import Robot
from ttt_ros.simulation.sensing import CameraStream
from ttt_ros.simulation.shifted_model import apply_to_model
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import POINT_TOLERANCE, POINTING_TASKS, REST, Skill, Task, phrasings

CAMERA = "overhead"
IMAGE_SIZE = (96, 96)
"""(height, width) of an observation's image, pixels."""

LANDMARKS = (*COLOURS, "hand")
"""What ``Deployment.landmarks`` locates, in order."""

_STEPS_PER_CONTROL = round(CONTROL_PERIOD / TIMESTEP)
_BELOW_THE_TABLE = -1.0


@dataclass(frozen=True, kw_only=True)
class GoalResult:
    """How a pointing ended.

    Attributes:
        success: whether the fingertip is within POINT_TOLERANCE of the cube's centre, horizontally.
        distance_m: horizontal distance of the two, m.
        height_m: of the fingertip above the table, m.
    """

    success: bool
    distance_m: float
    height_m: float


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What the privileged expert would do.

    Attributes:
        chunk: joint commands, rad, float64 [HORIZON, 6], in the frame of the encoders.
        jacobian: of the fingertip's position at the end, m, by the last command, rad: float64 [3, 6].
        landmarks: where the present image shows things: see ``Deployment.landmarks``.
    """

    chunk: NDArray[np.float64]
    jacobian: NDArray[np.float64]
    landmarks: NDArray[np.float32]


def random_of_goal(seed: int, index: int) -> np.random.Generator:
    """What draws the cubes and the words of a goal; nothing else of a deployment draws from it, or one would tell of the other."""
    return np.random.default_rng([seed, index])


class Deployment:
    """The simulated arm under an overhead camera, with three cubes that stay where they are put.

    A goal is: ``begin_goal``, ``observe``, ``play`` one chunk, ``result``, ``rest``, ``observe``, ``play`` another chunk. The arm starts
    parked and stays where the policy brought it. Layout, instruction and sensor noise of a goal depend on the seed and its index alone.
    Use it from one thread, as ``Simulation``.
    """

    def __init__(self, robot: Robot, *, seed: int) -> None:
        """Parks the arm and begins goal 0.

        Raises:
            SimulationError: a negative seed.
        """
        if seed < 0:
            raise SimulationError(f"seed {seed} must be at least 0")
        self._robot = robot
        self._seed = seed
        self._model = _model_with_fixed_cubes()
        self._original = copy.copy(self._model)
        self._data = mujoco.MjData(self._model)
        self._expert = PointingExpert(self._model)
        self._camera = self._model.camera(CAMERA).id
        self._tip = self._model.site("tip").id
        self._cubes = [int(self._model.body(f"{colour}_cube").mocapid[0]) for colour in COLOURS]
        self._data.mocap_pos[self._model.body("mark").mocapid[0], 2] = _BELOW_THE_TABLE
        self._renderer: OffscreenRenderer | None = None
        self._stream = CameraStream()
        self._steps = 0
        self._shifts = Shifts()
        self._set_shifts(robot.shifts(0))
        self.park()
        self.begin_goal(0)

    @property
    def instruction(self) -> str:
        """The present goal in words."""
        return self._instruction

    @property
    def task(self) -> Task:
        """The present goal."""
        return self._task

    @property
    def shifts(self) -> Shifts:
        """The shifts in force: privileged."""
        return self._shifts

    @property
    def time(self) -> float:
        """Simulated seconds since the deployment began."""
        return self._steps * TIMESTEP

    def begin_goal(self, index: int) -> None:
        """Lays the cubes out anew, gives the instruction and lets the robot drift to goal ``index``; the arm stays where it is.

        Raises:
            SimulationError: a negative index.
        """
        if index < 0:
            raise SimulationError(f"goal index {index} must be at least 0")
        generator = random_of_goal(self._seed, index)
        self._set_shifts(self._robot.shifts(index))
        self._place(*draw_cubes(generator))
        self._task = POINTING_TASKS[generator.integers(len(POINTING_TASKS))]
        self._instruction = str(generator.choice(phrasings(self._task)))
        self._generator = generator
        self._refresh()

    def rest(self) -> None:
        """Makes parking the arm the goal."""
        self._task = REST
        self._instruction = REST.instruction

    def observe(self) -> Observation:
        """What the robot sees and reads now.

        Raises:
            SimulationError: no usable GL library, or another thread than in the first call.
        """
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self._model, {CAMERA: IMAGE_SIZE})
        image = self._stream.take(self._renderer.render(self._data, CAMERA), self._shifts, self._generator)
        return Observation(
            stamp=round(self.time * 1e9),
            images={CAMERA: torch.from_numpy(image)},
            joint_positions=torch.from_numpy(self._shifts.measured(self._data.qpos[: len(JOINT_NAMES)])).float(),
            instruction=self._instruction,
        )

    def play(self, chunk: ArrayLike) -> None:
        """Commands the positions one by one, one per control period, in the frame of the encoders.

        A command takes effect after the action delay; a joint that is driven beyond its limit stops there, as in ``Simulation``.

        Args:
            chunk: rad, [steps, 6].

        Raises:
            SimulationError: not rows of six finite numbers.
        """
        commands = np.array(chunk, dtype=np.float64)
        if commands.ndim != 2 or commands.shape[1] != len(JOINT_NAMES) or not len(commands) or not np.isfinite(commands).all():
            raise SimulationError(f"chunk of shape {commands.shape} must be one or more rows of {len(JOINT_NAMES)} finite positions in rad")
        delayed, late_steps = divmod(round(self._shifts.action_delay / TIMESTEP), _STEPS_PER_CONTROL)
        queue = np.concatenate([self._latest(delayed), commands])
        for target in self._shifts.target(queue[: len(commands)]):
            mujoco.mj_step(self._model, self._data, nstep=late_steps)
            self._data.ctrl[:] = self._shifts.engaged(self._data.ctrl, target)
            mujoco.mj_step(self._model, self._data, nstep=_STEPS_PER_CONTROL - late_steps)
        self._commands = queue
        self._steps += len(commands) * _STEPS_PER_CONTROL
        self._refresh()

    def result(self) -> GoalResult:
        """How close the fingertip is to the cube that is to be pointed at.

        Raises:
            SimulationError: the present goal is to rest.
        """
        if self._task.skill is not Skill.POINT:
            raise SimulationError(f"the goal '{self._instruction}' has no cube; ask for the result before rest()")
        tip = self._data.site_xpos[self._tip]
        distance = math.dist(tip[:2], self._target()[:2])
        return GoalResult(success=distance <= POINT_TOLERANCE, distance_m=distance, height_m=float(tip[2]))

    def demonstration(self) -> Demonstration:
        """What the expert would do now, from the last command on; it knows the shifts and where the cube is."""
        start = self._commands[-1]
        if self._task.skill is Skill.POINT:
            chunk = self._expert.point(start, self._target(), shifts=self._shifts, drives=self._data.ctrl)
        else:
            chunk = self._expert.rest(start)
        jacobian = self._expert.tip_jacobian(self._shifts.target(chunk[-1])) @ self._shifts.gain_matrix()
        return Demonstration(chunk=chunk, jacobian=jacobian, landmarks=self.landmarks())

    def landmarks(self) -> NDArray[np.float32]:
        """Where the present image shows the cubes' top faces and the fingertip, in the order of LANDMARKS: privileged.

        Returns:
            float32 [4, 3]: column (right) and row (down), each -1 to 1 from edge to edge, and 1.0 if inside the image, else 0.0.
        """
        tops = self._data.mocap_pos[self._cubes] + [0.0, 0.0, CUBE_HALF_SIZE]
        points = np.concatenate([tops, self._data.site_xpos[self._tip][None]])
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, self._model.cam_quat[self._camera])
        x, y, z = ((points - self._model.cam_pos[self._camera]) @ rotation.reshape(3, 3)).T
        half = -z * math.tan(math.radians(float(self._model.cam_fovy[self._camera])) / 2)
        column, row = x / half * (IMAGE_SIZE[0] / IMAGE_SIZE[1]), -y / half
        inside = (half > 0) & (np.abs(column) <= 1) & (np.abs(row) <= 1)
        return np.stack([column, row, inside], axis=1).astype(np.float32)

    def park(self) -> None:
        """Puts the arm into the pose of the command PARKED, at rest: a shortcut for making training data."""
        self._commands = np.array([PARKED])
        target = self._shifts.target(self._commands[0])
        self._data.qpos[: len(JOINT_NAMES)] = target
        self._data.qvel[:] = 0.0
        self._data.ctrl[:] = target
        self._refresh()

    def close(self) -> None:
        """Frees the GL context, in the thread that renders."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _target(self) -> NDArray[np.float64]:
        return np.array(self._data.mocap_pos[self._cubes[COLOURS.index(self._task.colour)]])

    def _latest(self, count: int) -> NDArray[np.float64]:
        """The last ``count`` commands, the oldest repeated where there were fewer: [count, 6]."""
        kept = self._commands[len(self._commands) - min(count, len(self._commands)) :]
        return np.concatenate([np.repeat(self._commands[:1], count - len(kept), axis=0), kept])

    def _set_shifts(self, shifts: Shifts) -> None:
        if shifts != self._shifts:
            self._shifts = shifts
            apply_to_model(shifts, self._model, self._original)

    def _place(self, places: NDArray[np.float64], yaws: NDArray[np.float64]) -> None:
        for body, place, yaw in zip(self._cubes, places, yaws, strict=True):
            self._data.mocap_pos[body] = (*place, CUBE_HALF_SIZE)
            self._data.mocap_quat[body] = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))

    def _refresh(self) -> None:
        """Brings what depends on the joints up to date, which a physics step leaves one step behind."""
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)


def _model_with_fixed_cubes() -> mujoco.MjModel:
    """The desk arm with cubes that can be put anywhere but not pushed: six degrees of freedom instead of 24 are several times as fast."""
    specification = mujoco.MjSpec.from_file(str(MODEL_PATH))
    for colour in COLOURS:
        body = specification.body(f"{colour}_cube")
        body.joints[0].delete()
        body.mocap = True
    return specification.compile()
