"""Recording scripted demonstrations in the simulation, in shards on disk."""

import dataclasses
import json
import math
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.errors import RecordingError
from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import CAMERAS, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import INSTRUCTIONS, Skill, Task, phrasings
from ttt_ros.training.progress import progress_bar

HORIZON = 16
"""Steps of the expert's commands stored with each frame: the chunk that a policy learns to predict."""

FRAME_INTERVAL = 4
"""Control steps from one stored frame to the next: neighbouring frames teach little, so new scenes are the better use of space."""

_MAX_GOAL_STEPS = 250
_STEPS_AFTERWARDS = 24
"""Long enough that the chunk of every frame up to the end of a task is whole, with two frames of what to do afterwards."""

_PUSHED_DISTANCE = 0.012
"""How close to the mark's centre a demonstration brings the cube, m: a push that stops where it first counts teaches to stop short."""

Frame: TypeAlias = dict[str, Any]
"""Arrays and scalars of one frame, by column."""

_NOISY_STEPS = 10
_QUIET_STEPS = 20
_LEAD_IN_RADIUS = 0.07
_LEAD_IN_HEIGHT = (0.015, 0.07)
_LEAD_IN_STEPS = 25
_LEAD_IN_STRIDE = 0.085
_FIRST_SEED = 1
_WORKERS = 2
_MANIFEST = "demonstrations.json"


@strict
@dataclass(frozen=True, kw_only=True)
class DemonstrationConfig:
    """What is recorded.

    Attributes:
        episodes: number of layouts; in each, two touches and one push, of three cubes, follow each other in random order.
        episodes_per_shard: episodes in one file.
        noise: largest standard deviation of the noise on the executed commands, rad; each goal draws its own up to this.
            The stored chunks stay the expert's, so that a policy sees how to recover (DART, arXiv 1703.09327). Noise comes in
            spells with quiet between them, so that the recovery is seen to its end.
        noise_correlation: of that noise from one control step to the next.
        lead_in: probability that a goal begins with the arm led, unrecorded, to a point close around a cube, such as on top of it or on
            its wrong side: where an imperfect policy ends up, and the expert never.
        light: smallest and largest factor on the lights, drawn for each episode.
        sensor_noise: largest standard deviation of the noise on each pixel, of 255, drawn for each episode.
        seed: of layouts and noise; with the limits here no layout has the seed of a validation.
    """

    episodes: Annotated[int, Field(gt=0, le=10_000)] = 2000
    episodes_per_shard: Annotated[int, Field(gt=0)] = 40
    noise: Annotated[float, Field(ge=0, le=0.1)] = 0.06
    noise_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.8
    lead_in: Annotated[float, Field(ge=0, le=1)] = 0.5
    light: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.85, 1.15)
    sensor_noise: Annotated[float, Field(ge=0, le=60)] = 4.0
    seed: Annotated[int, Field(ge=0, lt=100)] = 0

    @property
    def shards(self) -> int:
        """Number of files."""
        return math.ceil(self.episodes / self.episodes_per_shard)


def record_demonstrations(config: DemonstrationConfig, directory: Path) -> list[Path]:
    """Records the shards that ``directory`` does not hold yet, in two processes, and returns the paths of all.

    Raises:
        RecordingError: ``directory`` holds demonstrations of another configuration.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _claim(config, directory)
    paths = [directory / f"shard-{index:04d}.safetensors" for index in range(config.shards)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    # GL contexts and torch's threads do not survive a fork.
    with (
        ProcessPoolExecutor(_WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool,
        progress_bar("recording demonstrations", total=len(paths), completed=len(paths) - len(missing)) as advance,
    ):
        for done in as_completed([pool.submit(_record_shard, config, index, paths[index]) for index in missing]):
            done.result()
            advance()
    return paths


def _claim(config: DemonstrationConfig, directory: Path) -> None:
    manifest = directory / _MANIFEST
    wanted = json.loads(json.dumps(dataclasses.asdict(config)))
    if manifest.exists():
        found = json.loads(manifest.read_text(encoding="utf-8"))
        different = [f"{key} is {found.get(key)} there and {value} here" for key, value in wanted.items() if found.get(key) != value]
        if different:
            raise RecordingError(f"{directory} holds other demonstrations: {'; '.join(different)}; use another directory or delete it")
        return
    manifest.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def _record_shard(config: DemonstrationConfig, index: int, path: Path) -> None:
    first = index * config.episodes_per_shard
    episodes = range(first, min(first + config.episodes_per_shard, config.episodes))
    simulation = Simulation()
    try:
        frames = [frame for episode in episodes for frame in _record_episode(config, simulation, episode)]
    finally:
        simulation.close()
    write_tensors(path, {name: torch.from_numpy(np.stack([frame[name] for frame in frames])) for name in frames[0]})


def _record_episode(config: DemonstrationConfig, simulation: Simulation, episode: int) -> Iterator[Frame]:
    generator = np.random.default_rng([config.seed, episode])
    light, noise = generator.uniform(*config.light), generator.uniform(0, config.sensor_noise)
    simulation.set_shifts(Shifts(light=light, sensor_noise=noise))
    simulation.reset(_FIRST_SEED + config.seed * config.episodes + episode, random_pose=bool(generator.random() < 0.5))
    for number, task in enumerate(_draw_goals(generator)):
        goal = episode * 3 + number
        for frame in _Goal(config, simulation, task, generator).record():
            yield {**frame, "goal": np.int64(goal)}


def _draw_goals(generator: np.random.Generator) -> list[Task]:
    """Two touches and a push, each of another cube: a second push would find the mark taken, a second touch its goal reached."""
    skills = generator.permutation([Skill.TOUCH.value, Skill.TOUCH.value, Skill.PUSH.value])
    return [Task(skill=Skill(skill), colour=str(colour)) for skill, colour in zip(skills, generator.permutation(COLOURS), strict=True)]


class _Goal:
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
