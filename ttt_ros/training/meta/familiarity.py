"""What the features of a meta-trained policy are like in the deployments that it was trained on."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ttt_ros.policies.familiarity import FeatureStatistics
from ttt_ros.policies.memory.policy import MemoryPolicy

SAMPLES = 4096
"""Observations at about the most, drawn from all shards alike: many times the length of a summary, and seconds of encoding."""

_BATCH = 128
_SEED = 0


@torch.no_grad()
def statistics_of(policy: MemoryPolicy, shards: Sequence[Path]) -> FeatureStatistics:
    """Mean and covariance of the policy's features over the recorded observations on which it decides, of pointing and return.

    Trunk and normalisation must be those that the policy will have; whatever else is trained changes nothing.

    Raises:
        CheckpointError: there are fewer than two observations.
    """
    wanted = max(1, SAMPLES // len(shards))
    return FeatureStatistics.of(torch.cat([summary for shard in shards for summary in _summaries(policy, load_file(shard), wanted)]))


def _summaries(policy: MemoryPolicy, recorded: dict[str, Tensor], wanted: int) -> list[Tensor]:
    """Those of ``wanted`` of the recorded observations, or of all if there are fewer."""
    columns = [recorded[name].flatten(0, 2) for name in ("images", "positions", "words")]
    # Not every so many: those before and after a movement alternate, and an even stride would see only one kind.
    drawn = torch.randperm(len(columns[0]), generator=torch.Generator().manual_seed(_SEED))[:wanted]
    batches = zip(*(torch.split(column[drawn], _BATCH) for column in columns), strict=True)
    return [policy.summary(policy.encode_batch(images=images, positions=positions, words=words)) for images, positions, words in batches]
