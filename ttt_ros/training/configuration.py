"""What a training run is configured with."""

import math
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.policies.vla import VlaConfig

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


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

    episodes: Annotated[int, Field(gt=0, le=9_999)] = 2000
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


@strict
@dataclass(frozen=True, kw_only=True)
class CloningConfig:
    """Behaviour cloning with joint reconstruction.

    Attributes:
        steps: optimiser steps.
        history: transitions before a frame that a policy with a memory is trained to remember, at most; others see none.
        pairs: pairs of frames in a batch; both frames of a pair teach actions, so it is half the batch of behaviour cloning.
        learning_rate: of AdamW at its peak; it rises over ``warmup_steps`` and falls to zero along a cosine.
        warmup_steps: see ``learning_rate``.
        weight_decay: of AdamW.
        gradient_norm: largest norm of the gradient.
        average_decay: of the exponential moving average of the weights, which is what is validated and shipped.
        reconstruction_weight: of each reconstruction loss beside the action loss.
        landmark_weight: of the loss on where the named cube and the mark are, read off the trunk by a head that is not shipped.
        bfloat16: compute the forward pass in bfloat16; many times slower on processors without instructions for it.
        threads: of torch.
        checkpoint_every: steps between two saved states, from which a run can go on.
        validation_every: steps between two closed-loop validations.
        validation_episodes: of each skill in one validation.
    """

    steps: PositiveInt = 8000
    pairs: PositiveInt = 32
    history: PositiveInt = 32
    learning_rate: PositiveFloat = 8e-4
    warmup_steps: PositiveInt = 200
    weight_decay: Weight = 0.01
    gradient_norm: PositiveFloat = 1.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    reconstruction_weight: Weight = 0.1
    landmark_weight: Weight = 0.2
    bfloat16: bool = False
    threads: PositiveInt = 2
    checkpoint_every: PositiveInt = 500
    validation_every: PositiveInt = 2000
    validation_episodes: PositiveInt = 15


@strict
@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A whole training run; read from ``config/training.yaml`` with ``configuration.load_yaml``.

    Attributes:
        seed: of weights and batches; on a CPU the same seed gives the same checkpoint bit for bit.
        demonstrations: what is recorded.
        policy: the sizes of the policy.
        cloning: how it learns.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    demonstrations: DemonstrationConfig = field(default_factory=DemonstrationConfig)
    policy: VlaConfig = field(default_factory=VlaConfig)
    cloning: CloningConfig = field(default_factory=CloningConfig)
