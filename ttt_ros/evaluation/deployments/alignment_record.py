"""How well the reconstruction's gradient agrees with the action's, in figures."""

from dataclasses import dataclass

from ttt_ros import configuration
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.run_record import Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class AlignmentOfDeployment:
    """One robot.

    Attributes:
        seed: of the robot.
        windows: that were compared.
        gradient: mean cosine between reconstruction gradient and action gradient, -1 to 1; None if no window had both.
        step: mean cosine between the step taken, with its sign turned, and the action gradient; None if no update was committed.
        gain: share of goals met by the adapting policy minus that met by the frozen one, on the same goals.
    """

    seed: Count
    windows: Count
    gradient: float | None
    step: float | None
    gain: float


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Alignment:
    """All robots.

    Attributes:
        policy: checksum of the policy.
        condition: that the robots were drawn under.
        goals: of each deployment.
        deployments: one per robot.
        gradient: mean over robots of the cosine of the gradients.
        step: the same for the step taken.
        gain: mean gain.
        gradient_with_gain: Spearman's rank correlation over robots between cosine of the gradients and gain; None if one does not vary.
        step_with_gain: the same for the step taken.
    """

    policy: str
    condition: str
    goals: Count
    deployments: tuple[AlignmentOfDeployment, ...]
    gradient: Estimate | None
    step: Estimate | None
    gain: Estimate | None
    gradient_with_gain: Estimate | None
    step_with_gain: Estimate | None
