"""Work for tests of the workers; in a module of its own, so that a fresh process can import it."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import synthetic_deployments as synthetic

from ttt_ros.errors import SimulationError
from ttt_ros.evaluation.deployments.jobs import Job
from ttt_ros.evaluation.deployments.records import DeploymentRecord
from ttt_ros.evaluation.workers import Failure

DYING_SEED = 1000
FAILING_SEED = 2000


def jobs(*seeds: int, folder: Path) -> list[Job]:
    """One job per seed; the checkpoint's path tells the work where it may leave a mark."""
    arm = synthetic.arms(("static",))[0]
    records = [synthetic.record(arm, condition="training/all", seed=seed, goals=2) for seed in seeds]
    return [Job(header=record.header, arm=replace(arm, checkpoint=folder)) for record in records]


def work(job: Job) -> DeploymentRecord | Failure:
    """Invents a record, except for seeds whose process dies (once each, for odd ones) or that fail."""
    seed = job.header.seed
    if seed >= FAILING_SEED:
        return Failure(reason=str(SimulationError("it cannot be")))
    if seed >= DYING_SEED:
        mark = job.arm.checkpoint / f"{seed}"
        if seed % 2 == 0 or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return synthetic.record(job.arm, condition=job.header.condition, seed=seed, goals=job.header.goals)
