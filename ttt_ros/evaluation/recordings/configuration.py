"""What an evaluation on recorded demonstrations is configured with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import strict
from ttt_ros.errors import ConfigurationError
from ttt_ros.simulation.corruptions import CORRUPTIONS, MAX_SEVERITY
from ttt_ros.training.datasets.bag import BagMapping

Index = Annotated[int, Field(ge=0)]
PositiveInt = Annotated[int, Field(gt=0)]

_VALIDATION = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
_TEST = tuple(name for name in CORRUPTIONS if name not in _VALIDATION)


@strict
@dataclass(frozen=True, kw_only=True)
class RecordingsConfig:
    """Which demonstrations, under what, and how they are counted; read from a file such as ``config/g1_evaluation.yaml``.

    Attributes:
        episodes: to evaluate on, in this order, as one stream: the fast weights are kept from one to the next, because what a corrupted
            camera does to the robot lasts. They must be none that the policy was trained on.
        interval: rows from one observation to the next; the policy's horizon at most.
        adaptation: of the adapting arms.
        corruptions: of the images, each a condition of its own beside the clean one; the 15 of ImageNet-C's test if not given.
        severity: of the corruptions.
        joint_groups: names of joints (shell patterns) by the title under which their action error is averaged; a title says the unit.
        block_seconds: neighbouring frames go together in blocks of this length: they are correlated, so blocks are what is resampled.
        choice_episodes: for ``choose_learning_rate``.
        choice_corruptions: of the images there; the four that ImageNet-C keeps for validation if not given.
        choice_rates: the learning rates that ``choose_learning_rate`` tries.
        bag: what the topics mean, where the data set is a rosbag2.
        seed: of corruptions and intervals.

    Raises:
        ConfigurationError: a corruption is unknown.
    """

    episodes: Annotated[tuple[Index, ...], Field(min_length=1)]
    joint_groups: Annotated[Mapping[str, tuple[str, ...]], Field(min_length=1)]
    interval: PositiveInt = 3
    adaptation: AdaptationConfig = field(default_factory=AdaptationConfig)
    corruptions: tuple[str, ...] = _TEST
    severity: Annotated[int, Field(ge=1, le=MAX_SEVERITY)] = 3
    block_seconds: Annotated[float, Field(gt=0)] = 1.0
    choice_episodes: tuple[Index, ...] = ()
    choice_corruptions: tuple[str, ...] = _VALIDATION
    choice_rates: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    bag: BagMapping | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        unknown = sorted({*self.corruptions, *self.choice_corruptions} - set(CORRUPTIONS))
        if unknown:
            raise ConfigurationError(f"unknown corruption {', '.join(unknown)}; known are: {', '.join(CORRUPTIONS)}")
