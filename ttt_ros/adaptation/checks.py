"""The conditions that an update must meet before it may be committed, each with its refusal in words."""

import math
from collections.abc import Mapping

from torch import Tensor

from ttt_ros.adaptation.innovation_gate import Judged


class WindowRefusedError(Exception):
    """The window leads to no commit; the message is the reason that the report gives."""


def epoch_lasts(begun: int, *, now: int) -> None:
    """Refuses a window begun before the last reset, rollback or restore."""
    if begun != now:
        raise WindowRefusedError(f"begun in epoch {begun}, which a reset or rollback has ended; the epoch is now {now}")


def something_new_followed(followed: Tensor, errors: Tensor | None, *, fresh: int, limit: float) -> None:
    """Refuses a window of whose ``fresh`` newest samples none ended where it was commanded to."""
    if followed[-fresh:].any():
        return
    if errors is None:
        raise WindowRefusedError(f"no following error was measured, and following_limit is {limit:.4g} rad")
    smallest = float(errors[-fresh:].abs().amax(dim=-1).min())
    raise WindowRefusedError(
        f"no fresh sample ended where it was commanded to: the smallest following error is {smallest:.4g} rad, "
        f"above following_limit, {limit:.4g} rad"
    )


def enough_samples(left: int, *, of: int, minimum: int) -> None:
    """Refuses a window of which following errors and the trim left too little."""
    if left < minimum:
        raise WindowRefusedError(
            f"{left} of {of} samples are left after following_limit and the trim, fewer than minimum_samples, {minimum}"
        )


def something_new_plausible(judged: Judged, *, fresh: int) -> None:
    """Refuses a window of whose ``fresh`` newest samples the innovation gate, if it has a limit, refuses all: it teaches nothing new."""
    if math.isfinite(judged.limit) and not judged.plausible[-fresh:].any():
        smallest = float(judged.sizes[-fresh:].min())
        raise WindowRefusedError(
            f"the innovation of no fresh sample is within the gate's limit, {judged.limit:.4g}; the smallest is {smallest:.4g}"
        )


def enough_plausible(left: int, *, minimum: int, judged: Judged) -> None:
    """Refuses a window of which the trim and the innovation gate leave too little."""
    if left < minimum:
        raise WindowRefusedError(
            f"{left} of {len(judged.sizes)} samples are left after the innovation gate, whose limit is {judged.limit:.4g}, "
            f"fewer than minimum_samples, {minimum}"
        )


def gradient_finite_and_below(norm: float, *, limit: float) -> None:
    """Refuses a gradient that is not finite or, before clipping, longer than ``limit``."""
    if not math.isfinite(norm):
        raise WindowRefusedError(f"the gradient is not finite: its norm is {norm}")
    if norm > limit:
        raise WindowRefusedError(f"gradient norm {norm:.4g} is above gradient_limit, {limit:.4g}")


def weights_finite(drifts: Mapping[str, float]) -> None:
    """Refuses updated weights that are not finite; a norm is finite only if all elements are."""
    broken = [module for module, drift in drifts.items() if not math.isfinite(drift)]
    if broken:
        raise WindowRefusedError(f"the updated weights of {', '.join(broken)} are not finite")


def actions_near_base(deviation: float, *, limit: float) -> None:
    """Refuses weights that move an action on the probes, in rad, too far from the base policy's or to NaN."""
    if not deviation <= limit:
        raise WindowRefusedError(f"an action on the probes moves by {deviation:.4g} rad, above probe_limit, {limit:.4g} rad")


def commit_permitted(permitted: bool) -> None:
    """Refuses an update that passed every check while the safeguard withholds its permit."""
    if not permitted:
        raise WindowRefusedError("adaptation is not permitted to commit")
