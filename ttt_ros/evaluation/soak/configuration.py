"""What a soak is made of."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros.configuration import strict


@strict
@dataclass(frozen=True, kw_only=True)
class SoakConfig:
    """One soak.

    Attributes:
        rules: file of the safeguard's rules, for a policy that looks all the time.
        chunks: after which it ends.
        seed: of the faults, the sensor noise and the instructions.
        threaded: inference and adaptation run in threads of their own, as on a robot, instead of within each tick.
        seconds: after which it ends with fewer chunks.
        samples: of the memory, spread evenly.
        stall: seconds without a tick after which the run counts as deadlocked.
    """

    rules: Path
    chunks: Annotated[int, Field(ge=1)] = 100_000
    seed: Annotated[int, Field(ge=0)] = 0
    threaded: bool = False
    seconds: Annotated[float, Field(gt=0)] = math.inf
    samples: Annotated[int, Field(ge=10, le=1000)] = 200
    stall: Annotated[float, Field(gt=0)] = 120.0
