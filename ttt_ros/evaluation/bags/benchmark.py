"""What evaluating on a bag costs: its speed, its overhead over decoding and inference alone, and its memory on a small and a large bag."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.bags.content import deserialized, image_rgb, types
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.control.images import policy_image
from ttt_ros.control.limits import JointLimit, JointLimitsConfig
from ttt_ros.control.session import SessionConfig
from ttt_ros.evaluation.bags.configuration import FROZEN, BagEvaluationConfig
from ttt_ros.evaluation.bags.examine import examine
from ttt_ros.evaluation.bags.player import Row, play
from ttt_ros.evaluation.bags.records import ChunkRow
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.shipped import REACTIVE_POLICY
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import CAMERA_SIZES, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.tasks import TASKS
from ttt_ros.training.progress import progress_bar

ROUNDS = 7
SPEED_SECONDS = 8.0
KINDS = ("raw", "jpeg")
SMALL_BAG, LARGE_BAG = 100_000_000, 2_000_000_000
"""Bytes of images in the bags that memory is measured on."""

SIDE = 552
"""Pixels of the square images: as many as 640 x 480 have."""

FRAMES = 60
JOINTS_PER_FRAME = 3

OVERHEAD_TARGET, MEMORY_TARGET = 1.15, 1.10

_JOINTS, _COMMANDS = "/joint_states", "/commands"
_QOS = OfferedQos(reliable=True, latched=False, depth=10)


@dataclass(frozen=True, kw_only=True)
class BagBenchmark:
    """All figures.

    Attributes:
        speed: seconds of the bag per second of the frozen arm's run, by kind of images.
        overhead: time of the frozen arm over that of reading, decoding and resizing the same frames and the same inferences, by kind of
            images; median of the rounds, in each of which one follows the other. It may be below 1, since the arm resizes only the frames
            that an inference sees.
        overhead_of_seen: the same over a limit that resizes no other frames either, and so does nothing that the arm does not do: the cost
            of joint states, commands, control ticks and scores.
        memory: peak of the resident memory on the large bag over that on the small one, each examined and played in a process of its own.
        small_bytes: of image data in the small bag.
        large_bytes: in the large one.
    """

    speed: dict[str, float]
    overhead: dict[str, float]
    overhead_of_seen: dict[str, float]
    memory: float
    small_bytes: int
    large_bytes: int


class _Round(NamedTuple):
    """Seconds of the ``bag``, of the frozen arm's run, and of both limits."""

    bag: float
    played: float
    bare: float
    bare_of_seen: float


def run_bag_benchmark(out: Path, console: Console) -> BagBenchmark:
    """Takes all figures, writes ``bench_bags.json`` into ``out`` and prints a table."""
    torch.set_num_threads(1)
    policy = load_policy(REACTIVE_POLICY)
    speed, overhead, overhead_of_seen = {}, {}, {}
    with TemporaryDirectory() as scratch, progress_bar("bags", total=2 * ROUNDS + 2) as advance:
        for kind in KINDS:
            bag = write_bag(Path(scratch, kind), seconds=SPEED_SECONDS, kind=kind)
            rounds = []
            for _ in range(ROUNDS):
                rounds.append(_round(bag, policy))
                advance()
            speed[kind] = float(np.median([each.bag / each.played for each in rounds]))
            overhead[kind] = float(np.median([each.played / each.bare for each in rounds]))
            overhead_of_seen[kind] = float(np.median([each.played / each.bare_of_seen for each in rounds]))
        peaks = []
        for name, size in (("small", SMALL_BAG), ("large", LARGE_BAG)):
            seconds = size / (3 * SIDE**2 * len(CAMERA_SIZES)) * CONTROL_PERIOD
            peaks.append(_peak_memory(write_bag(Path(scratch, name), seconds=seconds, kind="raw")))
            advance()
    result = BagBenchmark(
        speed=speed,
        overhead=overhead,
        overhead_of_seen=overhead_of_seen,
        memory=peaks[1] / peaks[0],
        small_bytes=SMALL_BAG,
        large_bytes=LARGE_BAG,
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench_bags.json").write_text(json.dumps(asdict(result), indent=2) + "\n")
    _print(result, console)
    return result


def write_bag(path: Path, *, seconds: float, kind: str) -> Path:
    """A bag of the expert at work, over and over, with images of a ``kind`` of KINDS."""
    image_type, serialized = {"raw": ("sensor_msgs/msg/Image", _raw), "jpeg": ("sensor_msgs/msg/CompressedImage", _compressed)}[kind]
    frames = cycle(_frames())
    stamps = iter(range(NANOSECONDS, 2**62, round(CONTROL_PERIOD * NANOSECONDS)))
    with BagWriter(path, message_packages={}) as bag:
        for camera in CAMERA_SIZES:
            bag.add_topic(f"/{camera}", image_type, qos=_QOS)
        bag.add_topic(_JOINTS, "sensor_msgs/msg/JointState", qos=_QOS)
        bag.add_topic(_COMMANDS, "std_msgs/msg/Float64MultiArray", qos=_QOS)
        for _ in range(round(seconds / CONTROL_PERIOD)):
            stamp, (images, joints) = next(stamps), next(frames)
            for number in range(JOINTS_PER_FRAME):
                at = stamp - (JOINTS_PER_FRAME - 1 - number) * 10_000_000
                bag.write(_JOINTS, at, _joint_state(at, joints))
            bag.write(_COMMANDS, stamp, _numbers(joints))
            for camera, image in images.items():
                bag.write(f"/{camera}", stamp, serialized(stamp, image))
    return path


def setting() -> tuple[SessionConfig, BagEvaluationConfig]:
    """How the bags of ``write_bag`` are played."""
    anything = JointLimit(lower=-7.0, upper=7.0, max_velocity=1e3, max_step=10.0)
    session = SessionConfig(limits=JointLimitsConfig(joint_limits=dict.fromkeys(JOINT_NAMES, anything)), adaptation=AdaptationConfig())
    streams = StreamMapping(
        cameras={camera: f"/{camera}" for camera in CAMERA_SIZES}, joint_states=_JOINTS, commands=_COMMANDS, text=TASKS[0].instruction
    )
    return session, BagEvaluationConfig(parameters=Path("none"), streams=streams)


def _round(bag: Path, policy: Policy) -> _Round:
    session, config = setting()
    rows: list[Row] = []
    started = time.perf_counter()
    with BagReader(bag, salvage=True) as reader:
        end = play(reader, policy, FROZEN, session=session, config=config, on_row=rows.append)
    played = time.perf_counter() - started
    stamps = {row.stamp for row in rows if isinstance(row, ChunkRow)}
    return _Round(
        bag=(end.end - end.start) / NANOSECONDS,
        played=played,
        bare=_bare(bag, policy, stamps, resize_all=True),
        bare_of_seen=_bare(bag, policy, stamps, resize_all=False),
    )


@torch.no_grad()
def _bare(bag: Path, policy: Policy, stamps: set[int], *, resize_all: bool) -> float:
    """Seconds for decoding every frame, resizing all of them or those at ``stamps``, and inferring at ``stamps``."""
    cameras = {f"/{camera.name}": camera for camera in policy.specification.cameras}
    base = policy.base_fast_weights()
    joints = torch.zeros(len(policy.specification.joint_names))
    images = {}
    started = time.perf_counter()
    with BagReader(bag, salvage=True) as reader:
        for message in reader.messages(tuple(cameras)):
            camera = cameras[message.topic]
            rgb = image_rgb(deserialized(message))
            if resize_all or message.stamp in stamps:
                images[camera.name] = policy_image(rgb, camera)
            if message.topic == list(cameras)[-1] and message.stamp in stamps:
                observation = Observation(
                    stamp=message.stamp, images=dict(images), joint_positions=joints, instruction=TASKS[0].instruction
                )
                policy.act(policy.encode(observation), base)
    return time.perf_counter() - started


def _peak_memory(bag: Path) -> int:
    """Greatest resident memory, KiB, of a fresh process that examines and plays ``bag``."""
    done = subprocess.run([sys.executable, "-m", __name__, str(bag)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def _print(result: BagBenchmark, console: Console) -> None:
    table = Table("bags", "value", "target", title="Evaluating on bags")
    for kind in KINDS:
        table.add_row(f"speed over real time, frozen arm, {kind}", f"{result.speed[kind]:.1f}", "")
        table.add_row(f"time over decoding and inference alone, {kind}", f"{result.overhead[kind]:.3f}", f"at most {OVERHEAD_TARGET:g}")
        table.add_row(f"the same, frames resized only if seen, {kind}", f"{result.overhead_of_seen[kind]:.3f}", "")
    sizes = f"{result.large_bytes / 1e6:g} MB over {result.small_bytes / 1e6:g} MB"
    table.add_row(f"peak memory, {sizes}", f"{result.memory:.3f}", f"at most {MEMORY_TARGET:g}")
    console.print(table)


def _frames() -> Sequence[tuple[dict[str, Any], Any]]:
    simulation = Simulation(seed=0)
    expert = Expert(simulation)
    simulation.start(TASKS[0])
    frames = []
    for _ in range(FRAMES):
        simulation.command(expert.action(TASKS[0]))
        simulation.advance(CONTROL_PERIOD)
        images = {camera: cv2.resize(simulation.render(camera), (SIDE, SIDE)) for camera in CAMERA_SIZES}
        frames.append((images, simulation.joint_positions()))
    simulation.close()
    return frames


def _header(stamp: int) -> Any:
    time_type, header_type = types().types["builtin_interfaces/msg/Time"], types().types["std_msgs/msg/Header"]
    return header_type(stamp=time_type(sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS), frame_id="")


def _joint_state(stamp: int, joints: Any) -> bytes:
    nothing = np.zeros(0)
    return _serialized(
        "sensor_msgs/msg/JointState", header=_header(stamp), name=list(JOINT_NAMES), position=joints, velocity=nothing, effort=nothing
    )


def _numbers(joints: Any) -> bytes:
    layout = types().types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    return _serialized("std_msgs/msg/Float64MultiArray", layout=layout, data=joints)


def _raw(stamp: int, image: Any) -> bytes:
    height, width, _ = image.shape
    return _serialized(
        "sensor_msgs/msg/Image",
        header=_header(stamp),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=image.reshape(-1),
    )


def _compressed(stamp: int, image: Any) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return _serialized("sensor_msgs/msg/CompressedImage", header=_header(stamp), format="rgb8; jpeg compressed bgr8", data=data.reshape(-1))


def _serialized(kind: str, **fields: Any) -> bytes:
    return bytes(types().serialize_cdr(types().types[kind](**fields), kind))


def _measured_alone(bag: Path) -> int:
    torch.set_num_threads(1)
    policy = load_policy(REACTIVE_POLICY)
    session, config = setting()
    with BagReader(bag, salvage=True) as reader:
        examine(reader, policy.specification, config, bag=bag.name)
    with BagReader(bag, salvage=True) as reader:
        play(reader, policy, FROZEN, session=session, config=config, on_row=lambda row: None)
    # Not getrusage: its peak outlives exec, and would be that of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    sys.stdout.write(f"{_measured_alone(Path(sys.argv[1]))}\n")
