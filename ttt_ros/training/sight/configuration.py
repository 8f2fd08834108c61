"""What the training of the vision trunk is configured with."""

import math
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.policies.sight import SightConfig

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@strict
@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Which pictures are rendered.

    Attributes:
        pictures: number of pictures, each of another robot and another layout.
        pictures_per_shard: pictures in one file.
        wider: share of the robots from the wider range, so that the edge of the training range is not the edge of what was seen.
        parked: share of the pictures with the arm parked.
        near_cube: share of the others with the fingertip close to a cube; the rest has it anywhere over the table.
        seed: of robots, layouts and poses.
    """

    pictures: PositiveInt = 20_000
    pictures_per_shard: PositiveInt = 1_000
    wider: Share = 0.3
    parked: Share = 0.2
    near_cube: Share = 0.7
    seed: Annotated[int, Field(ge=0, lt=1000)] = 0

    @property
    def shards(self) -> int:
        """Number of files."""
        return math.ceil(self.pictures / self.pictures_per_shard)


@strict
@dataclass(frozen=True, kw_only=True)
class AppearanceConfig:
    """How far the look of a picture is changed anew each time that it is shown; the geometry stays.

    Attributes:
        light: each picture is brightened or darkened by a factor of up to this, or one over this.
        colour_cast: largest deviation from 1 of each colour's gain.
        noise: largest standard deviation of the noise on each pixel, of 255.
        veil: largest share of a grey veil, which takes contrast as fog and smear do.
        blur: share of the pictures that are blurred.
        patch: share of the pictures of which a patch is hidden.
    """

    light: Annotated[float, Field(ge=1)] = 1.5
    colour_cast: Annotated[float, Field(ge=0, lt=1)] = 0.25
    noise: Weight = 14.0
    veil: Annotated[float, Field(ge=0, lt=1)] = 0.4
    blur: Share = 0.25
    patch: Share = 0.1


@strict
@dataclass(frozen=True, kw_only=True)
class SightTrainingConfig:
    """A whole training run of the vision trunk.

    Attributes:
        seed: of weights and batches; on a CPU the same seed gives the same weights bit for bit.
        pictures: what is rendered.
        appearance: how the look is varied.
        sight: the sizes of the network.
        steps: optimiser steps.
        batch: pictures in one step.
        learning_rate: of AdamW at its peak; it rises over ``warmup_steps`` and falls to zero along a cosine.
        warmup_steps: see ``learning_rate``.
        weight_decay: of AdamW.
        gradient_norm: largest norm of the gradient.
        average_decay: of the exponential moving average of the weights, which is what is measured and shipped.
        heat_weight: of the loss on the maps themselves, which makes them peak at the point.
        confidence_weight: of the loss on the confidences.
        bfloat16: compute the forward pass in bfloat16; many times slower on processors without instructions for it.
        threads: of torch.
        checkpoint_every: steps between two saved states, from which a run can go on.
        test_goals: goals, each on a robot of its own, that the run is measured on at its end.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    pictures: PictureConfig = field(default_factory=PictureConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    sight: SightConfig = field(default_factory=SightConfig)
    steps: PositiveInt = 8000
    batch: PositiveInt = 64
    learning_rate: PositiveFloat = 2e-3
    warmup_steps: PositiveInt = 200
    weight_decay: Weight = 1e-3
    gradient_norm: PositiveFloat = 1.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    heat_weight: Weight = 0.02
    confidence_weight: Weight = 0.1
    bfloat16: bool = False
    threads: PositiveInt = 1
    checkpoint_every: PositiveInt = 500
    test_goals: PositiveInt = 1000
