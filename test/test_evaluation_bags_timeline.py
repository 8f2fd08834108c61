from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from deployment_bags import COMMANDS, IMAGE, INSTRUCTION, JOINTS, STREAMS, record_deployment
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.bags.content import types
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.commanded import CommandTrack
from ttt_ros.evaluation.bags.configuration import Clock
from ttt_ros.evaluation.bags.timeline import LONGEST_PAUSE, Role, Sensed, Tick, timeline

PERIOD = 0.1
STEP = 100_000_000
SECOND = 1_000_000_000
STATES = StreamMapping(cameras={"scene": "/image"}, joint_states="/joints", text="wait")


def joint_states(path: Path, stamps: list[tuple[int, int]], *, instructed: tuple[int, ...] = ()) -> Path:
    """A bag of joint states, each with the moment at which it was received and its header stamp, ns, and one empty camera topic.

    Args:
        instructed: moments at which instructions were received, ns, before all joint states.
    """
    qos = OfferedQos(reliable=True, latched=False, depth=1)
    kinds = types().types
    with BagWriter(path, message_packages={}) as bag:
        bag.add_topic("/joints", "sensor_msgs/msg/JointState", qos=qos)
        bag.add_topic("/image", "sensor_msgs/msg/Image", qos=qos)
        if instructed:
            bag.add_topic("/instruction", "std_msgs/msg/String", qos=qos)
        for received in instructed:
            told = kinds["std_msgs/msg/String"](data="push")
            bag.write("/instruction", received, bytes(types().serialize_cdr(told, "std_msgs/msg/String")))
        for received, stamp in stamps:
            time = kinds["builtin_interfaces/msg/Time"](sec=stamp // SECOND, nanosec=stamp % SECOND)
            message = kinds["sensor_msgs/msg/JointState"](
                header=kinds["std_msgs/msg/Header"](stamp=time, frame_id=""),
                name=["a"],
                position=np.zeros(1),
                velocity=np.zeros(0),
                effort=np.zeros(0),
            )
            bag.write("/joints", received, bytes(types().serialize_cdr(message, "sensor_msgs/msg/JointState")))
    return path


def events(path: Path, *, clock: Clock = Clock.RECEIVED, streams: StreamMapping = STATES) -> list[Tick | Sensed]:
    with BagReader(path) as reader:
        return list(timeline(reader, streams, clock=clock, period=PERIOD))


def ticks(found: list[Tick | Sensed]) -> list[int]:
    return [event.now for event in found if isinstance(event, Tick)]


@settings(max_examples=30, deadline=None)
@given(gaps=st.lists(st.integers(min_value=0, max_value=5 * STEP), min_size=1, max_size=20))
def test_ticks_keep_their_period_and_see_every_message_that_is_not_younger(tmp_path_factory: pytest.TempPathFactory, gaps: list[int]):
    stamps = (SECOND + np.cumsum(gaps)).tolist()
    found = events(joint_states(tmp_path_factory.mktemp("bag") / "bag", [(stamp, stamp) for stamp in stamps]))
    assert set(np.diff(ticks(found))) <= {STEP}
    newest = 0
    for event in found:
        if isinstance(event, Tick):
            assert event.now >= newest
        else:
            newest = event.now
    assert isinstance(found[-1], Tick)
    assert [event.now for event in found if isinstance(event, Sensed)] == stamps


def test_a_gap_of_years_is_not_ticked_through(tmp_path: Path) -> None:
    late = 60 * 365 * 86_400 * SECOND
    found = ticks(events(joint_states(tmp_path / "bag", [(SECOND, SECOND), (late, late)])))
    assert len(found) <= LONGEST_PAUSE // STEP + 2
    assert found[-1] == late


def test_the_clock_of_the_stamps_ignores_when_messages_were_received(tmp_path: Path) -> None:
    path = joint_states(tmp_path / "bag", [(900 * SECOND, SECOND), (901 * SECOND, 2 * SECOND), (902 * SECOND, 2 * SECOND - 1)])
    found = events(path, clock=Clock.STAMPED)
    assert [event.now for event in found if isinstance(event, Sensed)] == [SECOND, 2 * SECOND, 2 * SECOND]
    assert ticks(found)[0] == SECOND


def test_what_was_received_before_the_first_stamp_is_given_its_instant(tmp_path: Path) -> None:
    path = joint_states(tmp_path / "bag", [(902 * SECOND, 5 * SECOND)], instructed=(900 * SECOND, 901 * SECOND))
    streams = replace(STATES, text="", instruction="/instruction")
    found = events(path, clock=Clock.STAMPED, streams=streams)
    assert [(event.role, event.now) for event in found if isinstance(event, Sensed)] == [
        (Role.INSTRUCTION, 5 * SECOND),
        (Role.INSTRUCTION, 5 * SECOND),
        (Role.JOINTS, 5 * SECOND),
    ]
    assert ticks(found) == [5 * SECOND]


def test_ticks_begin_anew_after_a_clock_that_was_set_back(tmp_path: Path) -> None:
    path = joint_states(tmp_path / "bag", [(900 * SECOND, 100 * SECOND), (901 * SECOND, 5 * SECOND)])
    assert ticks(events(path, clock=Clock.STAMPED)) == [100 * SECOND, 5 * SECOND]


def test_every_message_of_a_recorded_deployment_has_its_role(tmp_path: Path) -> None:
    streams = StreamMapping(**STREAMS)
    found = events(record_deployment(tmp_path / "bag", goals=1), streams=streams)
    roles = {(event.raw.topic, event.role, event.camera) for event in found if isinstance(event, Sensed)}
    assert roles == {
        (IMAGE, Role.CAMERA, "overhead"),
        (JOINTS, Role.JOINTS, ""),
        (COMMANDS, Role.COMMANDS, ""),
        (INSTRUCTION, Role.INSTRUCTION, ""),
    }


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        (StreamMapping(cameras={"scene": "/image"}, joint_states="/arm", text="wait"), "no topic /arm"),
        (StreamMapping(cameras={"scene": "/joints"}, joint_states="/joints2", text="wait"), "/joints is a sensor_msgs/msg/JointState"),
    ],
)
def test_a_mapping_that_does_not_fit_the_bag_is_refused_in_words(tmp_path: Path, streams: StreamMapping, words: str) -> None:
    path = joint_states(tmp_path / "bag", [(SECOND, SECOND)])
    with pytest.raises(RecordingError, match=words):
        events(path, streams=streams)


def track(*, open_loop: bool = False, horizon: int = 3) -> CommandTrack:
    return CommandTrack(horizon=horizon, period=PERIOD, open_loop=open_loop)


def test_each_step_meets_the_command_that_was_in_force_at_its_instant() -> None:
    commands = track()
    commands.ask(STEP)
    for now, value in ((0, 0.0), (STEP, 1.0), (2 * STEP - 1, 2.0), (3 * STEP + 1, 3.0)):
        commands.add(now, np.array([value]))
        assert commands.answered(min(now, 3 * STEP)) == []
    (answer,) = commands.answered(3 * STEP + 1)
    assert answer.positions is not None
    assert answer.positions[:, 0].tolist() == [1.0, 2.0, 2.0]
    assert answer.standing == np.array([1.0])


def test_in_open_loop_the_movement_begins_with_the_first_command_that_differs() -> None:
    commands = track(open_loop=True)
    for tick in range(3):
        commands.add(tick * STEP, np.array([0.5]))
    commands.ask(STEP)
    for tick in range(3, 8):
        commands.add(tick * STEP, np.array([float(tick)]))
    (answer,) = commands.answered(8 * STEP)
    assert answer.positions is not None
    assert answer.positions[:, 0].tolist() == [3.0, 4.0, 5.0]
    assert answer.standing == np.array([0.5])


def test_what_the_bag_does_not_hold_is_said_to_be_missing() -> None:
    commands = track()
    commands.add(5 * STEP, np.array([1.0]))
    commands.ask(STEP)  # before the first command
    commands.ask(7 * STEP)  # not over at the end
    assert [answer.positions for answer in commands.answered(8 * STEP)] == [None]
    assert [answer.stamp for answer in commands.rest()] == [7 * STEP]


def test_after_a_clock_that_was_set_back_what_was_asked_before_is_void_and_the_next_is_answered() -> None:
    commands = track()
    commands.add(900 * STEP, np.array([1.0]))
    commands.ask(900 * STEP)
    commands.add(STEP, np.array([2.0]))
    commands.ask(STEP)
    answers = commands.answered(4 * STEP)
    assert [(answer.stamp, answer.positions is None) for answer in answers] == [(900 * STEP, True), (STEP, False)]


def test_the_memory_of_commands_does_not_grow_with_the_bag() -> None:
    commands = track()
    for tick in range(5000):
        commands.add(tick * STEP, np.array([float(tick)]))
        if tick % 3 == 0:
            commands.ask(tick * STEP)
        commands.answered(tick * STEP)
    assert len(commands._times) < 20
