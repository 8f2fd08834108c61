"""What a benchmark in somebody else's environment consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.configuration import load_yaml, strict
from ttt_ros.errors import ConfigurationError
from ttt_ros.simulation.foreign.description import EnvironmentTask, RobotDescription
from ttt_ros.simulation.foreign.shifts import NO_SHIFT, EnvironmentShift

NOMINAL = "none"
"""Name of the condition without a shift, which every benchmark has."""


@strict
@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Tasks of one robot, the shifts that it is put under, and how it adapts; read from YAML with ``load_benchmark``.

    Attributes:
        robot: what all tasks share.
        tasks: take turns, one episode each.
        shifts: by name; the robot without a shift comes first by itself, named ``none``.
        adaptation: how fast weights adapt.
        episodes: of each task under each shift.
        control_episodes: of each task under each shift for the control arms, which come at the price of the adapting one.
        first_seed: of the layouts; each episode has the next one, the same for all arms.

    Raises:
        ConfigurationError: two tasks have the same name, or a shift is named ``none``.
    """

    robot: RobotDescription
    tasks: Annotated[tuple[EnvironmentTask, ...], Field(min_length=1)]
    shifts: Mapping[str, EnvironmentShift] = field(default_factory=dict)
    adaptation: AdaptationConfig = field(default_factory=AdaptationConfig)
    episodes: Annotated[int, Field(ge=1)] = 20
    control_episodes: Annotated[int, Field(ge=0)] = 20
    first_seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"the tasks are named {', '.join(names)}; give each its own name")
        if NOMINAL in self.shifts:
            raise ConfigurationError(f"a shift is named '{NOMINAL}', which is the name of the robot without one; rename it")

    @property
    def conditions(self) -> Mapping[str, EnvironmentShift]:
        """The robot without a shift, then the shifts."""
        return {NOMINAL: NO_SHIFT, **self.shifts}


def load_benchmark(path: Path, *, environment: str = "") -> Benchmark:
    """Reads a benchmark from YAML; ``environment``, if given, takes the place of the one that it names.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or does not fit.
    """
    benchmark = load_yaml(path, Benchmark)
    return replace(benchmark, robot=replace(benchmark.robot, environment=environment)) if environment else benchmark
