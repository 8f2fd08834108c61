"""Clean runs of the simulated arm, as jobs for whatever process they land in."""

import hashlib
import json
from contextlib import closing
from dataclasses import asdict, dataclass

from ttt_ros.configuration import load_yaml
from ttt_ros.evaluation.bags.jobs import PolicyReference, loaded
from ttt_ros.evaluation.calibration.limitless import without_limits
from ttt_ros.evaluation.calibration.records import Header, LevelMeter, RunRecord
from ttt_ros.evaluation.closed_loop.configuration import ClosedLoopConfig
from ttt_ros.evaluation.closed_loop.loop import ClosedLoop
from ttt_ros.evaluation.closed_loop.run import lead
from ttt_ros.evaluation.workers import Failure, guarded
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig

_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class SimulatedRun:
    """One closed loop with ``policy``; ``parameters`` is the digest of the parameters in the file that the loop names."""

    loop: ClosedLoopConfig
    policy: PolicyReference
    parameters: str

    @property
    def header(self) -> Header:
        """Of the record that comes of it."""
        robot = asdict(self.loop.robot)
        parts = [robot, self.loop.seed, self.loop.goals, self.parameters]
        kind = "hidden properties" if self.loop.robot.properties else "nominal"
        return Header(
            source="simulation",
            name=f"simulation {self.loop.seed}, {kind}",
            policy=self.policy.checksum,
            configuration=hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest(),
        )


def run_simulated(job: SimulatedRun) -> RunRecord | Failure:
    """Runs one."""
    return guarded(_run, job)


def _run(job: SimulatedRun) -> RunRecord:
    rules = load_yaml(job.loop.rules, SafeguardConfig)
    meter = LevelMeter(rules)
    with closing(ClosedLoop(job.loop, policy=loaded(job.policy), rules=without_limits(rules), on_reading=meter.take)) as loop:
        outcomes = lead(loop, job.loop)
        hours = loop.now / NANOSECONDS / _SECONDS
    return RunRecord(
        header=job.header, hours=hours, goals=len(outcomes), met=sum(outcome.succeeded for outcome in outcomes), levels=meter.levels
    )
