"""Bags with messages that are not as they should be: told, and the rest is used."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployment_bags import COMMANDS, IMAGE, INSTRUCTION, JOINTS, PARAMETERS, STREAMS, record_deployment

from ttt_ros.bags.content import types
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.configuration import FROZEN, BagEvaluationConfig, Clock
from ttt_ros.evaluation.bags.examination import Examination, StreamFigures
from ttt_ros.evaluation.bags.examine import examine
from ttt_ros.evaluation.bags.player import Row, play
from ttt_ros.evaluation.bags.records import ChunkRow, End, ModeRow
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
POLICY = load_policy(SHIPPED_POLICY)
SESSION = load_parameter_file(PARAMETERS).session
QOS = OfferedQos(reliable=True, latched=True, depth=1)

Change = Callable[[int, Any], Any]
"""From the number of a message on its topic and its content to another content; None leaves it out."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_deployment(tmp_path_factory.mktemp("bags") / "sound", goals=2, seed=1_600_000)


def rewritten(
    sound: Path, target: Path, *, topic: str = "", change: Change | None = None, shift: Callable[[int], int] | None = None
) -> Path:
    """The ``sound`` bag with the messages of one topic changed, or with other moments of reception."""
    store = types()
    numbers: dict[str, int] = {}

    def changed() -> Iterator[BagMessage]:
        with BagReader(sound) as reader:
            for message in reader.messages():
                number = numbers.get(message.topic, 0)
                numbers[message.topic] = number + 1
                if message.topic == topic and change is not None:
                    content = change(number, store.deserialize_cdr(message.cdr, message.message_type))
                    if content is None:
                        continue
                    message = message._replace(cdr=bytes(store.serialize_cdr(content, message.message_type)))
                yield message if shift is None else message._replace(stamp=shift(message.stamp))

    with BagReader(sound) as reader:
        topics = reader.topics
    with BagWriter(target, message_packages={}) as bag:
        for each in topics:
            bag.add_topic(each.name, each.message_type, qos=QOS)
        for message in changed():
            bag.write(message.topic, message.stamp, message.cdr)
    return target


def evaluated(bag: Path, *, clock: Clock = Clock.RECEIVED) -> tuple[Examination, list[Row], End]:
    config = BagEvaluationConfig(parameters=PARAMETERS, streams=StreamMapping(**STREAMS), clock=clock)
    rows: list[Row] = []
    with BagReader(bag, salvage=True) as reader:
        found = examine(reader, POLICY.specification, config, bag="bag")
    with BagReader(bag, salvage=True) as reader:
        end = play(reader, POLICY, FROZEN, session=SESSION, config=config, on_row=rows.append)
    return found, rows, end


def stream(found: Examination, topic: str) -> StreamFigures:
    return next(each for each in found.streams if each.topic == topic)


def chunks(rows: list[Row]) -> int:
    return sum(isinstance(row, ChunkRow) for row in rows)


def reasons(rows: list[Row]) -> str:
    return "; ".join(row.reason for row in rows if isinstance(row, ModeRow))


def test_an_image_whose_size_field_is_wrong_is_left_out_and_counted(sound: Path, tmp_path: Path) -> None:
    def wrong(number: int, image: Any) -> Any:
        if number == 5:
            image.height += 1
        return image

    _, rows, end = evaluated(rewritten(sound, tmp_path / "bag", topic=IMAGE, change=wrong))
    assert [count for reason, count in end.rejected.items() if "overhead" in reason and "carries" in reason] == [1]
    assert chunks(rows) == 4


def test_joint_states_out_of_order_are_counted_and_the_rest_is_used(sound: Path, tmp_path: Path) -> None:
    def swapped(number: int, state: Any) -> Any:
        if number % 20 == 10:
            state.header.stamp.nanosec = max(0, state.header.stamp.nanosec - 100_000_000)
        return state

    found, rows, _ = evaluated(rewritten(sound, tmp_path / "bag", topic=JOINTS, change=swapped))
    assert stream(found, JOINTS).backwards > 3
    assert chunks(rows) == 4


def test_stamps_that_repeat_are_counted_and_such_frames_are_not_taken_twice(sound: Path, tmp_path: Path) -> None:
    kept: list[Any] = []

    def repeated(number: int, image: Any) -> Any:
        if number % 2 == 0:
            kept.append(image.header.stamp)
        image.header.stamp = kept[-1]
        return image

    found, rows, _ = evaluated(rewritten(sound, tmp_path / "bag", topic=IMAGE, change=repeated))
    camera = stream(found, IMAGE)
    assert camera.repeated == camera.messages // 2
    assert chunks(rows) == 4


def test_a_clock_at_zero_holds_with_the_reason_and_can_be_evaluated_by_reception_alone(sound: Path, tmp_path: Path) -> None:
    def zero(number: int, message: Any) -> Any:
        message.header.stamp.sec = message.header.stamp.nanosec = 0
        return message

    bag = rewritten(sound, tmp_path / "images", topic=IMAGE, change=zero)
    found, rows, end = evaluated(bag)
    assert stream(found, IMAGE).lag == pytest.approx(found.start / SECOND + found.duration / 2, abs=1.0)
    assert end.held > 0.9 * end.ticks
    assert "overhead" in reasons(rows)


def test_a_recorder_with_another_clock_is_said_by_the_lag_and_overcome_by_the_stamps(sound: Path, tmp_path: Path) -> None:
    bag = rewritten(sound, tmp_path / "bag", shift=lambda stamp: stamp + 24 * HOUR)
    found, rows, end = evaluated(bag)
    assert stream(found, IMAGE).lag == pytest.approx(24 * 3600, abs=1)
    assert end.held > 0.9 * end.ticks
    assert "old by" in reasons(rows)
    _, by_stamp, _ = evaluated(bag, clock=Clock.STAMPED)
    assert chunks(by_stamp) == 4


def test_a_huge_gap_is_told_and_what_follows_is_used(sound: Path, tmp_path: Path) -> None:
    def later(stamp: int) -> int:
        return stamp if stamp < 4 * SECOND else stamp + 24 * HOUR

    def stamped(number: int, message: Any) -> Any:
        moved = later(message.header.stamp.sec * SECOND + message.header.stamp.nanosec)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(moved, SECOND)
        return message

    first = rewritten(sound, tmp_path / "images", topic=IMAGE, change=stamped)
    bag = rewritten(first, tmp_path / "bag", topic=JOINTS, change=stamped, shift=later)
    found, rows, end = evaluated(bag)
    assert stream(found, IMAGE).longest_gap == pytest.approx(24 * 3600, abs=1)
    assert "old by" in reasons(rows)
    assert chunks(rows) >= 3
    assert end.ticks < 1000


def test_stamps_that_jump_back_by_more_than_a_second_begin_a_new_stretch(sound: Path, tmp_path: Path) -> None:
    def earlier(number: int, message: Any) -> Any:
        stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        if stamp > 4 * SECOND:
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp - 3 * SECOND, SECOND)
        return message

    first = rewritten(sound, tmp_path / "images", topic=IMAGE, change=earlier)
    found, rows, _ = evaluated(rewritten(first, tmp_path / "bag", topic=JOINTS, change=earlier), clock=Clock.STAMPED)
    assert stream(found, IMAGE).backwards == stream(found, JOINTS).backwards == 1
    assert chunks(rows) >= 3


def test_a_command_with_other_joints_is_left_out_and_told(sound: Path, tmp_path: Path) -> None:
    def other(number: int, trajectory: Any) -> Any:
        trajectory.joint_names = [f"other_{index}" for index in range(6)]
        return trajectory

    found, rows, end = evaluated(rewritten(sound, tmp_path / "bag", topic=COMMANDS, change=other))
    assert "but not of shoulder_pan" in stream(found, COMMANDS).problem
    assert any("but not of shoulder_pan" in reason for reason in end.rejected)
    assert all(row.error is None for row in rows if isinstance(row, ChunkRow))


def test_a_position_that_is_not_finite_is_left_out_and_told(sound: Path, tmp_path: Path) -> None:
    def broken(number: int, state: Any) -> Any:
        if number == 7:
            state.position = np.where(np.arange(6) == 2, np.nan, state.position)
        return state

    _, rows, end = evaluated(rewritten(sound, tmp_path / "bag", topic=JOINTS, change=broken))
    assert any("not a finite angle" in reason for reason in end.rejected)
    assert chunks(rows) == 4


def test_instructions_that_cannot_be_read_are_told(sound: Path, tmp_path: Path) -> None:
    def nonsense(number: int, text: Any) -> Any:
        text.data = "juggle" if number == 0 else text.data
        return text

    _, rows, end = evaluated(rewritten(sound, tmp_path / "bag", topic=INSTRUCTION, change=nonsense))
    assert any(reason.startswith("instruction") for reason in end.rejected)
    assert chunks(rows) == 3


def test_a_bag_with_one_message_is_played_and_gives_nothing(sound: Path, tmp_path: Path) -> None:
    first = rewritten(sound, tmp_path / "joints", topic=JOINTS, change=lambda number, state: state if number == 0 else None)
    bag = first
    for topic in (IMAGE, COMMANDS, INSTRUCTION):
        bag = rewritten(bag, tmp_path / topic.rpartition("/")[2], topic=topic, change=lambda number, message: None)
    found, rows, end = evaluated(bag)
    assert end.messages == 1
    assert chunks(rows) == 0
    assert stream(found, IMAGE).problem == "it carries no message"


def test_an_empty_bag_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", message_packages={}) as bag:
        bag.add_topic(IMAGE, "sensor_msgs/msg/Image", qos=QOS)
    with pytest.raises(RecordingError, match="holds no message"):
        evaluated(tmp_path / "bag")
