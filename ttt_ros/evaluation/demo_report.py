"""A whole demonstration: the runs of both arms, what they were held to, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.evaluation.checks import Check, demo_checks
from ttt_ros.evaluation.run_record import RunRecord
from ttt_ros.evaluation.summary import ArmSummary, summarised


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the runs took place: versions of Python, torch and the ROS distribution, and the number of processor cores."""

    python: str
    torch: str
    ros_distribution: str
    cores: Annotated[int, Field(gt=0)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits in force during the runs, drawn into the plots; None for a limit that was not set or could not be read.

    Attributes:
        distance: from the middle of the cube up to which a goal is met, m.
        gradient_clip: norm to which a gradient is clipped before the step.
        gradient_norm: norm before clipping above which an update is rejected.
        drift: relative drift from the base above which an update is rejected.
    """

    distance: Annotated[float, Field(gt=0)] | None
    gradient_clip: Annotated[float, Field(gt=0)] | None
    gradient_norm: Annotated[float, Field(gt=0)] | None
    drift: Annotated[float, Field(gt=0)] | None


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """Everything that the report of a demonstration shows: the verdict and what it rests on."""

    verdict: str
    passed: bool
    checks: tuple[Check, ...]
    summary: tuple[ArmSummary, ...]
    limits: Limits
    environment: Environment
    arms: tuple[RunRecord, ...]


def judged(*, arms: Sequence[RunRecord], limits: Limits, environment: Environment) -> DemoReport:
    """Holds the runs to the checks of a demonstration and puts the verdict into words."""
    checks = demo_checks(arms)
    failed = [check.name for check in checks if not check.passed]
    if failed:
        verdict = f"Failed: {len(failed)} of {len(checks)} checks did not pass ({'; '.join(failed)})."
    else:
        verdict = f"Passed: the closed loop met all {len(checks)} checks."
    return DemoReport(
        verdict=verdict,
        passed=not failed,
        checks=checks,
        summary=tuple(summarised(run) for run in arms),
        limits=limits,
        environment=environment,
        arms=tuple(arms),
    )
