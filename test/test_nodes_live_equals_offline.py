"""A bag played to the policy node over DDS, against the evaluation of the same bag without ROS."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from deployment_bags import COMMANDS, IMAGE, PARAMETERS, STREAMS, record_deployment
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rich.console import Console
from ros_domains import free_domain
from ros_graph import Graph
from sensor_msgs.msg import Image
from ttt_ros.msg import ActionChunk, AdaptationStatus

from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.configuration import ADAPTING, BagEvaluationConfig
from ttt_ros.evaluation.bags.player import Row, play
from ttt_ros.evaluation.bags.records import ChunkRow, End, WindowRow
from ttt_ros.nodes.policy_messages import NOT_COMPUTED
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.replay import ReplaySetup, run_replay
from ttt_ros.nodes.replay_node import ReplayNode
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.nodes.stamps import nanoseconds
from ttt_ros.nodes.transport import transport_environment
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

pytestmark = pytest.mark.ros

CONFIG = PARAMETERS.parent
GOALS = 4
ALL = QoSProfile(depth=1000)


@dataclass(frozen=True, kw_only=True)
class Offline:
    """What the evaluation makes of the bag."""

    end: End
    chunks: tuple[ChunkRow, ...]
    windows: tuple[WindowRow, ...]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the node makes of it."""

    chunks: Sequence[ActionChunk]
    windows: Sequence[WindowRow]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A robot with hidden properties at work."""
    return record_deployment(tmp_path_factory.mktemp("recorded") / "bag", goals=GOALS, seed=3)


@pytest.fixture(scope="module")
def offline(bag: Path) -> Offline:
    rows: list[Row] = []
    config = BagEvaluationConfig(parameters=PARAMETERS, streams=StreamMapping(**STREAMS))
    session = load_parameter_file(PARAMETERS).session
    with BagReader(bag) as reader:
        end = play(reader, load_policy(SHIPPED_POLICY), ADAPTING, session=session, config=config, on_row=rows.append)
    windows = tuple(replace(row, seconds=0.0) for row in rows if isinstance(row, WindowRow))
    assert sum(window.committed for window in windows) >= GOALS, [window.reason for window in windows]
    return Offline(end=end, chunks=tuple(row for row in rows if isinstance(row, ChunkRow)), windows=windows)


@pytest.fixture(scope="module")
def stepped(bag: Path) -> Answers:
    """The bag, played step by step."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ROS_DOMAIN_ID": str(free_domain()), **transport_environment()}.items():
            patch.setenv(name, value)
        graph = Graph()
        try:
            return played(graph, {"bag": str(bag), "stepped": True, "parameters": str(PARAMETERS)}, control__stepped=True)
        finally:
            graph.close()


def played(graph: Graph, replay: dict[str, object], **changes: object) -> Answers:
    """What a policy node in shadow mode, with the parameters ``changes``, answers to the bag."""
    chunks = graph.listen(ActionChunk, "policy/action_chunk", ALL)
    statuses = graph.listen(AdaptationStatus, "policy/adaptation_status", ALL)
    parameters = {"use_sim_time": True, "control.shadow": True} | {name.replace("__", "."): value for name, value in changes.items()}
    graph.start(PolicyNode, parameters, parameter_file=PARAMETERS)
    graph.bring_up("policy")
    player = graph.start(ReplayNode, replay).node
    graph.wait_until(lambda: player.finished, "the end of the bag")
    graph.call(GetParameters, "policy/get_parameters", GetParameters.Request())  # answered after all that was sent before
    return Answers(chunks=chunks.messages, windows=[row(status) for status in statuses.messages])


def row(status: AdaptationStatus) -> WindowRow:
    """The window as the evaluation writes it down."""

    def figure(value: float) -> float | None:
        return None if value == NOT_COMPUTED or not np.isfinite(value) else value

    return WindowRow(
        stamp=nanoseconds(status.header.stamp),
        sequence=status.window_sequence,
        loss=figure(status.prediction_loss),
        loss_after=figure(status.loss_after),
        gradient_norm=figure(status.gradient_norm),
        update_norm=status.update_norm,
        drift=status.drift,
        action_deviation=figure(status.action_deviation),
        samples=status.samples,
        trimmed=status.samples_trimmed,
        committed=status.committed,
        reason=status.reason,
        version=status.weights_version,
        checksum=status.weights_checksum,
        seconds=0.0,
    )


def outputs(chunks: Sequence[ActionChunk], windows: Sequence[WindowRow]) -> Iterator[bytes]:
    """What the evaluation hashes, in its order: a chunk, then the window of the movement that its observation ended."""
    by_stamp = {window.stamp: window for window in windows}
    before = 0
    for chunk in chunks:
        stamp = nanoseconds(chunk.header.stamp)
        answer = f"chunk {chunk.sequence} {stamp} {chunk.weights_version} {chunk.weights_checksum}"
        yield answer.encode() + np.array(chunk.positions, dtype=np.float64).tobytes()
        if before in by_stamp:
            yield repr(by_stamp[before]).encode()
        before = stamp


def test_played_step_by_step_the_node_answers_bit_for_bit_what_the_evaluation_does(stepped: Answers, offline: Offline) -> None:
    answered = [(nanoseconds(chunk.header.stamp), chunk.weights_version) for chunk in stepped.chunks]
    assert answered == [(chunk.stamp, chunk.version) for chunk in offline.chunks]
    assert list(stepped.windows) == list(offline.windows)
    assert stepped.windows[-1].checksum == offline.end.weights
    assert hashlib.sha256(b"".join(outputs(stepped.chunks, stepped.windows))).hexdigest() == offline.end.outputs


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How far a replay at real time is from the same bag played step by step.

    It differs because its ticks fall elsewhere between the messages: a chunk then answers an observation one frame earlier or later, and a
    command is missed or counts for two ticks, which makes another window, or, if the movement gets longer than a chunk, none.

    Attributes:
        chunks: live, and step by step.
        same_observation: live chunks that answer an observation that is also answered step by step.
        stamps: greatest time from a live chunk's observation to the nearest one step by step, s.
        first: greatest difference of position between the first chunks, before anything was learnt, rad; None if their observations differ.
        positions: the same between all chunks of the same observation, rad.
        windows: live, and step by step.
        same_window: live windows whose first observation also begins one step by step.
        losses: greatest difference of the prediction loss between those.
    """

    chunks: tuple[int, int]
    same_observation: int
    stamps: float
    first: float | None
    positions: float
    windows: tuple[int, int]
    same_window: int
    losses: float


def differences(live: Answers, stepped: Answers) -> Differences:
    known = {nanoseconds(chunk.header.stamp): chunk for chunk in stepped.chunks}
    windows = {window.stamp: window for window in stepped.windows}
    apart = {
        chunk.sequence: float(np.abs(np.subtract(chunk.positions, known[stamp].positions)).max())
        for chunk in live.chunks
        if (stamp := nanoseconds(chunk.header.stamp)) in known
    }
    losses = [abs((window.loss or 0.0) - (windows[window.stamp].loss or 0.0)) for window in live.windows if window.stamp in windows]
    return Differences(
        chunks=(len(live.chunks), len(stepped.chunks)),
        same_observation=len(apart),
        stamps=max(min(abs(nanoseconds(chunk.header.stamp) - stamp) for stamp in known) for chunk in live.chunks) / 1e9,
        first=apart.get(live.chunks[0].sequence),
        positions=max(apart.values(), default=0.0),
        windows=(len(live.windows), len(stepped.windows)),
        same_window=len(losses),
        losses=max(losses, default=0.0),
    )


def test_played_at_real_time_the_node_answers_the_same_movements_from_observations_that_the_bag_holds(
    graph: Graph, bag: Path, stepped: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    graph.start(SafeguardNode, {"use_sim_time": True}, parameter_file=CONFIG / "safeguard_node.yaml")
    graph.bring_up("safeguard")
    live = played(graph, {"bag": str(bag), "rate": 1.0, "commands_topic": COMMANDS})
    found = differences(live, stepped)
    with capsys.disabled():
        sys.stdout.write(f"\nat real time against step by step: {found}\n")
    with BagReader(bag) as reader:
        frames = {nanoseconds(deserialize_message(each.cdr, Image).header.stamp) for each in reader.messages([IMAGE])}
    stamps = [nanoseconds(chunk.header.stamp) for chunk in live.chunks]
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= frames
    assert {window.stamp for window in live.windows} <= set(stamps)
    versions = {window.version: window.checksum for window in live.windows if window.committed}
    assert all(chunk.weights_checksum == versions[chunk.weights_version] for chunk in live.chunks if chunk.weights_version)
    # One chunk for each instruction, soon after it; a busy machine may break a stream off and delay one.
    assert found.chunks[0] >= found.chunks[1] - 1
    assert found.stamps <= 1.0
    assert found.first in (0.0, None)


def test_the_replay_command_steps_to_the_weights_of_the_evaluation(ros_domain: int, bag: Path, offline: Offline, tmp_path: Path) -> None:
    result = run_replay(bag, ReplaySetup(stepped=True), out=tmp_path, console=Console(quiet=True))
    assert result.clean
    assert (result.checksum, result.version) == (offline.end.weights, offline.windows[-1].version)


def test_a_message_that_nobody_takes_is_named(graph: Graph, bag: Path) -> None:
    player = graph.start(ReplayNode, {"bag": str(bag), "stepped": True, "parameters": str(PARAMETERS), "timeout": 0.2})
    graph.wait_until(lambda: player.node is None, "the player gives up")
    with pytest.raises(RecordingError, match=r"the message on /joint_states with stamp 1000000000 ns was not taken within 0\.2 s; is the"):
        graph.stop(player)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"stepped": True}, "parameter 'parameters' of the replay node is empty; name the parameter file"),
        ({"stepped": True, "parameters": str(PARAMETERS), "clock": "mine"}, "parameter 'clock' is 'mine'; give received or stamped"),
        ({"commands_topic": "told"}, "no trajectory_msgs/msg/JointTrajectory on 'told'; it has /camera/overhead/image_raw"),
    ],
)
def test_a_player_that_cannot_work_says_why_at_start(graph: Graph, bag: Path, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        graph.start(ReplayNode, {"bag": str(bag), **parameters})
