"""The lines of the verdict about the policy and its adapting, over all bags together."""

from collections.abc import Callable

from ttt_ros.evaluation.bags import policy_causes
from ttt_ros.evaluation.bags.configuration import ADAPTING, FROZEN, Control
from ttt_ros.evaluation.bags.figures import ArmFigures, Change, Estimate, Findings
from ttt_ros.evaluation.bags.line import Line, line, not_judged
from ttt_ros.evaluation.bags.policy_causes import percent
from ttt_ros.evaluation.bags.thresholds import Thresholds

_LOSS, _ACTION = "prediction loss", "action error"
_NOT_RUN = "the arm was not run"
_NO_COMMANDS = "the bags have no commands to compare with"


def lines(findings: Findings, limits: Thresholds) -> tuple[Line, ...]:
    """All of them."""
    adapting = findings.whole.arms.get(ADAPTING.name)
    return (
        *(_held(name, findings.whole.arms.get(name), limits) for name in (FROZEN.name, ADAPTING.name)),
        _better_than_holding(findings.whole.arms.get(FROZEN.name), limits),
        _committed(adapting, limits),
        _harmless(_LOSS, findings, limits.max_loss_increase),
        _harmless(_ACTION, findings, limits.max_action_increase),
        _gaining(_LOSS, findings, limits.min_loss_decrease),
        _gaining(_ACTION, findings, limits.min_action_decrease),
        _near_the_base(adapting, limits),
        _free_of_the_limit(adapting, limits),
        _probes(adapting, limits),
        _wrong_way(findings, limits),
    )


def _held(name: str, arm: ArmFigures | None, limits: Thresholds) -> Line:
    what, limit = f"{name}: the policy is played", f"at most {100 * limits.max_held:g} % of the ticks in hold"
    if arm is None or arm.modes.held is None:
        return not_judged(what, because=_NOT_RUN if arm is None else "there was no tick", limit=limit)
    return line(
        what,
        passed=arm.modes.held <= limits.max_held,
        figure=f"{100 * arm.modes.held:.1f} % of {arm.modes.ticks} ticks in hold",
        limit=limit,
        cause=policy_causes.held(arm.modes),
    )


def _better_than_holding(arm: ArmFigures | None, limits: Thresholds) -> Line:
    what, limit = "the frozen policy beats holding still", f"error over that of holding still at most {limits.max_error_over_held:g}"
    if arm is None or arm.action is None or arm.action.against_held is None:
        return not_judged(what, because=_NOT_RUN if arm is None else _NO_COMMANDS, limit=limit)
    ratio = 1 + arm.action.against_held.value
    return line(
        what,
        passed=ratio <= limits.max_error_over_held,
        figure=f"{ratio:.2f} ({arm.action.error.value:.3g} over {arm.action.held.value:.3g})",
        limit=limit,
        cause=policy_causes.worse_than_holding(arm.action, arm),
    )


def _committed(arm: ArmFigures | None, limits: Thresholds) -> Line:
    what, limit = "updates come into force", f"at least {100 * limits.min_committed:g} % of the windows"
    if arm is None:
        return not_judged(what, because=_NOT_RUN, limit=limit)
    share = arm.adapting.committed or 0.0
    return line(
        what,
        passed=bool(arm.adapting.windows) and share >= limits.min_committed,
        figure=f"{100 * share:.1f} % of {arm.adapting.windows} windows",
        limit=limit,
        cause=policy_causes.uncommitted(arm.adapting),
    )


def _harmless(what: str, findings: Findings, allowed: float) -> Line:
    name = f"adapting does not raise the {what}"
    noise = _noise(findings, what)
    bound = max(allowed, noise or 0.0)
    limit = f"whole interval not above {100 * bound:+.2g} %{_floor(noise)}"
    change = _change(findings, what)
    if change is None:
        return not_judged(name, because=_missing(findings, what), limit=limit)
    by_bag = {bag.name: bag.changes[ADAPTING.name] for bag in findings.bags if ADAPTING.name in bag.changes}
    return line(
        name,
        passed=change.least <= bound,
        figure=percent(change),
        limit=limit,
        cause=policy_causes.harm(what, change, noise, findings.whole, by_bag),
    )


def _gaining(what: str, findings: Findings, asked: float | None) -> Line:
    name = f"adapting lowers the {what}"
    noise, change = _noise(findings, what), _change(findings, what)
    if asked is None:
        found = f"; it is {percent(change)}" if change else ""
        return not_judged(name, because=f"no gain is asked for{found}", limit="none")
    bound = max(asked, noise or 0.0)
    limit = f"whole interval below {-100 * bound:.2g} %{_floor(noise)}"
    if change is None:
        return not_judged(name, because=_missing(findings, what), limit=limit)
    return line(
        name,
        passed=change.most < -bound,
        figure=percent(change),
        limit=limit,
        cause=policy_causes.no_gain(what, change, bound, noise, findings.whole.arms[ADAPTING.name].adapting),
    )


def _near_the_base(arm: ArmFigures | None, limits: Thresholds) -> Line:
    return _at_most(
        "the weights stay near the base",
        arm,
        lambda arm: arm.adapting.drift_greatest,
        limits.max_drift,
        cause=lambda arm: "the fast weights have left the base: lower the learning rate or the drift limit, or raise the pull back",
    )


def _free_of_the_limit(arm: ArmFigures | None, limits: Thresholds) -> Line:
    what, limit = "the drift is not held at its limit", f"at most {100 * limits.max_at_greatest:g} % of the windows at the greatest drift"
    if arm is None or arm.adapting.at_greatest is None:
        return not_judged(what, because=_NOT_RUN if arm is None else "there was no window", limit=limit)
    return line(
        what,
        passed=arm.adapting.at_greatest <= limits.max_at_greatest,
        figure=f"{100 * arm.adapting.at_greatest:.0f} % of the windows",
        limit=limit,
        cause=policy_causes.at_limit(arm.adapting),
    )


def _probes(arm: ArmFigures | None, limits: Thresholds) -> Line:
    return _at_most(
        "actions on the probes stay as trained",
        arm,
        lambda arm: arm.adapting.action_deviation,
        limits.max_action_deviation,
        cause=lambda arm: "adapting changes what the policy does on observations that it had mastered; lower probe_limit or the rate",
    )


def _wrong_way(findings: Findings, limits: Thresholds) -> Line:
    name, limit = "updates of the wrong sign do worse", f"by at least {100 * limits.min_flipped_loss:g} % of the frozen arm's loss"
    flipped = next((arm.name for arm in findings.arms if arm.control is Control.FLIPPED and arm.name in findings.whole.changes), None)
    right = _change(findings, _LOSS)
    wrong = findings.whole.changes[flipped].loss if flipped else None
    if right is None or wrong is None:
        return not_judged(name, because="no arm with flipped sign was run" if flipped is None else "no window was scored", limit=limit)
    if findings.whole.arms[ADAPTING.name].adapting.committed == 0:
        return not_judged(name, because="nothing was committed", limit=limit)
    difference = wrong.value - right.value
    return line(
        name,
        passed=difference >= limits.min_flipped_loss,
        figure=f"{100 * difference:+.1f} %",
        limit=limit,
        cause="steps in the wrong direction predict as well as right ones: the direction carries no information, "
        "or the steps are so long that both do harm",
    )


def _at_most(
    name: str, arm: ArmFigures | None, figure: Callable[[ArmFigures], float | None], limit: float, *, cause: Callable[[ArmFigures], str]
) -> Line:
    value = None if arm is None else figure(arm)
    if arm is None or value is None:
        return not_judged(name, because=_NOT_RUN if arm is None else "it was not computed", limit=f"at most {limit:g}")
    return line(name, passed=value <= limit, figure=f"{value:.3g}", limit=f"at most {limit:g}", cause=cause(arm))


def _change(findings: Findings, what: str) -> Estimate | None:
    change = findings.whole.changes.get(ADAPTING.name)
    return None if change is None else _of(change, what)


def _of(change: Change, what: str) -> Estimate | None:
    return change.loss if what == _LOSS else change.action


def _noise(findings: Findings, what: str) -> float | None:
    return findings.whole.noise.loss if what == _LOSS else findings.whole.noise.action


def _floor(noise: float | None) -> str:
    return "" if noise is None else f" (noise floor {100 * noise:.2g} %)"


def _missing(findings: Findings, what: str) -> str:
    if ADAPTING.name not in findings.whole.changes:
        return _NOT_RUN
    return _NO_COMMANDS if what == _ACTION else "no window was scored"
