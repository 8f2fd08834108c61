"""What adaptation costs: ratios of latencies taken in interleaved rounds of one run, so that a busy machine cancels out.

The session is the one that the policy node runs, fed with camera frames of the simulation; the adaptation runs in its thread.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.control.images import RawImage, opencv_rgb, policy_image
from ttt_ros.control.limits import JointLimit, JointLimitsConfig
from ttt_ros.control.orders import Order
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.shipped import REACTIVE_POLICY
from ttt_ros.policies.specification import CameraSpecification
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import CAMERA_SIZES, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.tasks import TASKS

ROUNDS = 10
TICKS_PER_ROUND = 200
"""Ten rounds of 200 ticks with adaptation off and as many with it on: 2,000 ticks each."""

PACE = 1 / 60
"""Seconds of wall time between two ticks: twice the control rate, so that adaptation takes twice its usual share."""

YOUNG, OLD = 100, 20_000
"""Steps between which latency must not grow."""

FRAMES = 120
IMAGE = CameraSpecification(name="benchmark", height=480, width=640)
COPIES = 400

TARGETS = {"p99 tick, on over off": 1.2, "p99 inference, on over off": 1.2, "p50 inference, step 20,000 over step 100": 1.05}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds of ``count`` samples."""

    p50: float
    p99: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A quotient of two figures of one run, and the most that it should be, if a target was set."""

    name: str
    value: float
    target: float | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """All figures; ratios are what counts, since the machine decides on the rest.

    Attributes:
        latencies: control tick and inference with adaptation off and on, one adaptation step, image to tensor and plain copy.
        ratios: of those.
        memory_growth: resident memory at step 20,000 over that at step 2,000.
        windows: adaptation windows in the rounds with adaptation on.
        threads: of torch in the process.
    """

    latencies: dict[str, Latency]
    ratios: tuple[Ratio, ...]
    memory_growth: float
    windows: int
    threads: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    images: dict[str, Tensor]
    joints: NDArray[np.float64]


class _Robot:
    """A session on recorded frames, ticked on a virtual clock."""

    def __init__(self, policy: Policy, frames: Sequence[_Frame], *, threaded: bool) -> None:
        self.inferences: list[float] = []
        self.steps: list[float] = []
        self.ticks = 0
        self._frames = cycle(frames)
        anything = JointLimit(lower=-7.0, upper=7.0, max_velocity=1e3, max_step=10.0)
        self.session = Session(
            policy,
            SessionConfig(
                limits=JointLimitsConfig(joint_limits=dict.fromkeys(JOINT_NAMES, anything)),
                adaptation=AdaptationConfig(),
                max_inference_time=60.0,
            ),
            on_chunk=lambda chunk: self.inferences.append(chunk.inference_time),
            on_report=lambda report: self.steps.append(report.duration),
            threaded=threaded,
        )
        self.session.assembler.set_instruction(TASKS[0].instruction)

    def tick(self) -> float:
        """Feeds one frame and ticks once; returns the seconds that the tick itself took."""
        self.ticks += 1
        now = round((self.ticks + 1) * CONTROL_PERIOD * NANOSECONDS)
        frame = next(self._frames)
        for name, image in frame.images.items():
            self.session.assembler.add_image(name, now, image)
        self.session.assembler.add_joints(now, JOINT_NAMES, frame.joints.tolist())
        self.session.loop.orders.receive(_PERMIT, now)
        started = time.perf_counter()
        self.session.loop.tick(now)
        return time.perf_counter() - started


_PERMIT = Order(mode=Mode.ADAPTING, permit=True, validity=1.0, trusted_version=0, reasons=())


def run_benchmark(out: Path, console: Console) -> Benchmark:
    """Takes all figures, writes ``bench.json`` into ``out`` and prints a table."""
    torch.set_num_threads(1)
    policy = load_policy(REACTIVE_POLICY)
    with Progress(console=console) as progress:
        frames = list(progress.track(_recorded_frames(), total=FRAMES, description="recording frames"))
        off, on, steps = _interleaved(policy, frames, progress)
        aged = _aged(policy, frames, progress)
        images = _image_costs(progress)
    latencies = {
        "tick, adaptation off": _latency(off.ticks),
        "tick, adaptation on": _latency(on.ticks),
        "inference, adaptation off": _latency(off.inferences),
        "inference, adaptation on": _latency(on.inferences),
        "adaptation step": _latency(steps),
        "inference at step 100": _latency(aged.young),
        "inference at step 20,000": _latency(aged.old),
        "image to tensor, 640x480 rgb8": _latency(images.converted),
        "plain copy of the same bytes": _latency(images.copied),
    }
    result = Benchmark(
        latencies=latencies,
        ratios=_ratios(latencies),
        memory_growth=aged.memory_growth,
        windows=len(steps),
        threads=torch.get_num_threads(),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(asdict(result), indent=2) + "\n")
    _print(result, console)
    return result


def _recorded_frames() -> Iterator[_Frame]:
    """Frames of the expert at work, so that the policy sees motion."""
    simulation = Simulation(seed=0)
    expert = Expert(simulation)
    simulation.start(TASKS[0])
    for _ in range(FRAMES):
        simulation.command(expert.action(TASKS[0]))
        simulation.advance(CONTROL_PERIOD)
        images = {camera: torch.from_numpy(simulation.render(camera)) for camera in CAMERA_SIZES}
        yield _Frame(images=images, joints=simulation.joint_positions())
    simulation.close()


@dataclass(kw_only=True)
class _Rounds:
    ticks: list[float]
    inferences: list[float]


def _interleaved(policy: Policy, frames: Sequence[_Frame], progress: Progress) -> tuple[_Rounds, _Rounds, list[float]]:
    """Rounds with adaptation off and on in turn, at a fixed pace of wall time."""
    robot = _Robot(policy, frames, threaded=True)
    off, on = _Rounds(ticks=[], inferences=[]), _Rounds(ticks=[], inferences=[])
    _paced(robot, TICKS_PER_ROUND)  # warm-up, not counted
    robot.steps.clear()
    for _ in progress.track(range(ROUNDS), description="adaptation off and on"):
        for enabled, rounds in ((False, off), (True, on)):
            robot.session.enabled = enabled
            robot.inferences.clear()
            rounds.ticks += _paced(robot, TICKS_PER_ROUND)
            rounds.inferences += robot.inferences
    robot.session.close()
    return off, on, robot.steps


def _paced(robot: _Robot, ticks: int) -> list[float]:
    latencies = []
    due = time.perf_counter()
    for _ in range(ticks):
        due += PACE
        latencies.append(robot.tick())
        time.sleep(max(0.0, due - time.perf_counter()))
    return latencies


@dataclass(frozen=True, kw_only=True)
class _Aged:
    young: list[float]
    old: list[float]
    memory_growth: float


def _aged(policy: Policy, frames: Sequence[_Frame], progress: Progress) -> _Aged:
    """Inference of a session of 20,000 steps beside a fresh one, in turn; and the growth of memory on the way."""
    old = _Robot(policy, frames, threaded=False)
    memory = 0
    for step in progress.track(range(OLD), description=f"{OLD:,} steps"):
        old.tick()
        if step == OLD // 10:
            memory = _resident_bytes()
    growth = _resident_bytes() / memory
    young = _Robot(policy, frames, threaded=False)
    for _ in range(YOUNG):
        young.tick()
    young.inferences.clear()
    old.inferences.clear()
    for _ in progress.track(range(ROUNDS), description=f"step {YOUNG} beside step {OLD:,}"):
        for robot in (young, old):
            for _ in range(TICKS_PER_ROUND):
                robot.tick()
    young.session.close()
    old.session.close()
    return _Aged(young=young.inferences, old=old.inferences, memory_growth=growth)


@dataclass(frozen=True, kw_only=True)
class _ImageCosts:
    converted: list[float]
    copied: list[float]


def _image_costs(progress: Progress) -> _ImageCosts:
    """One camera message to tensor beside a plain copy of its bytes, in turn."""
    data = np.random.default_rng(0).integers(0, 256, IMAGE.height * IMAGE.width * 3, dtype=np.uint8)
    message = RawImage(encoding="rgb8", height=IMAGE.height, width=IMAGE.width, step=IMAGE.width * 3, data=data.data)
    costs = _ImageCosts(converted=[], copied=[])
    for _ in progress.track(range(COPIES), description="image to tensor"):
        costs.converted.append(_timed(lambda: policy_image(opencv_rgb(message), IMAGE)))
        costs.copied.append(_timed(data.copy))
    return costs


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p99 = np.percentile(seconds, (50, 99)) * 1e3
    return Latency(p50=float(p50), p99=float(p99), count=len(seconds))


def _ratios(latencies: dict[str, Latency]) -> tuple[Ratio, ...]:
    def p50(name: str) -> float:
        return latencies[name].p50

    def p99(name: str) -> float:
        return latencies[name].p99

    image, copy = "image to tensor, 640x480 rgb8", "plain copy of the same bytes"
    values = {
        "p50 tick, on over off": p50("tick, adaptation on") / p50("tick, adaptation off"),
        "p99 tick, on over off": p99("tick, adaptation on") / p99("tick, adaptation off"),
        "p50 inference, on over off": p50("inference, adaptation on") / p50("inference, adaptation off"),
        "p99 inference, on over off": p99("inference, adaptation on") / p99("inference, adaptation off"),
        "p50 inference, step 20,000 over step 100": p50("inference at step 20,000") / p50("inference at step 100"),
        "p50 adaptation step over inference": p50("adaptation step") / p50("inference, adaptation off"),
        "p50 image to tensor over plain copy": p50(image) / p50(copy),
    }
    return tuple(Ratio(name=name, value=value, target=TARGETS.get(name)) for name, value in values.items())


def _print(result: Benchmark, console: Console) -> None:
    figures = Table("latency", "p50 [ms]", "p99 [ms]", "samples", title="Latencies (of this machine, today)")
    for name, latency in result.latencies.items():
        figures.add_row(name, f"{latency.p50:.3f}", f"{latency.p99:.3f}", str(latency.count))
    ratios = Table("ratio", "value", "target", title="Ratios")
    for ratio in result.ratios:
        ratios.add_row(ratio.name, f"{ratio.value:.3f}", "" if ratio.target is None else f"at most {ratio.target:g}")
    ratios.add_row("memory, step 20,000 over step 2,000", f"{result.memory_growth:.4f}", "no growth")
    console.print(figures, ratios)
