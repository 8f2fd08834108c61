"""Invented run records for the tests of the evaluation; no figure in here was ever measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imsave

from ttt_ros.evaluation.demo_report import DemoReport, Environment, Limits, judged
from ttt_ros.evaluation.run_record import Arm, Chunk, Control, Goal, ModeChange, Node, Picture, RunRecord, Shift, Window

DURATION = 60.0
SHIFT = 30.0
PERIOD = 1 / 30
GOAL_SECONDS = 3.0
CHUNK_SECONDS = 0.4


def synthetic_report(pictures: Path) -> DemoReport:
    """A plausible demonstration that passes; its camera pictures are written into ``pictures``."""
    return judged(
        arms=[synthetic_run("frozen", pictures), synthetic_run("adapting", pictures)],
        limits=Limits(distance=0.015, gradient_clip=1.0, gradient_norm=20.0, drift=0.1),
        environment=Environment(python="3.11.7", torch="2.13.0", ros_distribution="kilted", cores=2),
    )


def synthetic_run(arm: Arm, pictures: Path) -> RunRecord:
    """One plausible run in which every check passes; invented from a fixed seed."""
    random = np.random.default_rng(0 if arm == "frozen" else 1)
    ticks = int(DURATION / PERIOD)
    chunks = _chunks(arm, random)
    windows = _windows(random) if arm == "adapting" else ()
    return RunRecord(
        arm=arm,
        seed=7,
        duration=DURATION,
        shift=Shift(name="camera pose", description="the scene camera moved 4 cm to the left and turned by 3 degrees", start=SHIFT),
        goals=_goals(arm, random),
        control=Control(
            period=PERIOD,
            ticks_due=ticks,
            ticks_met=ticks - 3,
            deadline_misses=3,
            lateness=tuple(float(late) for late in random.gamma(1.5, 0.0004, ticks)),
        ),
        chunks=chunks,
        underruns=2,
        instructions=len(chunks),
        updates_due=len(windows),
        windows_attempted=len(windows),
        windows=windows,
        modes=_modes(arm),
        nodes=tuple(
            Node(name=name, came_up=True, exit_code=0, shut_down_cleanly=True) for name in ("simulation", "policy", "safeguard", "recorder")
        ),
        pictures=tuple(
            _picture(pictures, camera, arm, moment) for camera in ("scene", "wrist") for moment in ("before the shift", "after the shift")
        ),
    )


def _goals(arm: Arm, random: np.random.Generator) -> tuple[Goal, ...]:
    goals = []
    for index in range(int(DURATION / GOAL_SECONDS)):
        start = index * GOAL_SECONDS
        chance = 0.9 if start < SHIFT else 0.3 if arm == "frozen" else 0.7
        colour = ("red", "blue")[index % 2]
        succeeded = bool(random.random() < chance)
        goals.append(
            Goal(
                index=index,
                instruction=f"point at the {colour} cube",
                start=start,
                end=start + GOAL_SECONDS * float(random.uniform(0.5, 0.9) if succeeded else 1),
                succeeded=succeeded,
                distance=float(random.uniform(0, 0.015) if succeeded else random.uniform(0.015, 0.05)),
            )
        )
    return tuple(goals)


def _chunks(arm: Arm, random: np.random.Generator) -> tuple[Chunk, ...]:
    times = np.arange(CHUNK_SECONDS, DURATION, CHUNK_SECONDS)
    return tuple(
        Chunk(
            time=float(time),
            sequence=sequence,
            version=sequence if arm == "adapting" else 0,
            inference_time=float(random.gamma(40, 0.0002)),
            latency_steps=1,
        )
        for sequence, time in enumerate(times)
    )


def _windows(random: np.random.Generator) -> tuple[Window, ...]:
    windows = []
    total = 0.0
    for sequence, time in enumerate(np.arange(2 * CHUNK_SECONDS, DURATION, CHUNK_SECONDS)):
        after = float(max(time - SHIFT, 0))
        level = 0.02 + (0.12 * np.exp(-after / 6) if time > SHIFT else 0)
        loss = float(level * random.gamma(20, 0.05))
        committed = sequence % 17 != 5
        total = float(0.03 * (1 - np.exp(-time / 10)) + 0.05 * (1 - np.exp(-after / 8)))
        windows.append(
            Window(
                time=float(time),
                sequence=sequence,
                prediction_loss=loss,
                loss_after=0.9 * loss if committed else None,
                gradient_norm=30 * loss * (1 if committed else 12),
                update_norm=0.01 if committed else None,
                drift_total=total,
                drift={"blocks.4.fast": 0.8 * total, "blocks.5.fast": 1.15 * total},
                trimmed=int(sequence % 5 == 0),
                committed=committed,
                reason="" if committed else "gradient norm 24.1 above the limit 20.0",
                version=sequence,
                action_deviation=0.004,
                duration=0.006,
            )
        )
    return tuple(windows)


def _modes(arm: Arm) -> tuple[ModeChange, ...]:
    start = ModeChange(time=0.0, mode="base", reasons=("the cameras have not been healthy for 1 s yet",))
    if arm == "frozen":
        return (start, ModeChange(time=1.2, mode="frozen", reasons=("adaptation is disabled",)))
    return (
        start,
        ModeChange(time=1.2, mode="adapting", reasons=()),
        ModeChange(time=31.0, mode="frozen", reasons=("gradient norm 24.1 above the limit 20.0",)),
        ModeChange(time=33.5, mode="adapting", reasons=()),
    )


def _picture(directory: Path, camera: str, arm: Arm, moment: str) -> Picture:
    rows, columns = np.mgrid[0:96, 0:128]
    image = np.stack([rows / 96, columns / 128, np.full(rows.shape, 0.4 if moment.startswith("before") else 0.7)], axis=-1)
    image[60:72, 40:52] = (0.8, 0.1, 0.1)
    path = directory / f"{arm}_{camera}_{moment.split()[0]}.png"
    imsave(path, image)
    return Picture(camera=f"{camera} camera", moment=moment, path=str(path))


def with_nodes(run: RunRecord, **changes: Any) -> RunRecord:
    """The same run, its first node changed."""
    return replace(run, nodes=(replace(run.nodes[0], **changes), *run.nodes[1:]))
