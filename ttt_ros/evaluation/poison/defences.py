"""The lines of defence that are compared."""

from dataclasses import dataclass, replace
from pathlib import Path

from ttt_ros.adaptation.configuration import AdaptationConfig, parameter_ranges
from ttt_ros.evaluation.deployments.arms import Arm, Role, without_gates

FROZEN, FROZEN_AGAIN, NO_GATES, CLIP_ONLY, ALL_GATES, GUARDED = "frozen", "frozen_again", "no_gates", "clip_only", "all_gates", "safeguard"


@dataclass(frozen=True, kw_only=True)
class Defence:
    """What stands between the stream and the weights.

    Attributes:
        arm: the policy and how it adapts.
        guarded: whether a safeguard watches and is obeyed.
    """

    arm: Arm
    guarded: bool = False


def defences(adaptation: AdaptationConfig, *, checkpoint: Path) -> tuple[Defence, ...]:
    """From none, which is not adapting, to all; ``adaptation`` is that with all gates."""
    frozen = Arm(name=FROZEN, label="frozen", role=Role.FROZEN, checkpoint=checkpoint)
    clip_only = without_gates(adaptation)
    (unclipped,) = (parameter.maximum for parameter in parameter_ranges() if parameter.name == "clip_norm")

    def adapting(name: str, label: str, config: AdaptationConfig) -> Arm:
        return Arm(name=name, label=label, role=Role.VARIANT, checkpoint=checkpoint, adaptation=config)

    return (
        Defence(arm=frozen),
        Defence(arm=replace(frozen, name=FROZEN_AGAIN, label="frozen, again", repetition=1)),
        Defence(arm=adapting(NO_GATES, "no gates", replace(clip_only, clip_norm=unclipped))),
        Defence(arm=adapting(CLIP_ONLY, "clip only", clip_only)),
        Defence(arm=adapting(ALL_GATES, "all gates", adaptation)),
        Defence(arm=adapting(GUARDED, "all gates and safeguard", adaptation), guarded=True),
    )
