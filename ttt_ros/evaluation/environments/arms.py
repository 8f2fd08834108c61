"""The arms that are compared in somebody else's environment."""

from pathlib import Path

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.evaluation.deployments.arms import Arm, Control, Role

STATIC = "static"


def arms_of(policy: Path, *, adaptation: AdaptationConfig, recurrent: Path | None, controls: bool) -> tuple[Arm, ...]:
    """The static arm first; then the recurrent policy if there is one, the adapting arm and, if asked for, its control arms.

    Args:
        policy: checkpoint of all arms but the recurrent one.
        recurrent: checkpoint of a policy that has a memory instead of fast weights.
        controls: whether adaptation in the wrong direction and on shuffled commands is run as well.
    """
    arms = [Arm(name=STATIC, label="static", role=Role.STATIC, checkpoint=policy)]
    if recurrent is not None:
        arms.append(Arm(name="lstm", label="LSTM", role=Role.RECURRENT, checkpoint=recurrent))
    arms.append(Arm(name="adapting", label="adapting", role=Role.ADAPTING, checkpoint=policy, adaptation=adaptation))
    if controls:
        for control, role, label in (
            (Control.FLIPPED, Role.FLIPPED, "sign flipped"),
            (Control.SHUFFLED, Role.SHUFFLED, "shuffled"),
        ):
            arms.append(Arm(name=control.value, label=label, role=role, checkpoint=policy, adaptation=adaptation, control=control))
    return tuple(arms)
