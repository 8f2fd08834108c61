"""The frames of an episode as a policy sees them: images shrunk, joints in its order, whole chunks of what was commanded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.errors import RecordingError
from ttt_ros.policies.specification import CameraSpecification, PolicySpecification
from ttt_ros.training.datasets.episode import Episode, Frames, Layout, Pixels, columns
from ttt_ros.training.datasets.fit import resized


@dataclass(frozen=True, kw_only=True)
class EpisodeFrames:
    """Every n-th row of an episode whose chunk is whole.

    Attributes:
        name: of the episode.
        instruction: the task in words.
        stamps: nanoseconds, by frame.
        images: uint8, shape (frames, cameras, height, width, 3), in the policy's order of cameras.
        positions: measured, float32, shape (frames, joints), in the policy's order of joints.
        commands: commanded from each frame on, float32, shape (frames, horizon, joints).
        landmarks: what is known of the surroundings, float32, shape (frames, landmarks).
    """

    name: str
    instruction: str
    stamps: tuple[int, ...]
    images: Tensor
    positions: Tensor
    commands: Tensor
    landmarks: Tensor

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.stamps)


def episode_frames(
    episode: Episode, *, layout: Layout, specification: PolicySpecification, interval: int, landmarks: Sequence[str] = ()
) -> EpisodeFrames:
    """Takes every ``interval``-th row of an episode that fits the policy (``check_fits``).

    Args:
        landmarks: names of what is taken along of the surroundings.

    Raises:
        RecordingError: it is shorter than a chunk, or an image is missing, damaged or of another shape.
    """
    rows = np.arange(0, len(episode) - specification.horizon + 1, interval)
    if not len(rows):
        raise RecordingError(
            f"{episode.name} has {len(episode)} rows, fewer than a chunk's {specification.horizon}; leave it out or shorten the horizon"
        )
    states = columns(layout.state_names, wanted=specification.joint_names, what="joints", source=episode.name)
    actions = columns(layout.action_names, wanted=specification.joint_names, what="actions", source=episode.name)
    cameras = [_images(episode.cameras[camera.name], rows, camera, episode.name) for camera in specification.cameras]
    return EpisodeFrames(
        name=episode.name,
        instruction=episode.instruction,
        stamps=tuple(int(stamp) for stamp in episode.stamps[rows]),
        images=torch.from_numpy(np.stack(cameras, axis=1)),
        positions=torch.from_numpy(episode.states[rows][:, states]),
        landmarks=_landmarks(episode, layout, landmarks, rows),
        commands=torch.from_numpy(np.stack([episode.actions[row : row + specification.horizon, actions] for row in rows])),
    )


def _landmarks(episode: Episode, layout: Layout, names: Sequence[str], rows: NDArray[np.int64]) -> Tensor:
    if not names:
        return torch.zeros(len(rows), 0)
    return torch.from_numpy(episode.environment[rows][:, [layout.environment_names.index(name) for name in names]])


def _images(frames: Frames, rows: NDArray[np.int64], camera: CameraSpecification, name: str) -> Pixels:
    # The last row ends the iteration: what comes after it need not be decoded.
    wanted = set(rows.tolist())
    kept = [resized(pixels, camera, name=name) for row, pixels in _numbered(frames, int(rows[-1]) + 1) if row in wanted]
    if len(kept) != len(rows):
        raise RecordingError(f"{name} lacks images of camera '{camera.name}': {len(kept)} of {len(rows)} were found; record it again")
    return np.stack(kept)


def _numbered(frames: Frames, count: int) -> Iterator[tuple[int, Pixels]]:
    return enumerate(islice(frames, count))
