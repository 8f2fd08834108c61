"""Assembling observations: matched in time, or a fault in words; never zeros, never a silent repeat."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.control.images import DeferredImage
from ttt_ros.control.observation import Fault, ObservationAssembler
from ttt_ros.errors import ObservationError, SpecificationError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification

MS = 1_000_000
NOW = 10_000 * MS
SPECIFICATION = PolicySpecification(
    cameras=(CameraSpecification(name="front", height=4, width=6), CameraSpecification(name="wrist", height=2, width=2)),
    joint_names=("shoulder", "elbow"),
    horizon=8,
    period=0.05,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=8,
)


def empty_assembler() -> ObservationAssembler:
    return ObservationAssembler(SPECIFICATION, tolerance=0.05, max_camera_age=0.5, max_joint_age=0.2)


def frame(name: str, value: int = 0) -> torch.Tensor:
    return torch.full((4, 6, 3) if name == "front" else (2, 2, 3), value, dtype=torch.uint8)


def add_joints(assembler: ObservationAssembler, stamp: int, shoulder: float = 0.5, elbow: float = -0.5) -> None:
    assembler.add_joints(stamp, ["shoulder", "elbow"], [shoulder, elbow])


def filled_assembler(*, front: int = NOW, wrist: int = NOW, joints: int = NOW) -> ObservationAssembler:
    assembler = empty_assembler()
    assembler.add_image("front", front, frame("front"))
    assembler.add_image("wrist", wrist, frame("wrist"))
    add_joints(assembler, joints)
    assembler.set_instruction("pick the cube")
    return assembler


def observed(assembler: ObservationAssembler, now: int = NOW) -> Observation:
    result = assembler.assemble(now)
    assert isinstance(result, Observation), result
    return result


def fault(assembler: ObservationAssembler, now: int = NOW) -> Fault:
    result = assembler.assemble(now)
    assert isinstance(result, Fault), result
    return result


def test_an_observation_holds_what_the_sensors_said() -> None:
    assembler = filled_assembler(front=NOW - 10 * MS)
    observation = observed(assembler)
    assert observation.stamp == NOW
    assert list(observation.images) == ["front", "wrist"]
    assert observation.joint_positions.dtype == torch.float32
    assert observation.joint_positions.tolist() == [0.5, -0.5]
    assert observation.instruction == "pick the cube"


def test_of_deferred_frames_only_the_one_that_is_looked_at_is_made() -> None:
    made: list[int] = []

    def deferred(value: int) -> DeferredImage:
        rgb = np.full((8, 12, 3), value, dtype=np.uint8)
        return DeferredImage(rgb, SPECIFICATION.cameras[0], finish=lambda image: made.append(value) or image)

    assembler = filled_assembler(front=NOW - 30 * MS)
    for value in (1, 2, 3):
        assembler.add_image("front", NOW - 30 * MS + value, deferred(value))
        observation = observed(assembler)
    assert list(observation.images) == ["front", "wrist"]
    assert not made
    assert torch.equal(observation.images["front"], frame("front", value=3))
    assert made == [3]
    with pytest.raises(ObservationError, match="camera 'rear' is not one of the policy's"):
        assembler.add_image("rear", NOW, deferred(4))


def test_an_observation_names_the_messages_that_it_was_put_together_from() -> None:
    assembler = filled_assembler(front=NOW, wrist=NOW - 30_000_000, joints=NOW - 40_000_000)
    add_joints(assembler, NOW)
    assert observed(assembler).sources == {"front": NOW, "wrist": NOW - 30_000_000, "joint_states": NOW - 40_000_000}


def test_the_newest_frame_of_each_camera_is_taken() -> None:
    assembler = filled_assembler(front=NOW - 60 * MS, wrist=NOW)
    assembler.add_image("front", NOW - 5 * MS, frame("front", value=7))
    assert (observed(assembler).images["front"] == 7).all()


def test_the_joint_reading_nearest_to_the_oldest_frame_is_taken() -> None:
    assembler = empty_assembler()
    assembler.set_instruction("go")
    for offset in range(0, 100, 10):
        add_joints(assembler, NOW - (100 - offset) * MS, shoulder=offset / 100)
    assembler.add_image("front", NOW - 62 * MS, frame("front"))
    assembler.add_image("wrist", NOW - 30 * MS, frame("wrist"))
    assert observed(assembler).joint_positions[0].item() == pytest.approx(0.4)


@given(
    joints=st.lists(st.integers(0, 600), min_size=1, max_size=30, unique=True).map(sorted),
    front=st.integers(400, 600),
    wrist=st.integers(400, 600),
)
def test_whatever_is_assembled_is_fresh_and_matched_in_time(joints: list[int], front: int, wrist: int) -> None:
    now = 600
    assembler = empty_assembler()
    assembler.set_instruction("go")
    for stamp in joints:
        add_joints(assembler, stamp * MS, shoulder=float(stamp))
    assembler.add_image("front", front * MS, frame("front"))
    assembler.add_image("wrist", wrist * MS, frame("wrist"))
    distances = [abs(stamp - min(front, wrist)) for stamp in joints]
    possible = abs(front - wrist) <= 50 and now - joints[-1] <= 200 and min(distances) <= 50
    result = assembler.assemble(now * MS)
    assert isinstance(result, Observation) == possible
    if isinstance(result, Observation):
        assert abs(result.joint_positions[0].item() - min(front, wrist)) == min(distances)


def test_asking_twice_gives_the_same_stamp_so_that_a_repeat_can_be_seen() -> None:
    assembler = filled_assembler()
    assert observed(assembler, NOW).stamp == observed(assembler, NOW + 100 * MS).stamp


@pytest.mark.parametrize("stream", ["front", "wrist", "joint_states", "instruction"])
def test_a_stream_that_never_came_is_a_fault_that_names_it(stream: str) -> None:
    assembler = empty_assembler()
    for camera in {"front", "wrist"} - {stream}:
        assembler.add_image(camera, NOW, frame(camera))
    if stream != "joint_states":
        add_joints(assembler, NOW)
    if stream != "instruction":
        assembler.set_instruction("go")
    found = fault(assembler)
    assert (found.kind, found.stream) == ("missing", stream)
    assert stream in found.reason


def test_a_withdrawn_instruction_is_missing() -> None:
    assembler = filled_assembler()
    assembler.set_instruction("  ")
    assert fault(assembler).stream == "instruction"


@pytest.mark.parametrize(
    ("stamps", "now", "expected"),
    [
        ({"joints": NOW + 450 * MS}, NOW + 501 * MS, ("stale", "front", 0.501, 0.5)),
        ({"front": NOW + 40 * MS, "wrist": NOW + 40 * MS}, NOW + 201 * MS, ("stale", "joint_states", 0.201, 0.2)),
        ({"wrist": NOW + 51 * MS}, NOW, ("future", "wrist", 0.051, 0.05)),
        ({"joints": NOW + 51 * MS}, NOW, ("future", "joint_states", 0.051, 0.05)),
        ({"front": NOW - 51 * MS}, NOW, ("apart", "front", 0.051, 0.05)),
        ({"joints": NOW - 51 * MS}, NOW, ("apart", "joint_states", 0.051, 0.05)),
    ],
)
def test_streams_out_of_time_are_a_fault_with_value_and_limit(
    stamps: dict[str, int], now: int, expected: tuple[str, str, float, float]
) -> None:
    found = fault(filled_assembler(**stamps), now)
    assert (found.kind, found.stream, found.value, found.limit) == expected
    assert expected[1] in found.reason
    assert f"{expected[2]:.3f} s (limit {expected[3]:g} s)" in found.reason


@pytest.mark.parametrize("stamps", [{"wrist": NOW + 50 * MS}, {"front": NOW - 50 * MS, "joints": NOW - 50 * MS}, {"joints": NOW - 50 * MS}])
def test_differences_up_to_the_tolerance_are_allowed(stamps: dict[str, int]) -> None:
    observed(filled_assembler(**stamps))


def test_an_observation_never_outlives_the_age_limit_of_its_frames() -> None:
    assembler = filled_assembler()
    for age in range(0, 1000, 50):
        add_joints(assembler, NOW + age * MS + 1)
        assert isinstance(assembler.assemble(NOW + age * MS), Observation) == (age <= 500)


def test_an_older_frame_that_comes_late_does_not_replace_the_newest() -> None:
    assembler = filled_assembler()
    assembler.add_image("front", NOW - 30 * MS, frame("front", value=9))
    assert (observed(assembler).images["front"] == 0).all()
    assert assembler.health(NOW)[0].dropped == {"stamp going backwards": 1}


def test_a_restarted_clock_clears_the_history_of_every_stream() -> None:
    assembler = filled_assembler()
    assembler.add_image("front", 50 * MS, frame("front"))
    assert (fault(assembler, 50 * MS).kind, fault(assembler, 50 * MS).stream) == ("missing", "wrist")
    assembler.add_image("wrist", 60 * MS, frame("wrist"))
    add_joints(assembler, 60 * MS, shoulder=0.25)
    assert observed(assembler, 70 * MS).joint_positions[0].item() == 0.25


def test_after_time_was_broken_off_nothing_heard_before_is_acted_on_and_the_robot_may_stand_anywhere() -> None:
    assembler = filled_assembler()
    assert not assembler.was_unfelt(NOW)
    assembler.forget()
    assert fault(assembler, NOW + 10 * MS).kind == "missing"
    add_joints(assembler, NOW - 300 * MS)
    assert assembler.was_unfelt(NOW - 290 * MS)
    assert not assembler.was_unfelt(NOW - 290 * MS)


def test_joints_are_found_by_name_in_any_order_and_others_are_ignored() -> None:
    assembler = filled_assembler()
    assembler.add_joints(NOW + 1, ["gripper", "elbow", "shoulder"], [math.nan, 2.0, 1.0])
    assembler.add_image("front", NOW + 1, frame("front"))
    assembler.add_image("wrist", NOW + 1, frame("wrist"))
    assert observed(assembler, NOW + 1).joint_positions.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("names", "positions", "message"),
    [
        (["shoulder"], [0.0], "joint 'elbow' is missing; the message names shoulder"),
        ([], [], "joint 'shoulder' is missing; the message names no joint"),
        (["shoulder", "elbow"], [0.0], "2 names and 1 positions"),
        (["shoulder", "elbow", "elbow"], [0.0, 0.0, 0.0], "joint 'elbow' is named twice"),
        (["shoulder", "elbow"], [0.0, math.nan], "position of joint 'elbow' is nan"),
        (["shoulder", "elbow"], [-math.inf, 0.0], "position of joint 'shoulder' is -inf"),
        (["shoulder", "elbow"], [1e300, 0.0], r"position of joint 'shoulder' is 1e\+300"),
    ],
)
def test_a_malformed_joint_state_is_refused_and_named(names: list[str], positions: list[float], message: str) -> None:
    assembler = filled_assembler()
    with pytest.raises(ObservationError, match=message):
        assembler.add_joints(NOW + 1, names, positions)
    assert observed(assembler).joint_positions.tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("rear", torch.zeros((4, 6, 3), dtype=torch.uint8), "camera 'rear' is not one of the policy's: front, wrist"),
        ("front", torch.zeros((6, 4, 3), dtype=torch.uint8), r"shape \(6, 4, 3\), the policy expects \(4, 6, 3\)"),
        ("front", torch.zeros((4, 6), dtype=torch.uint8), r"shape \(4, 6\)"),
        ("front", torch.zeros((4, 6, 3)), "dtype torch.float32, the policy expects torch.uint8"),
    ],
)
def test_an_image_that_the_policy_does_not_expect_is_refused(name: str, image: torch.Tensor, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        empty_assembler().add_image(name, NOW, image)


def test_a_policy_without_a_camera_is_refused() -> None:
    blind = PolicySpecification(
        cameras=(), joint_names=("elbow",), horizon=1, period=0.1, action_meaning=ActionMeaning.ABSOLUTE, max_instruction_words=1
    )
    with pytest.raises(SpecificationError, match="names no camera"):
        ObservationAssembler(blind, tolerance=0.1, max_camera_age=0.1, max_joint_age=0.1)


def test_health_lists_every_stream_with_its_age() -> None:
    health = {stream.name: stream.age for stream in filled_assembler(front=NOW - 20 * MS).health(NOW)}
    assert health == {"front": 0.02, "wrist": 0.0, "joint_states": 0.0}
