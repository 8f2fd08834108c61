"""Records Meta-World's scripted experts as a LeRobot data set.

Usage: python record.py OUT [EPISODES], where EPISODES is the number for each task.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from metaworld_tasks import IMAGE_SIZE, SURROUNDINGS, MetaWorldEnvironment, make_environment

from ttt_ros.configuration import load_yaml
from ttt_ros.evaluation.environments.configuration import Benchmark
from ttt_ros.simulation.foreign.description import EnvironmentTask, RobotDescription
from ttt_ros.simulation.foreign.follower import targets
from ttt_ros.simulation.foreign.robot import ForeignRobot
from ttt_ros.training.datasets.episode import Episode, Layout
from ttt_ros.training.datasets.lerobot_writer import write_lerobot

_BENCHMARK = Path(__file__).with_name("benchmark.yaml")
_NANOSECONDS = 1e9
_FIRST_SEED = 1_000_000  # far above the seeds of an evaluation
_ATTEMPTS = 1000
_STEP_LIMIT = 160  # whoever takes longer has got stuck, and shows nothing worth learning
_NOISE = 0.5  # largest standard deviation of the noise on an episode's actions; an action is at most 1
_NOISE_CORRELATION = 0.8


def demonstrate(description: RobotDescription, task: EnvironmentTask, environment: MetaWorldEnvironment, seed: int) -> Episode | None:
    """One episode of the expert, and a chunk beyond its success; None where it fails.

    The executed actions are noisy and the recorded ones are the expert's, so that a policy sees how to recover (arXiv 1703.09327).
    """
    robot = ForeignRobot(description, task, environment)
    random = np.random.default_rng(seed)
    scale = random.uniform(0.0, _NOISE)
    noise = np.zeros(len(description.channels))
    images, states, actions, surroundings = [], [], [], []
    left = description.horizon
    robot.reset(seed)
    while left and robot.steps < _STEP_LIMIT:
        images.append(robot.image())
        states.append(robot.measured())
        surroundings.append(environment.surroundings())
        action = environment.expert_action().astype(np.float64)
        actions.append(targets(description.channels, actions=action, measured=states[-1]))
        noise = _NOISE_CORRELATION * noise + np.sqrt(1 - _NOISE_CORRELATION**2) * random.normal(0.0, scale, len(noise))
        noise[-1] = 0.0  # a gripper that opens by chance drops what it holds
        robot.act(np.clip(action + noise, -1.0, 1.0))
        left -= robot.success
    if not robot.success:
        return None
    return Episode(
        name=f"{task.name} from seed {seed}",
        stamps=np.round(np.arange(len(states)) * description.period * _NANOSECONDS).astype(np.int64),
        states=np.array(states, dtype=np.float32),
        actions=np.array(actions, dtype=np.float32),
        instruction=task.instruction,
        cameras={description.camera: images},
        environment=np.array(surroundings),
    )


def demonstrations(benchmark: Benchmark, episodes: int) -> Iterator[Episode]:
    """``episodes`` successful demonstrations of each task, the tasks taking turns."""
    environments = [make_environment(**task.arguments) for task in benchmark.tasks]
    for number in range(episodes):
        for index, (task, environment) in enumerate(zip(benchmark.tasks, environments, strict=True)):
            first = _FIRST_SEED + _ATTEMPTS * (episodes * index + number)
            attempts = (demonstrate(benchmark.robot, task, environment, seed) for seed in range(first, first + _ATTEMPTS))
            yield next(episode for episode in attempts if episode is not None)
    for environment in environments:
        environment.close()


def main() -> None:
    """Records to the folder named on the command line."""
    warnings.filterwarnings("ignore", message="Constant.s. may be too high")  # an expert's actions are clipped, and say so in every step
    out, episodes = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    benchmark = load_yaml(_BENCHMARK, Benchmark)
    robot = benchmark.robot
    layout = Layout(
        state_names=robot.proprioception_names,
        action_names=robot.proprioception_names,
        cameras={robot.camera: IMAGE_SIZE},
        rate=1 / robot.period,
        environment_names=SURROUNDINGS,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    count = write_lerobot(out, demonstrations(benchmark, episodes), layout=layout, robot="sawyer")
    sys.stdout.write(f"{count} demonstrations in {out}\n")


if __name__ == "__main__":
    main()
