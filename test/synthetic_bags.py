"""Invented records and examinations of an evaluation on bags; no figure in here was ever measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.evaluation.bags.configuration import ARMS, BagArm, BagEvaluationConfig
from ttt_ros.evaluation.bags.examination import Examination, Following, StreamFigures
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.findings import findings
from ttt_ros.evaluation.bags.records import ArmRecord, ChunkRow, End, Header, ModeRow, WindowRow

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex")
PERIOD = 1 / 30
START = 1_700_000_000_000_000_000
SECONDS = 120
STEPS = 8
CONFIG = BagEvaluationConfig(
    parameters=Path("policy_node.yaml"), streams=StreamMapping(cameras={"wrist": "/wrist"}, joint_states="/joint_states", text="reach")
)
_NANOSECONDS = 1_000_000_000
_BETWEEN = 1.0  # s from one chunk to the next


@dataclass(frozen=True, kw_only=True)
class Invented:
    """How an arm differs from the frozen one.

    Attributes:
        loss: factor on the prediction loss.
        action: factor on the action error.
        noise: relative standard deviation of what no other arm shares.
        committed: share of the windows.
        update: length of a step; 0 for a rate of 0.
        drift: in the end; it grows from 0.
        drift_limit: that it does not pass.
        reason: of what was refused.
    """

    loss: float = 1.0
    action: float = 1.0
    noise: float = 0.0
    committed: float = 0.0
    update: float = 0.0
    drift: float = 0.0
    drift_limit: float = float("inf")
    reason: str = "adaptation is not permitted"


GATED = "window loss 3.2 is above the gate's limit, 1.1, 4 times in a row"
LEARNING = Invented(committed=0.95, update=0.02, drift=0.4, reason=GATED)
GOOD: Mapping[str, Invented] = {
    "frozen": Invented(),
    "adapting": replace(LEARNING, loss=0.8, action=0.95, noise=0.02),
    "frozen_again": Invented(noise=0.002),
    "reset": replace(LEARNING, loss=0.85, action=0.97, noise=0.02),
    "shuffled": replace(LEARNING, loss=1.1, action=1.05, noise=0.02),
    "flipped": replace(LEARNING, loss=1.3, action=1.2, noise=0.02),
}


def records(
    arms: Mapping[str, Invented] = GOOD, *, bags: Sequence[str] = ("monday", "tuesday"), seconds: int = SECONDS, commanded: bool = True
) -> dict[str, list[ArmRecord]]:
    """What the arms did; what is not invented for an arm is the same for all."""
    shipped = {arm.name: arm for arm in ARMS}
    return {
        bag: [record(shipped[name], arms[name], bag=bag, seconds=seconds, commanded=commanded) for name in shipped if name in arms]
        for bag in bags
    }


def record(arm: BagArm, invented: Invented, *, bag: str, seconds: int = SECONDS, commanded: bool = True) -> ArmRecord:
    """One arm on one bag."""
    count = int(seconds / _BETWEEN)
    shared = np.random.default_rng([1, *bag.encode()])
    own = np.random.default_rng([2, *bag.encode(), *arm.name.encode()])
    # Neighbouring chunks are alike: what is hard now is hard a second later.
    hardness = np.exp(np.convolve(shared.normal(scale=0.8, size=count + 4), np.ones(5) / 5, mode="valid"))
    joints = 0.02 * shared.uniform(0.5, 1.5, size=(count, len(JOINTS)))
    factors = 1 + invented.noise * own.normal(size=(2, count))
    refused = own.uniform(size=count) >= invented.committed
    end = START + seconds * _NANOSECONDS
    chunks, windows = [], []
    for index in range(count):
        stamp = START + int(index * _BETWEEN * _NANOSECONDS)
        error = invented.action * factors[0, index] * hardness[index] * joints[index]
        drift = min(invented.drift_limit, invented.drift * index / count)
        committed = not refused[index]
        chunks.append(_chunk(stamp, error if commanded else None, held=3 * hardness[index] * joints[index], noise=own.uniform(0.8, 1.2)))
        windows.append(
            WindowRow(
                stamp=stamp + _NANOSECONDS // 2,
                sequence=index + 1,
                loss=float(0.3 * invented.loss * factors[1, index] * hardness[index]),
                loss_after=float(0.25 * invented.loss * hardness[index]),
                gradient_norm=float(0.5 * hardness[index]),
                update_norm=invented.update if committed else 0.0,
                drift=drift,
                action_deviation=0.1 * drift,
                samples=8,
                trimmed=index % 3 == 0,
                committed=committed,
                reason="" if committed else invented.reason,
                version=index,
                checksum="c" * 64,
                seconds=0.012,
            )
        )
    return ArmRecord(
        header=Header(bag=bag, inputs="a" * 64, policy="b" * 64, arm=arm, configuration="d" * 64),
        chunks=tuple(chunks),
        windows=tuple(windows),
        modes=(
            ModeRow(stamp=START, mode="hold", reason="camera 'wrist': no frame has come"),
            ModeRow(stamp=START + _NANOSECONDS, mode="adapting" if arm.adapts else "frozen", reason=""),
        ),
        end=End(
            start=START,
            end=end,
            messages=seconds * 100,
            ticks=seconds * 30,
            held=30,
            refused={},
            rejected={},
            outputs=arm.name[0] * 64,
            weights="e" * 64,
            seconds=seconds / 20,
        ),
    )


def _chunk(stamp: int, error: np.ndarray | None, *, held: np.ndarray, noise: float) -> ChunkRow:
    known = error is not None
    return ChunkRow(
        stamp=stamp,
        version=0,
        error=tuple(error.tolist()) if known else None,
        squared=tuple((1.5 * error**2).tolist()) if known else None,
        by_step=tuple((error.mean() * np.linspace(0.5, 1.5, STEPS)).tolist()) if known else None,
        held=tuple(held.tolist()) if known else None,
        seam=0.01 * noise,
        roughness=0.2 * noise,
        seconds=0.004 * noise,
    )


def stream(role: str, topic: str, rate: float) -> StreamFigures:
    """A stream without fault."""
    return StreamFigures(
        topic=topic,
        role=role,
        message_type="sensor_msgs/msg/JointState" if role != "camera wrist" else "sensor_msgs/msg/Image",
        messages=int(SECONDS * rate),
        rate=rate,
        longest_gap=1.5 / rate,
        repeated=0,
        backwards=0,
        lag=0.012 if role != "camera wrist" else 0.035,
        frozen=0.0,
        unreadable=0,
        problem="",
    )


def examination(bag: str = "monday") -> Examination:
    """A bag without fault."""
    return Examination(
        bag=bag,
        inputs="a" * 64,
        start=START,
        duration=float(SECONDS),
        streams=(
            stream("camera wrist", "/wrist", 30.0),
            stream("joint_states", "/joint_states", 100.0),
            stream("commands", "/commands", 30.0),
        ),
        joints=tuple(Following(joint=joint, gain=0.99, delay=0.1, explained=0.97, follows=joint) for joint in JOINTS),
        damage="",
    )


def examinations(bags: Sequence[str] = ("monday", "tuesday")) -> list[Examination]:
    """Bags without fault."""
    return [examination(bag) for bag in bags]


def with_stream(role: str, **changes: object) -> list[Examination]:
    """Two bags, in the second of which one stream differs."""
    first, second = examinations()
    streams = tuple(replace(each, **changes) if each.role == role else each for each in second.streams)
    return [first, replace(second, streams=streams)]


def with_joints(**changes: Mapping[str, object]) -> list[Examination]:
    """Two bags, in the second of which some joints differ: changes by joint."""
    first, second = examinations()
    return [first, replace(second, joints=tuple(replace(each, **changes.get(each.joint, {})) for each in second.joints))]


def found(arms: Mapping[str, Invented] = GOOD, **options: object) -> Findings:
    """The findings on invented records."""
    invented = records(arms, **options)
    return findings(examinations(tuple(invented)), invented, config=CONFIG, joints=JOINTS, period=PERIOD)
