"""Recorded deployments as training sequences: features of the frozen sight, movements and labels, in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from ttt_ros.errors import RecordingError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.sight import Sight
from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.policies.transition import Features, Transitions

_IMAGES_AT_ONCE = 256


class Sequences(NamedTuple):
    """Deployments of equal length; tensors with deployments and goals as first axes.

    Attributes:
        points: float32 (deployments, goals, 2, points, 3): what the sight finds before and after the pointing chunk.
        positions: float32 (deployments, goals, 2, joints), rad: likewise.
        words: int64 (deployments, goals, 2, words): the instruction of the pointing and of the return.
        executed: float32 (deployments, goals, horizon, joints), rad.
        labels: float32 (deployments, goals, 2, horizon, joints), rad: the expert's pointing and return.
        jacobians: float32 (deployments, goals, 3, joints), m/rad: of the tip by the last command of the label.
        hidden: float32 (deployments, goals, size).
    """

    points: Tensor
    positions: Tensor
    words: Tensor
    executed: Tensor
    labels: Tensor
    jacobians: Tensor
    hidden: Tensor

    @property
    def deployments(self) -> int:
        """How many there are."""
        return len(self.executed)

    def selected(self, deployments: Tensor) -> "Sequences":
        """Some of the deployments."""
        return Sequences(*(each[deployments] for each in self))

    def on(self, device: torch.device) -> "Sequences":
        """The same on a device."""
        return Sequences(*(each.to(device) for each in self))

    def features(self, goals: int | slice | Tensor, moment: int) -> Features:
        """Features at some goals, before (0) or after (1) the pointing chunk."""
        return {
            "points": self.points[:, goals, moment],
            "proprioception": self.positions[:, goals, moment],
            "words": self.words[:, goals, moment],
        }

    def transitions(self, goals: int | slice) -> Transitions:
        """The pointing transitions of some goals."""
        executed = self.executed[:, goals]
        return Transitions(
            features=self.features(goals, 0),
            executed=executed,
            steps=torch.full(executed.shape[:-2], executed.shape[-2]),
            next_features=self.features(goals, 1),
        )


def load_sequences(shards: Sequence[Path], *, policy: MemoryPolicy, goals: int) -> Sequences:
    """Reads recordings, runs the policy's sight over their images once and keeps the goals that tell something.

    A goal after which the hand is not seen is left out, as at run time; a deployment with fewer than ``goals`` others altogether.

    Raises:
        RecordingError: no deployment is long enough.
    """
    parts = [_with_features(shard, policy.sight) for shard in shards]
    columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    everything = Sequences(**columns)
    told = policy.informative(everything.transitions(slice(None)))
    chosen = [(index, told[index].nonzero()[:goals, 0]) for index in range(everything.deployments) if int(told[index].sum()) >= goals]
    if not chosen:
        raise RecordingError(
            f"no recorded deployment has {goals} goals after which the hand is seen; record longer ones or train the sight"
        )
    return Sequences(**{name: torch.stack([column[index][kept] for index, kept in chosen]) for name, column in columns.items()})


def _with_features(shard: Path, sight: Sight) -> dict[str, Tensor]:
    """A shard with the points that ``sight`` finds in place of the images; they are kept beside it for the next run."""
    kept = shard.with_suffix(f".{tensor_checksum(sight.state_dict())[:12]}.points")
    if not kept.exists():
        write_tensors(kept, {"points": _found(load_file(shard)["images"], sight)})
    with safe_open(shard, framework="pt") as file:
        return load_file(kept) | {name: file.get_tensor(name) for name in file.keys() if name != "images"}  # noqa: SIM118


@torch.no_grad()
def _found(images: Tensor, sight: Sight) -> Tensor:
    found = torch.cat([sight(part) for part in torch.split(images.flatten(0, 2), _IMAGES_AT_ONCE)])
    return found.reshape(*images.shape[:3], *found.shape[1:])


def joined(parts: Sequence[Sequences]) -> Sequences:
    """All deployments of all parts, which must be of equal length."""
    return Sequences(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
