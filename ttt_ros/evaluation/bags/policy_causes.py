"""Naming what is wrong with a policy or with its adapting, in words, from the figures of all bags."""

from collections.abc import Mapping

from ttt_ros.evaluation.bags.figures import ActionError, Adapting, ArmFigures, Change, Estimate, Modes, Outcome

_MOST_NAMED = 2


def percent(change: Estimate) -> str:
    """A relative change with its interval."""
    figure = f"{_signed(100 * change.value)} %"
    if change.lower is None or change.upper is None:
        return figure
    return f"{figure} ({_signed(100 * change.lower)} to {_signed(100 * change.upper)})"


def worse_than_holding(action: ActionError, arm: ArmFigures) -> str:
    """Why a policy's error is above that of holding still."""
    joint = max(action.joints, key=lambda name: action.joints[name].error.value - action.joints[name].held.value)
    worst = action.joints[joint]
    return (
        "the policy is no better than holding still: its weights are random or another task's, or joints, units or cameras are not those "
        f"that it was trained with; most so for {joint}, {worst.error.value:.3g} against {worst.held.value:.3g}{_refused(arm.modes)}"
    )


def held(modes: Modes) -> str:
    """Why the loop was in hold."""
    parts = ["the loop held the position instead of playing the policy"]
    if modes.reasons:
        parts.append(f"most often for: {_first(modes.reasons)}")
    if modes.rejected:
        parts.append(f"messages that could not be used: {_first(modes.rejected)}")
    return "; ".join(parts) + _refused(modes)


def too_little(arms: Mapping[str, ArmFigures]) -> str:
    """Why there is too little to judge."""
    for name, arm in arms.items():
        if not arm.chunks:
            return f"arm {name} computed no chunk that was accepted: the bags are too short, or{_hindrance(arm.modes)}"
    return "the bags are too short, or too little of them could be used; evaluate longer bags or more of them"


def uncommitted(adapting: Adapting) -> str:
    """Why most windows were refused."""
    if not adapting.windows:
        return "there was no window to learn from"
    why = f"refused most often for: {_first(adapting.refusals)}" if adapting.refusals else "no reason was given"
    return f"most updates were refused, so that the policy hardly adapts; {why}; lower the learning rate, or look at the gates and the data"


def harm(what: str, change: Estimate, noise: float | None, whole: Outcome, bags: Mapping[str, Change]) -> str:
    """How adapting hurts: ``what`` is the prediction loss or the action error, ``bags`` the changes of the adapting arm by bag."""
    adapting = whole.arms["adapting"].adapting
    parts = [f"adapting raises the {what} by {percent(change)}, beyond a noise floor of {100 * (noise or 0.0):.2g} %"]
    if adapting.update_norm and adapting.gradient_norm:
        parts.append(
            f"steps of {adapting.update_norm.median:.3g} on gradients of {adapting.gradient_norm.median:.3g}, "
            f"drift up to {adapting.drift_greatest or 0.0:.3g}"
        )
    parts.append("the learning rate is too high for these data, or what is learned does not serve the actions")
    worst = {bag: each.loss if what == "prediction loss" else each.action for bag, each in bags.items()}
    known = {bag: each.value for bag, each in worst.items() if each is not None}
    if len(known) > 1:
        bag = max(known, key=lambda name: known[name])
        parts.append(f"most in bag {bag}, {100 * known[bag]:+.1f} %")
    return "; ".join(parts)


def no_gain(what: str, change: Estimate, needed: float, noise: float | None, adapting: Adapting) -> str:
    """Why there is no gain in ``what``."""
    if not adapting.windows:
        reason = "there was no window to learn from"
    elif not adapting.committed:
        reason = f"none of {adapting.windows} windows was committed{_why_refused(adapting)}"
    elif adapting.update_norm is None or adapting.update_norm.greatest == 0:
        reason = "every update had length 0, so the weights never changed; the learning rate is 0"
    elif abs(change.value) <= (noise or 0.0):
        reason = f"the change, {percent(change)}, is within the noise floor of {100 * (noise or 0.0):.2g} %"
    elif change.value >= 0:
        reason = f"the {what} does not fall: {percent(change)}"
    else:
        reason = f"the {what} falls by less than {100 * needed:.2g} % with certainty: {percent(change)}"
    return f"no gain: {reason}"


def at_limit(adapting: Adapting) -> str:
    """What a drift at its limit means."""
    return (
        f"the drift stays at {adapting.drift_greatest or 0.0:.3g}, the limit of the update rule: every further step is projected back; "
        "the learning rate is too high, the pull back to the base too weak, or the base does not fit this robot"
    )


def _signed(value: float) -> str:
    """With one decimal; with one digit where that would hide that it is not 0."""
    return f"{value:+.1g}" if 0 < abs(value) < 0.05 else f"{value:+.1f}"


def _why_refused(adapting: Adapting) -> str:
    return f"; refused most often for: {_first(adapting.refusals)}" if adapting.refusals else ""


def _hindrance(modes: Modes) -> str:
    found = modes.refused or modes.reasons or modes.rejected
    return f" it was kept from it: {_first(found)}" if found else " nothing in them asked for one"


def _refused(modes: Modes) -> str:
    return f"; chunks were refused: {_first(modes.refused)}" if modes.refused else ""


def _first(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} ({count} times)" for what, count in list(counts.items())[:_MOST_NAMED])
