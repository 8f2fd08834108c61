"""What meta-training is configured with."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

from pydantic import Field

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import strict
from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.memory.configuration import MemoryConfig

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


@strict
@dataclass(frozen=True, kw_only=True)
class RecordingConfig:
    """Deployments to train on.

    Attributes:
        deployments: how many robots.
        goals: of each.
        deployments_per_shard: in one file.
        nominal: record robots without hidden properties instead of drawn ones.
        lasting_error: standard deviation of the lasting part of the rough expert's error, rad; each robot draws its share.
        passing_error: of the part that is new for each goal, rad.
        seed: of the first deployment; the next ones count up. Evaluation begins far above.
    """

    deployments: Annotated[int, Field(gt=0, le=100_000)] = 600
    goals: PositiveInt = 64
    deployments_per_shard: PositiveInt = 10
    nominal: bool = False
    lasting_error: Annotated[float, Field(ge=0, le=0.3)] = 0.08
    passing_error: Annotated[float, Field(ge=0, le=0.3)] = 0.03
    seed: Annotated[int, Field(ge=0, lt=1_000_000)] = 0

    @property
    def shards(self) -> int:
        """Number of files."""
        return math.ceil(self.deployments / self.deployments_per_shard)


class Order(str, Enum):
    """What the outer loop sees of the inner one."""

    NONE = "none"
    """There is no inner loop: the fast weights stay at the base."""
    FIRST = "first"
    """The updates are taken as they come (first-order MAML, arXiv 1703.03400)."""
    SECOND = "second"
    """The gradient goes through the updates."""


@strict
@dataclass(frozen=True, kw_only=True)
class OuterLoopConfig:
    """How the policy is meta-trained on recorded deployments.

    Attributes:
        order: see Order.
        steps: of the outer optimiser.
        deployments: in one outer batch.
        goals: length of a training sequence, from the first goal of a deployment on.
        truncation: windows after which the gradient is cut and the fast weights and memories are carried on detached.
        checkpointing: recompute each segment's activations in the backward pass instead of keeping them.
        ramp: outer steps over which the inner learning rate rises to its full value.
        learning_rate: of AdamW at its peak; it rises over ``warmup`` steps and falls along a cosine.
        warmup: see ``learning_rate``.
        weight_decay: of AdamW.
        gradient_norm: largest norm of the outer gradient.
        tip_weight: of the error of the fingertip at the end of the chunk, in units of ``tip_scale``, beside that of the movement's code.
        tip_scale: m.
        height_weight: of the tip's height against its horizontal position.
        code_weight: of the error of the movement's code.
    """

    order: Order = Order.SECOND
    steps: PositiveInt = 1500
    deployments: PositiveInt = 32
    goals: PositiveInt = 60
    truncation: PositiveInt = 20
    checkpointing: bool = False
    ramp: Annotated[int, Field(ge=0)] = 30
    learning_rate: PositiveFloat = 3e-3
    warmup: PositiveInt = 50
    weight_decay: Weight = 1e-4
    gradient_norm: PositiveFloat = 1.0
    tip_weight: Weight = 1.0
    tip_scale: PositiveFloat = 0.015
    height_weight: Weight = 0.3
    code_weight: Weight = 0.3


@strict
@dataclass(frozen=True, kw_only=True)
class MetaConfig:
    """A whole meta-training.

    Attributes:
        seed: of weights and batches; on a CPU the same seed gives the same checkpoint bit for bit.
        policy: the sizes of the policy; its kind of memory decides which arm of the comparison it is.
        adaptation: the inner loop; the robot afterwards takes the same steps, within tighter limits and behind gates on single samples.
        outer: the outer loop.
        accelerator, devices, precision: of Lightning Fabric, such as ``cpu``, 1, ``32-true``.
        logger: ``tensorboard`` or ``wandb``.
        save_every: outer steps between two saved states, from which a run goes on exactly.
        validate_every: outer steps between two validations.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    policy: MemoryConfig = field(default_factory=MemoryConfig)
    adaptation: AdaptationConfig = field(default_factory=lambda: AdaptationConfig(objectives={"action": 1.0}))
    outer: OuterLoopConfig = field(default_factory=OuterLoopConfig)
    accelerator: str = "cpu"
    devices: PositiveInt = 1
    precision: str = "32-true"
    logger: str = "tensorboard"
    save_every: PositiveInt = 100
    validate_every: PositiveInt = 100

    def __post_init__(self) -> None:
        if self.logger not in ("tensorboard", "wandb"):
            raise ConfigurationError(f"logger is '{self.logger}'; use 'tensorboard' or 'wandb'")
        if self.outer.order is not Order.NONE and not self.policy.fast_width:
            raise ConfigurationError(f"order is '{self.outer.order.value}', but the policy has no fast weights; set policy.fast_width")
