"""Naming what is wrong with the input of an evaluation, in words: one sentence for each fault, none if there is none."""

from collections.abc import Callable, Iterable, Sequence

from ttt_ros.evaluation.bags.examination import Examination, Following, StreamFigures
from ttt_ros.evaluation.bags.thresholds import Thresholds

_MILLISECONDS = 1000
_SENSORS = ("camera", "joint_states")
_MOST_NAMED = 3

Causes = tuple[str, ...]


def damage(examinations: Sequence[Examination]) -> Causes:
    """Files and messages that could not be read."""
    found = [f"bag {each.bag}: {each.damage}" for each in examinations if each.damage]
    return (*found, *_each_stream(examinations, lambda stream: _unreadable(stream)))


def missing(examinations: Sequence[Examination]) -> Causes:
    """Topics without a message."""
    return _each_stream(examinations, lambda stream: "holds no message" if stream.messages == 0 else "")


def interrupted(examinations: Sequence[Examination], limits: Thresholds) -> Causes:
    """Cameras and joint states that were silent or slow."""
    return _each_stream(examinations, lambda stream: _interruption(stream, limits))


def disordered(examinations: Sequence[Examination], limits: Thresholds) -> Causes:
    """Stamps that repeat or jump back."""
    return _each_stream(examinations, lambda stream: _disorder(stream, limits))


def shifted(examinations: Sequence[Examination], limits: Thresholds) -> Causes:
    """Streams whose stamps do not agree with each other."""
    return tuple(f"bag {each.bag}: {sentence}" for each in examinations if (sentence := _shift(each, limits)))


def frozen(examinations: Sequence[Examination], limits: Thresholds) -> Causes:
    """Cameras that gave the same picture while the arm moved."""
    return _each_stream(
        examinations,
        lambda stream: f"gave the same picture for {stream.frozen:.1f} s while the arm moved" if stream.frozen > limits.max_frozen else "",
    )


def exchanged(examinations: Sequence[Examination]) -> Causes:
    """Joints that follow the commands of others."""
    return tuple(f"bag {each.bag}: {sentence}" for each in examinations for sentence in _exchanges(each.joints))


def gains(examinations: Sequence[Examination], limits: Thresholds) -> Causes:
    """Joints that move farther or less far than commanded, each with the bag where it is worst."""
    worst: dict[str, tuple[Following, str, int]] = {}
    for examination in examinations:
        for joint in examination.joints:
            if judged(joint, limits) and abs(_error(joint)) > limits.max_gain_error:
                before, bag, count = worst.get(joint.joint, (joint, examination.bag, 0))
                farther = abs(_error(joint)) > abs(_error(before))
                worst[joint.joint] = (joint if farther else before, examination.bag if farther else bag, count + 1)
    return tuple(
        f"{name} moves {joint.gain:.2f} times as far as commanded (bag {bag}; in {count} of {len(examinations)} bags)"
        for name, (joint, bag, count) in worst.items()
    )


def judged(joint: Following, limits: Thresholds) -> bool:
    """Whether the joint's gain says something: it moved, and by its own commands."""
    return joint.gain is not None and joint.follows == joint.joint and (joint.explained or 0.0) >= limits.min_explained


def lag_difference(examination: Examination) -> float | None:
    """Between the greatest and the least lag of the streams, s; None with fewer than two."""
    lags = [stream.lag for stream in examination.streams if stream.lag is not None]
    return max(lags) - min(lags) if len(lags) > 1 else None


def is_sensor(stream: StreamFigures) -> bool:
    """Whether the robot must send it all the time, which commands and instructions need not."""
    return stream.role.startswith(_SENSORS)


def named(causes: Sequence[str]) -> str:
    """The causes in one line; the first few, and how many more there are."""
    more = len(causes) - _MOST_NAMED
    return "; ".join(causes[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _each_stream(examinations: Iterable[Examination], fault: Callable[[StreamFigures], str]) -> Causes:
    return tuple(
        f"bag {each.bag}: {stream.role} ({stream.topic}) {words}"
        for each in examinations
        for stream in each.streams
        if (words := fault(stream))
    )


def _unreadable(stream: StreamFigures) -> str:
    return f"has {stream.unreadable} of {stream.messages} messages that cannot be read: {stream.problem}" if stream.unreadable else ""


def _interruption(stream: StreamFigures, limits: Thresholds) -> str:
    if not is_sensor(stream) or stream.messages == 0:
        return ""
    least = limits.min_camera_rate if stream.role.startswith("camera") else limits.min_joint_rate
    faults = []
    if stream.longest_gap > limits.max_gap:
        faults.append(f"was silent for {stream.longest_gap:.1f} s")
    if stream.rate is None or stream.rate < least:
        faults.append("came once" if stream.rate is None else f"came at {stream.rate:.1f} Hz")
    return " and ".join(faults)


def _disorder(stream: StreamFigures, limits: Thresholds) -> str:
    faults = []
    if stream.repeated > limits.max_repeated * stream.messages:
        faults.append(f"repeats the stamp before in {stream.repeated} of {stream.messages} messages")
    if stream.backwards > limits.max_backwards:
        faults.append(f"has {stream.backwards} stamps that jump back")
    return " and ".join(faults)


def _shift(examination: Examination, limits: Thresholds) -> str:
    difference = lag_difference(examination)
    if difference is None or difference <= limits.max_lag_difference:
        return ""
    lags = {f"{stream.role} ({stream.topic})": stream.lag for stream in examination.streams if stream.lag is not None}
    late, early = max(lags, key=lambda name: lags[name]), min(lags, key=lambda name: lags[name])
    return (
        f"stamps of {late} and {early} are {_MILLISECONDS * difference:.0f} ms apart: "
        f"they arrive {_MILLISECONDS * lags[late]:.0f} and {_MILLISECONDS * lags[early]:.0f} ms after their stamps"
    )


def _exchanges(joints: Sequence[Following]) -> list[str]:
    follows = {joint.joint: joint.follows for joint in joints}
    sentences = []
    for name, other in follows.items():
        if other == name:
            continue
        if follows.get(other) != name:
            sentences.append(f"{name} follows the commands of {other} instead of its own")
        elif name < other:
            sentences.append(f"{name} and {other} are exchanged: each follows the other's commands")
    return sentences


def _error(joint: Following) -> float:
    return (1.0 if joint.gain is None else joint.gain) - 1.0
