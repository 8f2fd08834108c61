"""Deployments recorded for training: what the robot saw and did, and what it should have done."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.simulation.deployment import CAMERA, Deployment
from ttt_ros.simulation.pointing import minimum_jerk
from ttt_ros.simulation.robots import Property, Robot
from ttt_ros.training.manifest import claim
from ttt_ros.training.meta.agent import AdaptingAgent
from ttt_ros.training.meta.configuration import RecordingConfig
from ttt_ros.training.meta.desk_arm import MAX_INSTRUCTION_WORDS, VOCABULARY
from ttt_ros.training.progress import progress_bar

_MANIFEST = "recording.json"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts in a recording: the checkpoint of a policy and how it adapts."""

    policy: Path
    adaptation: AdaptationConfig


def record_deployments(config: RecordingConfig, directory: Path, *, jobs: int, actor: Actor | None = None) -> list[Path]:
    """Records the shards that ``directory`` does not hold yet, one deployment after the other, and returns the paths of all.

    Args:
        actor: a policy that acts and adapts, so that the states are those that its own mistakes lead to (DAgger, arXiv 1011.0686);
            without it an expert acts that knows its robot only roughly. The labels are the expert's in both cases.

    Raises:
        RecordingError: ``directory`` holds recordings of another configuration or actor.
    """
    facts = None if actor is None else {"policy": load_policy(actor.policy).checksum, "adaptation": asdict(actor.adaptation)}
    claim(directory / _MANIFEST, asdict(config) | {"actor": facts})
    paths = [directory / f"shard-{index:04d}.safetensors" for index in range(config.shards)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    # GL contexts and torch's threads do not survive a fork.
    with (
        ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool,
        progress_bar("recording deployments", total=len(paths), completed=len(paths) - len(missing)) as advance,
    ):
        for done in as_completed([pool.submit(_record_shard, config, index, paths[index], actor) for index in missing]):
            done.result()
            advance()
    return paths


def _record_shard(config: RecordingConfig, index: int, path: Path, actor: Actor | None) -> None:
    torch.set_num_threads(1)
    policy = None if actor is None else load_policy(actor.policy)
    first = index * config.deployments_per_shard
    recorded = [
        record_deployment(config, number, agent=AdaptingAgent(policy, actor.adaptation) if policy and actor else None)
        for number in range(first, min(first + config.deployments_per_shard, config.deployments))
    ]
    write_tensors(path, {name: torch.stack([each[name] for each in recorded]) for name in recorded[0]})


def record_deployment(config: RecordingConfig, number: int, *, agent: AdaptingAgent | None) -> dict[str, Tensor]:
    """Records one deployment; the same configuration and number give the same tensors.

    Returns:
        by name, the goals as first axis and, where it says "twice", before and after the pointing chunk as second one: ``images`` uint8
        (goals, 2, height, width, 3) twice; ``positions`` float32 (goals, 2, joints), rad, twice; ``words`` int64 (goals, 2, words),
        indices in the vocabulary, twice; ``executed`` float32 (goals, horizon, joints), rad; ``labels`` the expert's chunks, float32
        (goals, 2, horizon, joints), twice: for pointing and for the return; ``jacobians`` float32 (goals, 3, joints), m/rad; ``hidden``
        float32 (goals, hidden size), what only an oracle is told.
    """
    seed = config.seed + number
    robot = Robot(seed=seed, properties=() if config.nominal else tuple(Property))
    deployment = Deployment(robot, seed=seed)
    rough = _RoughExpert(config, seed)
    try:
        goals = [_record_goal(deployment, robot, index, agent or rough) for index in range(config.goals)]
    finally:
        deployment.close()
    return {name: torch.from_numpy(np.stack([goal[name] for goal in goals])) for name in goals[0]}


def _record_goal(deployment: Deployment, robot: Robot, index: int, agent: "AdaptingAgent | _RoughExpert") -> dict[str, NDArray[np.generic]]:
    deployment.begin_goal(index)
    deployment.park()
    before = deployment.observe()
    label = deployment.demonstration()
    executed = agent.perturbed(label.chunk) if isinstance(agent, _RoughExpert) else agent.decide(before)
    deployment.play(executed)
    deployment.rest()
    after = deployment.observe()
    if isinstance(agent, AdaptingAgent):
        agent.see(after)
    seen = (before, after)
    return {
        "images": np.stack([each.images[CAMERA].numpy() for each in seen]),
        "positions": np.stack([each.joint_positions.numpy() for each in seen]),
        "words": np.array([VOCABULARY.encode(each.instruction, length=MAX_INSTRUCTION_WORDS) for each in seen]),
        "executed": executed.astype(np.float32),
        "labels": np.stack([label.chunk, deployment.demonstration().chunk]).astype(np.float32),
        "jacobians": label.jacobian.astype(np.float32),
        "hidden": robot.hidden(index),
    }


class _RoughExpert:
    """The expert with an error of its command that is part lasting and part new for each goal, as of a policy that half knows its robot."""

    def __init__(self, config: RecordingConfig, seed: int) -> None:
        self._generator = np.random.default_rng([config.seed, seed])
        self._config = config
        self._lasting = self._draw(config.lasting_error * self._generator.uniform())

    def perturbed(self, chunk: NDArray[np.float64]) -> NDArray[np.float64]:
        """The expert's chunk with an error that grows along it as the movement does."""
        share = self._generator.uniform()
        error = share * self._lasting + self._draw(self._config.passing_error * self._generator.uniform())
        return chunk + minimum_jerk(np.zeros_like(error), error)

    def _draw(self, scale: float) -> NDArray[np.float64]:
        return self._generator.normal(scale=scale, size=6)
