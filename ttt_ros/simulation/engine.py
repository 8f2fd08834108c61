"""The simulated robot: physics, cameras and joints, without ROS."""

import copy
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.arm import HOME, JOINT_LIMITS, JOINT_NAMES, ArmKinematics
from ttt_ros.simulation.layout import COLOURS, CUBE_HALF_SIZE, Layout, draw_cubes, draw_layout
from ttt_ros.simulation.progress import Progress
from ttt_ros.simulation.rendering import CameraIntrinsics, OffscreenRenderer
from ttt_ros.simulation.sensing import CameraStream
from ttt_ros.simulation.shifted_model import apply_to_model
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts
from ttt_ros.simulation.tasks import Task

STEPS_PER_SECOND = 300
"""So that joint states at 100 Hz and camera frames at 30 Hz both fall on physics steps."""

TIMESTEP = 1 / STEPS_PER_SECOND
JOINT_STATE_EVERY = 3
"""Physics steps between two joint states: 100 Hz."""

IMAGE_EVERY = 10
"""Physics steps between two frames of a camera: 30 Hz."""

CONTROL_PERIOD = 1 / 30
"""Seconds between two actions of a policy."""

CAMERA_SIZES: Mapping[str, tuple[int, int]] = MappingProxyType({"scene": (96, 96), "wrist": (96, 96)})
"""The usual (height, width) in pixels of each camera."""

CAMERAS = tuple(CAMERA_SIZES)

OPTIONAL_CAMERAS = ("overhead",)
"""Cameras that have to be asked for."""

MODEL_PATH = Path(__file__).parent / "assets" / "desk_arm.xml"

_BELOW_THE_TABLE = -1.0
_RANDOM_RADIUS = (0.12, 0.28)
_RANDOM_AZIMUTH = 0.7
_RANDOM_HEIGHT = (0.07, 0.17)
_RANDOM_ROLL = 0.5


class Simulation:
    """A desktop arm with two cameras, three cubes and a mark.

    Joint positions and commands are in the frame of the encoders; ``Shifts`` says how that differs from the true one.
    Use it from one thread; the first ``render`` makes a GL context, which binds it to that thread.
    """

    def __init__(self, *, cameras: Mapping[str, tuple[int, int]] = CAMERA_SIZES, shifts: Shifts = NO_SHIFTS, seed: int = 0) -> None:
        """Loads the model and resets to ``seed``.

        Args:
            cameras: (height, width) in pixels by camera name, of those in CAMERAS and OPTIONAL_CAMERAS.
            shifts: in force from the start.
            seed: of the first layout.

        Raises:
            SimulationError: an unknown camera or an image size below 1.
        """
        self._sizes = dict(cameras)
        _check_cameras(self._sizes)
        self._model = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
        self._original = copy.copy(self._model)
        self._data = mujoco.MjData(self._model)
        self._kinematics = ArmKinematics.of(self._model)
        self._progress = Progress(self._model)
        self._renderer: OffscreenRenderer | None = None
        self._streams = {name: CameraStream() for name in self._sizes}
        self._pending: deque[tuple[int, NDArray[np.float64]]] = deque()
        self._command = np.array(HOME)
        self.set_shifts(shifts)
        self.reset(seed)

    @property
    def time(self) -> float:
        """Seconds since the last reset."""
        return self._steps / STEPS_PER_SECOND

    @property
    def shifts(self) -> Shifts:
        """The shifts in force."""
        return self._shifts

    @property
    def kinematics(self) -> ArmKinematics:
        """Kinematics of the arm in true joint positions."""
        return self._kinematics

    def reset(self, seed: int, *, pose: ArrayLike = HOME, random_pose: bool = False) -> None:
        """Draws a new layout and brings the arm to a pose, at rest; the same seed gives the same episode bit for bit.

        Shifts stay in force; the task and all pending commands are dropped.

        Args:
            seed: of layout, pose and sensor noise, at least 0.
            pose: true joint positions to start from, rad, [6].
            random_pose: start from a pose drawn in the space above the table instead.

        Raises:
            SimulationError: a negative seed.
        """
        layout = _drawn_layout(seed)
        _, pose_seed, noise_seed = np.random.SeedSequence(seed).spawn(3)
        self._noise = np.random.default_rng(noise_seed)
        start = self._random_pose(np.random.default_rng(pose_seed)) if random_pose else np.array(pose)
        mujoco.mj_resetData(self._model, self._data)
        self._place(layout)
        self._data.qpos[: len(JOINT_NAMES)] = start
        self._steps = 0
        self._pending.clear()
        for stream in self._streams.values():
            stream.clear()
        self._data.ctrl[:] = start  # so that no backlash is left to take up
        self._obey(self._shifts.command(start))
        mujoco.mj_forward(self._model, self._data)
        self._progress.clear()

    def rearrange(self, seed: int, *, mark: bool = True) -> None:
        """Draws a new layout; the arm, its commands and the task stay as they are.

        Args:
            seed: that of ``reset`` gives the same layout.
            mark: whether to draw one that cubes can be pushed in, with the mark; else the table holds the cubes alone.

        Raises:
            SimulationError: a negative seed.
        """
        self._place(_drawn_layout(seed, mark=mark))
        self._data.mocap_pos[0, 2] = 0.0 if mark else _BELOW_THE_TABLE
        mujoco.mj_forward(self._model, self._data)

    def set_shifts(self, shifts: Shifts) -> None:
        """Puts ``shifts`` in force from the next step on; the default Shifts restores the model bit for bit."""
        self._shifts = shifts
        apply_to_model(shifts, self._model, self._original)
        self._obey(self._command)

    def command(self, positions: ArrayLike) -> None:
        """Orders joint positions, rad, [6], in the frame of the encoders; they take effect after the action delay.

        As a servo does, a joint stops at its limit if it is ordered beyond.

        Raises:
            SimulationError: not six finite numbers.
        """
        order = np.array(positions, dtype=np.float64)
        if order.shape != (len(JOINT_NAMES),) or not np.isfinite(order).all():
            raise SimulationError(f"command {order.tolist()} must be {len(JOINT_NAMES)} finite positions in rad, for {JOINT_NAMES}")
        self._pending.append((self._steps, order))

    def step(self) -> None:
        """Advances by one physics step of TIMESTEP."""
        delay = round(self._shifts.action_delay * STEPS_PER_SECOND)
        while self._pending and self._pending[0][0] + delay <= self._steps:
            self._obey(self._pending.popleft()[1])
        mujoco.mj_step(self._model, self._data)
        self._steps += 1
        self._progress.observe(self._data)

    def advance(self, duration: float) -> None:
        """Advances by ``duration`` seconds.

        Raises:
            SimulationError: not a whole number of physics steps.
        """
        steps = duration * STEPS_PER_SECOND
        if not math.isfinite(steps) or steps < 0 or abs(steps - round(steps)) > 1e-6:
            raise SimulationError(f"duration {duration} s must be a whole number of steps of 1/{STEPS_PER_SECOND} s")
        for _ in range(round(steps)):
            self.step()

    def joint_positions(self) -> NDArray[np.float64]:
        """Positions that the encoders read, rad, float64 [6], in the order of JOINT_NAMES."""
        return self._shifts.measured(self.true_joint_positions())

    def joint_velocities(self) -> NDArray[np.float64]:
        """Joint velocities, rad/s, float64 [6]."""
        return np.array(self._data.qvel[: len(JOINT_NAMES)])

    def true_joint_positions(self) -> NDArray[np.float64]:
        """Positions without the encoder offset, rad, float64 [6]: privileged, no robot knows them."""
        return np.array(self._data.qpos[: len(JOINT_NAMES)])

    def cube_position(self, colour: str) -> NDArray[np.float64]:
        """Centre of the cube of that colour, m, world, float64 [3]: privileged."""
        return np.array(self._data.body(f"{colour}_cube").xpos)

    def mark_position(self) -> NDArray[np.float64]:
        """Centre of the mark, m, world, float64 [3]: privileged."""
        return np.array(self._data.mocap_pos[0])

    def start(self, task: Task) -> None:
        """Makes ``task`` the goal: forgets earlier touches and success."""
        self._progress.start(task, self._data)

    @property
    def task(self) -> Task | None:
        """The goal, None before ``start``."""
        return self._progress.task

    def succeeded(self) -> bool:
        """Whether the goal has been reached since ``start``; false without a goal."""
        return self._progress.succeeded

    def first_touched(self) -> str | None:
        """Colour of the cube that the fingers touched first since ``start``, None if none.

        A cube that they still rest on from an earlier goal counts only if it is the new goal's, or once they have left it.
        """
        return self._progress.first_touched

    def settled(self) -> bool:
        """Whether the arm has moved since ``start`` and come to rest; false without a goal."""
        return self._progress.settled

    def distance(self) -> float | None:
        """Distance of the fingertip from the goal's cube in the plane of the table, m; None for a goal without one: privileged."""
        return self._progress.distance(self._data)

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Takes a picture: RGB, uint8 [height, width, 3], with colour cast and sensor noise.

        Raises:
            SimulationError: an unknown camera, no usable GL library, or another thread than in the first call.
        """
        self._size(camera)
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self._model, self._sizes)
        return self._streams[camera].take(self._renderer.render(self._data, camera), self._shifts, self._noise)

    def camera_intrinsics(self, camera: str) -> CameraIntrinsics:
        """Intrinsics of a camera at its image size.

        Raises:
            SimulationError: an unknown camera.
        """
        height, width = self._size(camera)
        focal = height / (2 * math.tan(math.radians(float(self._model.camera(camera).fovy[0])) / 2))
        return CameraIntrinsics(fx=focal, fy=focal, cx=width / 2, cy=height / 2)

    def close(self) -> None:
        """Frees the GL context, in the thread that renders."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _size(self, camera: str) -> tuple[int, int]:
        if camera not in self._sizes:
            raise SimulationError(f"unknown camera '{camera}'; known are: {', '.join(self._sizes)}")
        return self._sizes[camera]

    def _random_pose(self, generator: np.random.Generator) -> NDArray[np.float64]:
        radius, height = generator.uniform(*_RANDOM_RADIUS), generator.uniform(*_RANDOM_HEIGHT)
        azimuth, roll = generator.uniform(-_RANDOM_AZIMUTH, _RANDOM_AZIMUTH), generator.uniform(-_RANDOM_ROLL, _RANDOM_ROLL)
        tip = np.array([radius * math.cos(azimuth), radius * math.sin(azimuth), height])
        joints = self._kinematics.joints(tip, roll=roll)
        limits = [JOINT_LIMITS[name] for name in JOINT_NAMES]
        return np.clip(joints, [limit.lower for limit in limits], [limit.upper for limit in limits])

    def _place(self, layout: Layout) -> None:
        for colour, place, yaw in zip(COLOURS, layout.cubes, layout.yaws, strict=True):
            cube = self._data.joint(f"{colour}_cube")
            cube.qvel[:] = 0.0
            cube.qpos[:] = (*place, CUBE_HALF_SIZE, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        self._data.mocap_pos[0, :2] = layout.mark

    def _obey(self, command: NDArray[np.float64]) -> None:
        self._command = command
        self._data.ctrl[:] = self._shifts.engaged(self._data.ctrl, self._shifts.target(command))


def _drawn_layout(seed: int, *, mark: bool = True) -> Layout:
    if seed < 0:
        raise SimulationError(f"seed {seed} must be at least 0")
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[0])
    if mark:
        return draw_layout(generator)
    cubes, yaws = draw_cubes(generator)
    return Layout(cubes=cubes, yaws=yaws, mark=np.zeros(2))


def _check_cameras(sizes: Mapping[str, tuple[int, int]]) -> None:
    known = (*CAMERAS, *OPTIONAL_CAMERAS)
    for name, (height, width) in sizes.items():
        if name not in known:
            raise SimulationError(f"unknown camera '{name}'; known are: {', '.join(known)}")
        if height < 1 or width < 1:
            raise SimulationError(f"camera '{name}' of {height} by {width} pixels: both must be at least 1")
