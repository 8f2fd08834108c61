"""Pictures of the work area with known landmarks, rendered once and kept in shards on disk."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.simulation.deployment import CAMERA, Deployment
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.training.manifest import claim
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.sight.configuration import PictureConfig
from ttt_ros.training.sight.robots import RobotPerGoal

_MANIFEST = "pictures.json"
_SETTLING_STEPS = 25
_NEAR = np.array([0.15, 0.15, 0.15, 0.2, 0.2, 0.2])
_ANYWHERE = np.array([0.9, 0.5, 0.4, 0.4, 0.4, 0.4])


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures and what they show.

    Attributes:
        images: RGB, uint8 (n, height, width, 3).
        points: column and row of each landmark, -1 to 1 from edge to edge, float32 (n, landmarks, 2).
        seen: whether each is inside the image, bool (n, landmarks).
    """

    images: Tensor
    points: Tensor
    seen: Tensor


def record_pictures(config: PictureConfig, directory: Path) -> Pictures:
    """Renders the shards that ``directory`` does not hold yet and returns all pictures.

    Raises:
        RecordingError: ``directory`` holds pictures of another configuration.
    """
    claim(directory / _MANIFEST, dataclasses.asdict(config))
    paths = [directory / f"shard-{index:04d}.safetensors" for index in range(config.shards)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    with progress_bar("rendering pictures", total=len(paths), completed=len(paths) - len(missing)) as advance:
        for index in missing:
            first = index * config.pictures_per_shard
            shard = render_pictures(config, range(first, min(first + config.pictures_per_shard, config.pictures)))
            write_tensors(paths[index], vars(shard))
            advance()
    shards = [load_file(path) for path in paths]
    return Pictures(**{field.name: torch.cat([shard[field.name] for shard in shards]) for field in dataclasses.fields(Pictures)})


def render_pictures(config: PictureConfig, indices: range) -> Pictures:
    """Renders the pictures of those numbers; each depends on ``config`` and its number alone."""
    deployment = Deployment(_PicturedRobots(seed=config.seed, wider=config.wider), seed=config.seed)
    try:
        shown = [_render(config, deployment, index) for index in indices]
    finally:
        deployment.close()
    landmarks = torch.from_numpy(np.stack([landmarks for _, landmarks in shown]))
    images = torch.stack([image for image, _ in shown])
    return Pictures(images=images, points=landmarks[..., :2].contiguous(), seen=landmarks[..., 2] > 0.5)


class _PicturedRobots(RobotPerGoal):
    """Leaves of each robot its camera and its light: the poses are drawn anyway, and colours and noise are varied whenever a picture is
    shown.
    """

    def shifts(self, goal_index: int) -> Shifts:
        """Those of picture ``goal_index``."""
        drawn = super().shifts(goal_index)
        return Shifts(camera_position=drawn.camera_position, camera_rotation=drawn.camera_rotation, light=drawn.light)


def _render(config: PictureConfig, deployment: Deployment, index: int) -> tuple[Tensor, NDArray[np.float32]]:
    generator = np.random.default_rng([config.seed, index, 1])
    deployment.begin_goal(index)
    deployment.park()
    if generator.random() >= config.parked:
        scatter = _NEAR if generator.random() < config.near_cube else _ANYWHERE
        command = deployment.demonstration().chunk[-1] + scatter * generator.uniform(-1.0, 1.0, size=6)
        deployment.play(np.repeat(command[None], _SETTLING_STEPS, axis=0))
    return deployment.observe().images[CAMERA], deployment.landmarks()
