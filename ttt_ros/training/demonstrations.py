"""Recording demonstrations in shards on disk."""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch

from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.simulation.engine import Simulation
from ttt_ros.training.configuration import DemonstrationConfig
from ttt_ros.training.demonstrator import demonstrate
from ttt_ros.training.manifest import claim
from ttt_ros.training.progress import progress_bar

_WORKERS = 2
_MANIFEST = "demonstrations.json"


def record_demonstrations(config: DemonstrationConfig, directory: Path) -> list[Path]:
    """Records the shards that ``directory`` does not hold yet, in two processes, and returns the paths of all.

    Raises:
        RecordingError: ``directory`` holds demonstrations of another configuration.
    """
    claim(directory / _MANIFEST, dataclasses.asdict(config))
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


def _record_shard(config: DemonstrationConfig, index: int, path: Path) -> None:
    first = index * config.episodes_per_shard
    episodes = range(first, min(first + config.episodes_per_shard, config.episodes))
    simulation = Simulation()
    try:
        frames = [frame for episode in episodes for frame in demonstrate(config, simulation, episode=episode)]
    finally:
        simulation.close()
    write_tensors(path, {name: torch.from_numpy(np.stack([frame[name] for frame in frames])) for name in frames[0]})
