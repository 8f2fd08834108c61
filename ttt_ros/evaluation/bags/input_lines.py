"""The lines of the verdict about the input: whether the bags can be trusted, and whether there is enough in them."""

from collections.abc import Sequence

from ttt_ros.evaluation.bags import causes
from ttt_ros.evaluation.bags.configuration import ADAPTING, FROZEN
from ttt_ros.evaluation.bags.examination import Examination, StreamFigures
from ttt_ros.evaluation.bags.figures import Change, Findings
from ttt_ros.evaluation.bags.line import Line, line, not_judged
from ttt_ros.evaluation.bags.policy_causes import too_little
from ttt_ros.evaluation.bags.thresholds import Thresholds

_MILLISECONDS = 1000


def lines(findings: Findings, examinations: Sequence[Examination], limits: Thresholds, failures: Sequence[str]) -> tuple[Line, ...]:
    """All of them; ``failures`` are the bags and arms that could not be evaluated, in words."""
    return (
        _evaluated(findings, examinations, failures),
        _whole(examinations),
        _present(examinations),
        _steady(examinations, limits),
        _in_order(examinations, limits),
        _together(examinations, limits),
        _seeing(examinations, limits),
        _own_commands(examinations),
        _as_far(examinations, limits),
        _enough(findings, limits),
    )


def _evaluated(findings: Findings, examinations: Sequence[Examination], failures: Sequence[str]) -> Line:
    done = {bag.name for bag in findings.bags}
    faults = [*failures, *(f"bag {each.bag}: no arm gave a record" for each in examinations if each.bag not in done)]
    return line(
        "every bag was evaluated",
        passed=bool(done) and not faults,
        figure=f"{len(done)} bags, {len(faults)} failures",
        limit="no failure",
        cause=causes.named(faults) or "there is no bag",
    )


def _whole(examinations: Sequence[Examination]) -> Line:
    found = causes.damage(examinations)
    return line(
        "the bags are whole", passed=not found, figure=f"{len(found)} faults", limit="every message readable", cause=causes.named(found)
    )


def _present(examinations: Sequence[Examination]) -> Line:
    found = causes.missing(examinations)
    return line(
        "every topic has messages", passed=not found, figure=f"{len(found)} topics are empty", limit="none empty", cause=causes.named(found)
    )


def _steady(examinations: Sequence[Examination], limits: Thresholds) -> Line:
    sensors = [stream for each in examinations for stream in each.streams if causes.is_sensor(stream) and stream.messages]
    found = causes.interrupted(examinations, limits)
    return line(
        "cameras and joint states are steady",
        passed=not found,
        figure=f"longest gap {max((stream.longest_gap for stream in sensors), default=0.0):.2f} s, "
        f"slowest camera {_slowest(sensors, 'camera')}, slowest joint states {_slowest(sensors, 'joint_states')}",
        limit=f"gap at most {limits.max_gap:g} s, cameras at least {limits.min_camera_rate:g} Hz, "
        f"joint states at least {limits.min_joint_rate:g} Hz",
        cause=causes.named(found),
    )


def _slowest(sensors: Sequence[StreamFigures], role: str) -> str:
    rates = [stream.rate for stream in sensors if stream.role.startswith(role) and stream.rate is not None]
    return f"{min(rates):.1f} Hz" if rates else "without rate"


def _in_order(examinations: Sequence[Examination], limits: Thresholds) -> Line:
    streams = [stream for each in examinations for stream in each.streams]
    found = causes.disordered(examinations, limits)
    return line(
        "stamps go forward",
        passed=not found,
        figure=f"{sum(stream.repeated for stream in streams)} repeated, {sum(stream.backwards for stream in streams)} backwards",
        limit=f"at most {100 * limits.max_repeated:g} % repeated and {limits.max_backwards} backwards in a stream",
        cause=causes.named(found),
    )


def _together(examinations: Sequence[Examination], limits: Thresholds) -> Line:
    name, limit = "stamps of the streams agree", f"lags at most {_MILLISECONDS * limits.max_lag_difference:g} ms apart"
    differences = [each for each in map(causes.lag_difference, examinations) if each is not None]
    if not differences:
        return not_judged(name, because="fewer than two streams have stamps", limit=limit)
    found = causes.shifted(examinations, limits)
    return line(name, passed=not found, figure=f"{_MILLISECONDS * max(differences):.0f} ms apart", limit=limit, cause=causes.named(found))


def _seeing(examinations: Sequence[Examination], limits: Thresholds) -> Line:
    longest = max((stream.frozen for each in examinations for stream in each.streams), default=0.0)
    found = causes.frozen(examinations, limits)
    return line(
        "cameras see the arm move",
        passed=not found,
        figure=f"same picture for {longest:.1f} s" if longest else "no picture stood still",
        limit=f"at most {limits.max_frozen:g} s",
        cause=causes.named(found),
    )


def _own_commands(examinations: Sequence[Examination]) -> Line:
    name, limit = "joints follow their own commands", "every joint that moved"
    if not any(joint.gain is not None for each in examinations for joint in each.joints):
        return not_judged(name, because="nothing was commanded, or nothing moved", limit=limit)
    found = causes.exchanged(examinations)
    others = sum(joint.follows != joint.joint for each in examinations for joint in each.joints)
    return line(name, passed=not found, figure=f"{others} follow another's", limit=limit, cause=causes.named(found))


def _as_far(examinations: Sequence[Examination], limits: Thresholds) -> Line:
    name, limit = "joints move as far as commanded", f"gains from {1 - limits.max_gain_error:g} to {1 + limits.max_gain_error:g}"
    gains = [joint.gain for each in examinations for joint in each.joints if causes.judged(joint, limits) and joint.gain is not None]
    if not gains:
        return not_judged(name, because="no joint's motion is explained by its commands", limit=limit)
    found = causes.gains(examinations, limits)
    return line(name, passed=not found, figure=f"gains from {min(gains):.2f} to {max(gains):.2f}", limit=limit, cause=causes.named(found))


def _enough(findings: Findings, limits: Thresholds) -> Line:
    whole = findings.whole
    shared = whole.changes.get(ADAPTING.name, Change(loss=None, windows=0, action=None, chunks=0, blocks=0))
    commanded = any(arm.action for arm in whole.arms.values()) or not any(arm.chunks for arm in whole.arms.values())
    passed = (
        (shared.chunks >= limits.min_chunks or not commanded)
        and shared.windows >= limits.min_windows
        and shared.blocks >= limits.min_blocks
    )
    return line(
        "there is enough to judge",
        passed=passed,
        figure=f"{shared.chunks} chunks with commands and {shared.windows} windows of both arms, these in {shared.blocks} blocks",
        limit=f"at least {limits.min_chunks}{'' if commanded else ' (not judged without commands)'}, "
        f"{limits.min_windows} and {limits.min_blocks}",
        cause=too_little({arm: whole.arms[arm] for arm in (FROZEN.name, ADAPTING.name) if arm in whole.arms}),
    )
