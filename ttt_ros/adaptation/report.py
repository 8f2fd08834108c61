"""What adaptation says about each window."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WindowReport:
    """The outcome of one window.

    A figure is None where the window was refused before it was computed; NaN and infinity are what was really computed.

    Attributes:
        window_sequence: number of the window among those handed to the learner, from 1.
        epoch: in which the window was begun.
        configuration: number of the configuration that was in force, 0 for the first.
        stamps: of the window's transitions, in ns.
        samples: transitions in the window.
        version_before: that the step was begun from; None if none was begun or it failed.
        checksum_before: of that version's weights; empty if there is none.
        implausible: how many of them did not end where they were commanded to, or were refused by the innovation gate.
        trimmed: how many the trim dropped.
        prediction_loss: mean error of the fresh transitions with a finite one, before the update; outliers included, because
            leaving out what was predicted badly would flatter the policy.
        loss_after: of the same transitions under the weights in force after the decision.
        gradient_norm: before clipping.
        update_norm: Euclidean distance between the weights in force before and after; 0 if refused.
        action_deviation: largest change of an action on the probes, base to updated weights, in rad.
        committed: whether the update came into force.
        withheld: whether it passed every check and was not committed only because that was not permitted.
        reason: why not, in words; empty if it did.
        version: in force after the decision.
        checksum: of that version's weights.
        drift_total: of that version: ||w - w0|| / ||w0||.
        drift_per_module: the same for each module.
        duration: seconds from taking up the window to the decision.
        queue_depth: windows that were waiting when this one was done.
        dropped_windows: windows dropped so far because the queue was full.
    """

    window_sequence: int
    epoch: int
    configuration: int
    stamps: tuple[int, ...]
    samples: int
    version_before: int | None
    checksum_before: str
    trimmed: int | None
    implausible: int | None
    prediction_loss: float | None
    loss_after: float | None
    gradient_norm: float | None
    update_norm: float
    action_deviation: float | None
    committed: bool
    withheld: bool
    reason: str
    version: int
    checksum: str
    drift_total: float
    drift_per_module: Mapping[str, float]
    duration: float
    queue_depth: int = 0
    dropped_windows: int = 0
