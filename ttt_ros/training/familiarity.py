"""What the features of a cloned policy are like on what it was cloned from."""

import math

import torch

from ttt_ros.policies.familiarity import FeatureStatistics
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.training.demonstration_set import DemonstrationSet

SAMPLES = 4096
"""Frames at most, spread evenly: many times the length of a summary, and seconds of encoding."""

_BATCH = 64


@torch.no_grad()
def statistics_of(policy: VisionLanguageActionPolicy, demonstrations: DemonstrationSet) -> FeatureStatistics:
    """Mean and covariance of the policy's features over the frames of demonstrations.

    Raises:
        CheckpointError: there are fewer than two frames.
    """
    every = math.ceil(len(demonstrations) / SAMPLES)
    summaries = [
        policy.summary(policy.encode_batch(images=frames.images, positions=frames.positions, words=frames.words))
        for frames in demonstrations.batches(_BATCH, every=every)
    ]
    return FeatureStatistics.of(torch.cat(summaries))
