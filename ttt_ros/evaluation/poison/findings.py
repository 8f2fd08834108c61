"""What the suite found, in figures: everything that the page and the plot show."""

from collections.abc import Mapping
from dataclasses import dataclass

from ttt_ros import configuration
from ttt_ros.evaluation.deployments.findings import Verdict
from ttt_ros.evaluation.deployments.statistics import Estimate
from ttt_ros.evaluation.run_record import Count


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class UnderAttack:
    """All lines of defence under one attack, on the same robots.

    Attributes:
        attack: its name.
        label: in words.
        share: of the goals that were poisoned.
        robots: how many.
        success: share of goals met, by defence.
        against_frozen: success minus that of the frozen policy under the same attack, paired, by defence.
        noise_floor: the frozen policy against itself with other sensor noise, paired.
        deviation: by how much the attack moved the actions of the final weights on clean probes, from those that the same defence ends
            with on the clean stream: root mean square over probes and joints, rad, by defence.
        from_base: the same distance, from the base policy's actions.
        refused: share of the goals after which nothing was committed although a window was worked on, by defence.
    """

    attack: str
    label: str
    share: float
    robots: Count
    success: Mapping[str, Estimate]
    against_frozen: Mapping[str, Estimate]
    noise_floor: Estimate | None
    deviation: Mapping[str, Estimate]
    from_base: Mapping[str, Estimate]
    refused: Mapping[str, float]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class PoisonFindings:
    """The whole result.

    Attributes:
        labels: of the lines of defence, by name.
        attacks: one after the other, the clean stream first.
        clean_gain_kept: by defence: its gain over the frozen policy on the clean stream over that without gates; None if undefined.
        modes: windows worked on in each mode of the safeguard, by attack.
        reasons: why nothing was committed, with all gates and the safeguard, over all attacks: how often.
        verdicts: one per target.
        condition: that the robots were drawn under.
        deployments: how many there are.
        goals: of each.
        failures: deployments that could not be run, and why.
    """

    labels: Mapping[str, str]
    attacks: tuple[UnderAttack, ...]
    clean_gain_kept: Mapping[str, Estimate | None]
    modes: Mapping[str, Mapping[str, Count]]
    reasons: Mapping[str, Count]
    verdicts: tuple[Verdict, ...]
    condition: str
    deployments: Count
    goals: Count
    failures: tuple[str, ...]
