"""Playing a bag to the policy and safeguard nodes, each in a process of its own, and counting what they answer."""

from dataclasses import dataclass
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import Progress

from ttt_ros.bags.reader import BagReader
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.msg import ActionChunk, AdaptationStatus
from ttt_ros.nodes.bring_up import BRING_UP_TIMEOUT, BringUpError, bring_up
from ttt_ros.nodes.processes import NodeProcess
from ttt_ros.nodes.quality_of_service import RELIABLE
from ttt_ros.nodes.transport import Transport
from ttt_ros.safeguard.clock import NANOSECONDS

_SPIN_TIMEOUT = 0.1  # s


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """What the nodes answered.

    Attributes:
        chunks: action chunks.
        windows: windows of adaptation, committed or not.
        committed: those that became a version.
        version: of the fast weights after the last window.
        checksum: of those weights.
        clean: every process ended by itself with exit code 0.
    """

    chunks: int
    windows: int
    committed: int
    version: int
    checksum: str
    clean: bool


class _Counter(Node):
    def __init__(self) -> None:
        super().__init__("replay_counter")
        self.chunks = 0
        self.statuses: list[AdaptationStatus] = []
        self.create_subscription(ActionChunk, "policy/action_chunk", self._on_chunk, RELIABLE)
        self.create_subscription(AdaptationStatus, "policy/adaptation_status", self.statuses.append, RELIABLE)

    def _on_chunk(self, _message: ActionChunk) -> None:
        self.chunks += 1


@dataclass(frozen=True, kw_only=True)
class ReplaySetup:
    """How a bag is played.

    Attributes:
        rate: played over recorded speed; a stepped replay is as fast as the policy.
        stepped: the policy takes one message after the other, in the order of the offline evaluation and with its result; the safeguard
            is not started.
        shadow: the policy learns from the commands in the bag instead of its own; a stepped replay always does.
        parameters: parameter file of the policy node; None: the shipped one.
        safeguard_parameters: that of the safeguard node, likewise.
    """

    rate: float = 1.0
    stepped: bool = False
    shadow: bool = False
    parameters: Path | None = None
    safeguard_parameters: Path | None = None


def run_replay(bag: Path, setup: ReplaySetup, *, out: Path, console: Console) -> ReplayResult:
    """Plays the sensor topics of ``bag`` once.

    Raises:
        BringUpError: a node did not come up.
        ConfigurationError: the parameter file does not fit.
        RecordingError: the bag cannot be read.
    """
    with BagReader(bag) as reader:
        duration, start = reader.duration, reader.start
    nodes, player = _processes(bag, setup, out)
    started: list[NodeProcess] = []
    # With NO, Ctrl-C is a KeyboardInterrupt, and the context lives until everything is closed.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    counter = _Counter()
    executor.add_node(counter)
    try:
        with console.status(f"starting {', '.join(nodes)}"):
            for node in nodes.values():
                node.start()
                started.append(node)
            for name in nodes:
                bring_up(counter, executor, name, timeout=BRING_UP_TIMEOUT)
        player.start()
        started.append(player)
        with Progress(console=console) as progress:
            task = progress.add_task(f"replaying {bag}", total=duration)
            while player.exit_code is None:
                executor.spin_once(timeout_sec=_SPIN_TIMEOUT)
                if counter.statuses:
                    stamp = counter.statuses[-1].header.stamp
                    progress.update(task, completed=stamp.sec + stamp.nanosec / NANOSECONDS - start / NANOSECONDS)
            progress.update(task, completed=duration)
        if player.exit_code != 0:
            raise BringUpError(f"the player ended with exit code {player.exit_code}; see {player.log}")
    finally:
        exit_codes = [process.stop() for process in reversed(started)]
        executor.shutdown()
        counter.destroy_node()
        rclpy.try_shutdown()
    last = counter.statuses[-1] if counter.statuses else AdaptationStatus()
    return ReplayResult(
        chunks=counter.chunks,
        windows=len(counter.statuses),
        committed=sum(status.committed for status in counter.statuses),
        version=last.weights_version,
        checksum=last.weights_checksum,
        clean=not any(exit_codes),
    )


def _processes(bag: Path, setup: ReplaySetup, out: Path) -> tuple[dict[str, NodeProcess], NodeProcess]:
    """The nodes by name, in the order in which they come up, and the player."""
    share = Path(get_package_share_directory("ttt_ros"), "config")
    parameters = (setup.parameters or share / "policy_node.yaml").absolute()
    shadow = setup.shadow or setup.stepped
    policy = NodeProcess(
        executable="policy_node",
        log=out / "policy.log",
        parameter_file=parameters,
        parameters={"control.shadow": shadow, "control.stepped": setup.stepped},
        transport=Transport.LARGE_IMAGES,
    )
    playing: dict[str, object] = {"bag": bag.absolute(), "exit_at_end": True}
    if setup.stepped:
        playing |= {"stepped": True, "parameters": parameters}
    else:
        playing |= {"rate": setup.rate, "commands_topic": load_parameter_file(parameters).commands_topic if shadow else ""}
    player = NodeProcess(
        executable="replay_node", log=out / "replay.log", parameters=playing, use_sim_time=False, transport=Transport.LARGE_IMAGES
    )
    if setup.stepped:
        return {"policy": policy}, player
    safeguard = NodeProcess(
        executable="safeguard_node",
        log=out / "safeguard.log",
        parameter_file=(setup.safeguard_parameters or share / "safeguard_node.yaml").absolute(),
        transport=Transport.LARGE_IMAGES,
    )
    return {"safeguard": safeguard, "policy": policy}, player
