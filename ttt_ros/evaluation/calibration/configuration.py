"""What clean runs are made of, and what is asked of the limits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.simulation.robots import Property


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """Read from YAML; relative paths begin at the folder of the file.

    Attributes:
        parameters: parameter file of the policy node.
        rules: file of the safeguard's rules, each of them on one line.
        properties: what is hidden about the robots, within the ranges of training.
        nominal_every: every so many robots nothing is hidden about one.
        goals: of each run in simulation.
        calibration_runs: in simulation, from which limits are proposed.
        held_out_runs: in simulation, on which the limits are judged.
        first_seed: of the first run; the others follow.
        bags: configuration of the recordings, as for ``evaluate-bag``; None if there are none.
        alarms_per_hour: false alarms of all rules together that are accepted.

    Raises:
        ConfigurationError: no run is left to judge the limits on.
    """

    parameters: Path
    rules: Path
    properties: tuple[Property, ...] = tuple(Property)
    nominal_every: Annotated[int, Field(ge=1)] = 4
    goals: Annotated[int, Field(ge=1)] = 200
    calibration_runs: Annotated[int, Field(ge=0)] = 24
    held_out_runs: Annotated[int, Field(ge=0)] = 66
    first_seed: Annotated[int, Field(ge=0)] = 0
    bags: Path | None = None
    alarms_per_hour: Annotated[float, Field(gt=0)] = 0.1

    def __post_init__(self) -> None:
        if self.bags is None and not (self.calibration_runs and self.held_out_runs):
            raise ConfigurationError("without bags there must be at least one run to calibrate on and one that is held out")
