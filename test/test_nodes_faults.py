"""The fault suite: its catalogue, what its relay makes of messages, and a few of its trials over real processes."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from rich.console import Console
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from ttt_ros.msg import ControlStatus, SafeguardState

from ttt_ros.configuration import load_yaml
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults import fault, relay
from ttt_ros.nodes.faults.catalogue import FAULTS, fault_named
from ttt_ros.nodes.faults.fault import Injection
from ttt_ros.nodes.faults.observer import Heard, stayed_away
from ttt_ros.nodes.faults.reactions import acts_in
from ttt_ros.nodes.faults.suite import run_alone, run_faults
from ttt_ros.nodes.faults.unprotected import PATCHES
from ttt_ros.nodes.stamps import nanoseconds, stamp
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.signals import SIGNALS

pytestmark = pytest.mark.ros

CONFIG = Path(__file__).parents[1] / "config"


def image(value: int = 7) -> Image:
    message = Image(height=4, width=6, encoding="rgb8", step=18, data=bytes([value] * 72))
    message.header.stamp = stamp(5_000_000_000 + value)
    return message


def joints(*positions: float) -> JointState:
    message = JointState(name=[f"joint_{index}" for index in range(len(positions))], position=list(positions))
    message.header.stamp = stamp(5_000_000_000)
    return message


def test_every_fault_has_a_name_of_its_own_and_a_protection_that_can_be_switched_off() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS) >= 35
    for each in FAULTS:
        protection = each.protection
        assert protection.parameters or protection.rules or protection.patches, each.name
        assert set(protection.rules) <= set(SIGNALS), each.name
        assert set(protection.patches) <= set(PATCHES), each.name
        assert each.deadline > 0.0


def test_every_rule_that_a_protection_leaves_out_is_in_the_shipped_file() -> None:
    shipped = {rule.signal for rule in load_yaml(CONFIG / "safeguard_reactive.yaml", SafeguardConfig).rules}
    assert {signal for each in FAULTS for signal in each.protection.rules} <= shipped


def test_the_limits_that_reactions_are_counted_by_are_those_of_the_shipped_files() -> None:
    session = load_parameter_file(CONFIG / "policy_node_reactive.yaml").session
    assert (session.max_camera_age, session.max_joint_age) == (fault.MAX_CAMERA_AGE, fault.MAX_JOINT_AGE)
    assert session.request_at == fault.STEPS_OF_A_CHUNK
    safeguard = load_yaml(CONFIG / "safeguard_reactive.yaml", SafeguardConfig)
    assert safeguard.heartbeat_period * 2 == fault.HEARTBEATS
    assert {rule.limit for rule in safeguard.rules if rule.signal == "camera_stuck"} == {fault.MAX_STUCK}
    ages = {rule.signal: rule for rule in safeguard.rules if rule.signal in ("camera_age", "joint_state_age")}
    assert ages["camera_age"].limit == fault.SAFEGUARD_CAMERA_AGE
    assert ages["joint_state_age"].limit == fault.SAFEGUARD_JOINT_AGE
    for rule in ages.values():
        assert rule.trips * safeguard.heartbeat_period == pytest.approx(fault.AGE_HEARTBEATS)


def test_a_fault_that_both_nets_can_see_must_be_held_by_each_alone_or_it_is_said_why_not() -> None:
    shared = [each for each in FAULTS if each.protection.in_both_nets]
    assert [each.name for each in FAULTS if each.unheld and each not in shared] == []
    for each in shared:
        assert any(each.held_alone_by(net) for net in Net), each.name
        assert all(each.unheld.values()), each.name
    assert all(any(each.held_alone_by(net) for each in shared) for net in Net)


def test_a_net_stands_alone_without_the_others_part_of_the_protection_and_the_safeguard_has_its_heartbeats_more() -> None:
    jump = fault_named("joints_nan")
    assert jump.protection.beside(Net.POLICY) == fault.Protection(rules=jump.protection.rules)
    assert jump.protection.beside(Net.SAFEGUARD) == fault.Protection(patches=jump.protection.patches)
    assert jump.alone(Net.POLICY).deadline == jump.deadline
    assert jump.alone(Net.SAFEGUARD).deadline == jump.deadline + jump.safeguard_later >= jump.deadline + fault.HEARTBEATS


@pytest.mark.parametrize(
    ("name", "reason"),
    [("camera_black", "its protection has no part in both nets"), ("camera_wrong_size", "it looks at neither size nor encoding")],
)
def test_a_fault_that_a_net_cannot_hold_alone_is_not_run_with_it_alone(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"fault '{name}' need not be held by the safeguard alone: {reason}"):
        run_alone(Net.SAFEGUARD, [name], trials=1, out=tmp_path, console=Console(quiet=True))


def test_a_joint_that_passes_by_has_not_stayed_away() -> None:
    passing = {0.0: 0.1, 1.0: 0.5, 1.2: 0.5, 1.3: 0.2, 2.0: 0.45, 2.2: 0.45, 2.5: 0.5}
    joints = [Heard(at=at, message=JointState(position=[0.0, position])) for at, position in passing.items()]
    assert stayed_away(joints, 0.3, since=0.5, seconds=0.4) == 2.0
    assert stayed_away(joints, 0.3, since=0.5, seconds=0.6) is None
    assert stayed_away(joints, 0.3, since=-1.0, seconds=0.4) is None


def test_silence_is_counted_from_the_last_word_that_allowed_better_and_not_from_that_of_a_safeguard_begun_since() -> None:
    def heard(kind: type, mode: Mode, at: float) -> Heard:
        message = kind(mode=mode)
        message.header.stamp = stamp(round(at * 1e9))
        return Heard(at=at, message=message)

    states = [heard(SafeguardState, Mode.ADAPTING, 1.0), heard(SafeguardState, Mode.ADAPTING, 1.1), heard(SafeguardState, Mode.BASE, 3.0)]
    observer = SimpleNamespace(states=states, controls=[heard(ControlStatus, Mode.BASE, 3.05)])
    seen = acts_in(Mode.BASE, since="safeguard")(SimpleNamespace(observer=observer), Injection(at=1.05, last={}))
    assert seen == pytest.approx(3.05 - 1.1)


def test_a_fault_that_does_not_exist_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigurationError, match=r"no fault is called 'rust'; there are nan_gradient, "):
        fault_named("rust")


def test_a_frozen_camera_repeats_the_first_picture_under_new_stamps() -> None:
    alter = relay.frozen()
    first, second = alter(image(1))[0], alter(image(2))[0]
    assert bytes(second.data) == bytes(first.data) == bytes([1] * 72)
    assert nanoseconds(second.header.stamp) == 5_000_000_002


def test_pictures_can_be_filled_made_smaller_and_mislabelled() -> None:
    assert set(relay.filled(255)(image())[0].data) == {255}
    (small,) = relay.smaller(image())
    assert (small.height, small.width, small.step, len(small.data)) == (2, 3, 9, 18)
    assert relay.encoded_as("mono16")(image())[0].encoding == "mono16"


def test_messages_can_be_lost_thinned_and_multiplied() -> None:
    thinned = relay.thinned()
    assert [len(thinned(image())) for _ in range(4)] == [0, 1, 0, 1]
    assert len(relay.flooded(20)(image())) == 20
    assert relay.silent(image()) == ()


@pytest.mark.parametrize("seconds", [-0.5, 1.0])
def test_stamps_and_the_clock_can_be_shifted(seconds: float) -> None:
    shifted = relay.shifted(seconds)
    assert nanoseconds(shifted(image())[0].header.stamp) == 5_000_000_007 + round(seconds * 1e9)
    assert nanoseconds(shifted(Clock(clock=stamp(9_000_000_000)))[0].clock) == 9_000_000_000 + round(seconds * 1e9)


def test_joints_can_be_no_number_missing_or_jump() -> None:
    assert math.isnan(relay.positions_of(1, math.nan)(joints(0.1, 0.2, 0.3))[0].position[1])
    (missing,) = relay.without_joint(1)(joints(0.1, 0.2, 0.3))
    assert list(missing.name) == ["joint_0", "joint_2"]
    assert list(missing.position) == [0.1, 0.3]
    jumping = relay.jumping(1.0)
    assert [jumping(joints(0.1))[0].position[0] for _ in range(3)] == pytest.approx([0.1, 1.1, 0.1])


def test_joint_states_can_be_contradicted_beside_them() -> None:
    beside: list[JointState] = []
    (passed_on,) = relay.contradicted(beside.append, by=0.5)(joints(0.1, 0.2))
    assert list(passed_on.position) == [0.1, 0.2]
    assert list(beside[0].position) == pytest.approx([0.6, 0.7])
    assert beside[0].name == passed_on.name
    assert beside[0].header.stamp == passed_on.header.stamp


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.mark.timeout(240)
def test_faults_of_the_gradient_a_camera_and_the_joints_are_held_over_real_processes(suite: Path, ros_domain: int) -> None:
    names = ("nan_gradient", "camera_stopped", "joints_nan")
    records = {record.name: record for record in run_faults(names, trials=1, without="", out=suite, console=Console(quiet=True))}
    assert set(records) == set(names)
    for record in records.values():
        assert not record.violations, record
        assert record.reactions, record
        assert record.went_on == 1, record
    assert records["camera_stopped"].trials[0].behaviour == "kept its position"
    again = run_faults(names, trials=1, without="", out=suite, console=Console(quiet=True))
    assert again == list(records.values())  # what is there is not run again


@pytest.mark.timeout(240)
@pytest.mark.parametrize("net", Net)
def test_each_net_alone_holds_the_arm_when_a_joint_is_no_number(suite: Path, ros_domain: int, net: Net) -> None:
    (record,) = run_alone(net, ["joints_nan"], trials=1, out=suite, console=Console(quiet=True))
    assert not record.violations, record
    assert record.trials[0].mode == "hold", record
    assert record.went_on == 1, record


@pytest.mark.timeout(240)
def test_without_its_protection_a_fault_is_not_withstood(suite: Path, ros_domain: int) -> None:
    (record,) = run_faults((), trials=1, without="nan_gradient", out=suite, console=Console(quiet=True))
    assert record.without_protection
    assert not record.withstood
    assert any("was applied with a gradient of norm nan" in violation for violation in record.violations)


def test_pictures_altered_by_the_relay_are_still_messages() -> None:
    for alteration in (relay.frozen(), relay.filled(0), relay.smaller, relay.encoded_as("bgr8"), relay.shifted(0.1)):
        (message,) = alteration(image())
        assert len(message.data) == message.height * message.step
        assert np.frombuffer(message.data, dtype=np.uint8).size
