"""What every arm did on a bag as a bag of its own, on topics, to be looked at next to the input.

For each arm ``/ARM/policy/adaptation_status`` as the policy node publishes it, ``/ARM/policy/action_error`` (mean absolute error over
joints and steps), ``/ARM/policy/mode`` (number of the mode as in SafeguardState) and ``/ARM/policy/mode_reason``. Stamps are of the
bag's clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

from rosbags.typesys.store import Typestore

from ttt_ros.bags.message_types import DEFAULT_DISTRIBUTION, message_types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.action_error import mean_error
from ttt_ros.evaluation.bags.records import ArmRecord, WindowRow
from ttt_ros.evaluation.run_record import ModeLabel

STATUS, ERROR, MODE, REASON = "adaptation_status", "action_error", "mode", "mode_reason"

TYPES: Mapping[str, str] = {
    STATUS: "ttt_ros/msg/AdaptationStatus",
    ERROR: "std_msgs/msg/Float64",
    MODE: "std_msgs/msg/UInt8",
    REASON: "std_msgs/msg/String",
}
"""Message type of each of an arm's topics."""

MODES: Mapping[ModeLabel, int] = {"adapting": 0, "frozen": 1, "base": 2, "hold": 3, "stop": 4}
"""As in SafeguardState.msg."""

_NOT_COMPUTED = -1.0  # as AdaptationStatus.msg says
_QOS = OfferedQos(reliable=True, latched=False, depth=10)
_LATCHED = OfferedQos(reliable=True, latched=True, depth=1)
_NANOSECONDS = 1_000_000_000


class _Signal(NamedTuple):
    stamp: int
    topic: str
    message: Any


def topic_of(arm: str, signal: str) -> str:
    """The topic of one of an arm's signals."""
    return f"/{arm}/policy/{signal}"


def definitions() -> Path:
    """The folder of the package's .msg files: in a source tree, in an installed workspace, or where pip put them.

    Raises:
        RecordingError: there is none.
    """
    for folder in Path(__file__).resolve().parents:
        for candidate in (folder / "msg", folder / "share" / "ttt_ros" / "msg"):
            if (candidate / "AdaptationStatus.msg").is_file():
                return candidate
    raise RecordingError("the package's .msg files are not installed; install it with pip or colcon")


def write_signals(path: Path, records: Sequence[ArmRecord], *, distribution: str = DEFAULT_DISTRIBUTION) -> None:
    """Writes the arms of one bag into the folder ``path``, in place of what is there; it appears whole or not at all.

    Raises:
        RecordingError: it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished") / path.name  # the files in a bag bear the name of its folder
    with _explained(path):
        for folder in (unfinished.parent, path):
            if folder.exists():
                rmtree(folder)
        unfinished.parent.mkdir(parents=True)
    packages = {"ttt_ros": definitions()}
    types = message_types(message_packages=packages, distribution=distribution)
    with BagWriter(unfinished, message_packages=packages, distribution=distribution) as bag:
        for record in records:
            for signal, kind in TYPES.items():
                topic = topic_of(record.header.arm.name, signal)
                bag.add_topic(topic, kind, qos=_LATCHED if signal in (MODE, REASON) else _QOS)
        signals = sorted((signal for record in records for signal in _signals(record, types)), key=lambda signal: signal.stamp)
        for stamp, topic, message in signals:
            bag.write(topic, stamp, bytes(types.serialize_cdr(message, message.__msgtype__)))
    with _explained(path):
        unfinished.rename(path)
        unfinished.parent.rmdir()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}; check the folder and what lies in it") from None


def _signals(record: ArmRecord, types: Typestore) -> Iterator[_Signal]:
    arm, kinds = record.header.arm.name, types.types
    for window in record.windows:
        yield _Signal(window.stamp, topic_of(arm, STATUS), _status(window, kinds))
    for chunk in record.chunks:
        error = mean_error(chunk)
        if error is not None:
            yield _Signal(chunk.stamp, topic_of(arm, ERROR), kinds[TYPES[ERROR]](data=error))
    for mode in record.modes:
        yield _Signal(mode.stamp, topic_of(arm, MODE), kinds[TYPES[MODE]](data=MODES[mode.mode]))
        yield _Signal(mode.stamp, topic_of(arm, REASON), kinds[TYPES[REASON]](data=mode.reason))


def _status(window: WindowRow, kinds: Mapping[str, Any]) -> Any:
    """Fields that a record does not keep, such as the drift of each module, are left empty or 0."""
    seconds, nanoseconds = divmod(window.stamp, _NANOSECONDS)
    stamp = kinds["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return kinds[TYPES[STATUS]](
        header=kinds["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
        window_sequence=window.sequence,
        reset_epoch=0,
        samples=window.samples,
        samples_trimmed=window.trimmed or 0,
        prediction_loss=_figure(window.loss),
        loss_after=_figure(window.loss_after),
        gradient_norm=_figure(window.gradient_norm),
        update_norm=window.update_norm,
        drift=window.drift,
        module_drift=[],
        action_deviation=_figure(window.action_deviation),
        committed=window.committed,
        withheld=False,
        reason=window.reason,
        weights_version=window.version,
        weights_checksum=window.checksum,
        duration=window.seconds,
        queue_depth=0,
        dropped_windows=0,
    )


def _figure(value: float | None) -> float:
    return _NOT_COMPUTED if value is None else value
