"""Recordings of clean runs, as jobs for whatever process they land in."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.bags.reader import BagReader
from ttt_ros.configuration import load_yaml
from ttt_ros.control.figures import chunk_figures, window_figures
from ttt_ros.control.images import Pixels
from ttt_ros.control.schedule import Chunk
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.configuration import ADAPTING
from ttt_ros.evaluation.bags.jobs import Setting, loaded, name_of
from ttt_ros.evaluation.bags.player import play
from ttt_ros.evaluation.calibration.limitless import without_limits
from ttt_ros.evaluation.calibration.records import Header, LevelMeter, RunRecord
from ttt_ros.evaluation.closed_loop.listened import ListenedSafeguard, OnReading
from ttt_ros.evaluation.workers import Failure, guarded
from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.pictures import content_digest, saturated_share

_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """One bag, played to the adapting policy; ``camera_rates`` are nominal, Hz by camera.

    Attributes:
        decisive: checksum of what decides in a run beside the setting, such as the timing of the rules.
    """

    bag: Path
    setting: Setting
    rules: Path
    decisive: str
    camera_rates: Mapping[str, float] = field(hash=False)

    @property
    def header(self) -> Header:
        """Of the record that comes of it; a bag is the same one if its files are as large as they were."""
        files = sorted(self.bag.rglob("*")) if self.bag.is_dir() else [self.bag]
        sizes = [[each.name, each.stat().st_size] for each in files if each.is_file()]
        parts = [self.setting.digest, self.decisive, sorted(self.camera_rates.items()), sizes]
        return Header(
            source="bag",
            name=f"bag {name_of(self.bag)}",
            policy=self.setting.policy.checksum,
            configuration=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        )


class SafeguardListener:
    """A safeguard that listens to a bag as its node listens to a robot, with a heartbeat on the bag's clock."""

    def __init__(self, rules: SafeguardConfig, *, camera_rates: Mapping[str, float], on_reading: OnReading) -> None:
        """Begins with what is heard first."""
        self._rules = rules
        self._camera_rates = camera_rates
        self._on_reading = on_reading
        self._period = round(rules.heartbeat_period * NANOSECONDS)
        self._safeguard: ListenedSafeguard | None = None
        self._next = 0
        self._frames: dict[str, Pixels] = {}

    def heard_image(self, camera: str, image: Pixels, *, stamp: int, now: int) -> None:
        """Looked at at the next heartbeat, if no newer one has come by then."""
        self._at(now).heard_camera(camera, stamp=stamp, now=now)
        self._frames[camera] = image

    def heard_joints(self, positions: Mapping[str, float], *, stamp: int, now: int) -> None:
        """Handed on."""
        self._at(now).heard_joints(positions, stamp=stamp, now=now)

    def heard_command(self, positions: Mapping[str, float], *, now: int) -> None:
        """Handed on."""
        self._at(now).sensors.commanded(positions, now=now)

    def heard_chunk(self, chunk: Chunk, *, now: int) -> None:
        """Handed on."""
        self._at(now).heard_chunk(chunk_figures(chunk), now)

    def heard_report(self, report: WindowReport, *, now: int) -> None:
        """Handed on."""
        self._at(now).heard_window(window_figures(report), now)

    def ticked(self, now: int) -> None:
        """Judges if a heartbeat is due; after a gap, or if the clock was set back, heartbeats begin anew."""
        safeguard = self._at(now)
        if abs(now - self._next) > CLOCK_JUMP:
            self._next = now
        if now < self._next:
            return
        self._next += self._period
        for camera, image in self._frames.items():
            safeguard.sensors.saw(camera, digest=content_digest(image.tobytes()), saturation=saturated_share(image))
        self._frames.clear()
        safeguard.tick(now)

    def _at(self, now: int) -> ListenedSafeguard:
        if self._safeguard is None:
            self._next = now
            self._safeguard = ListenedSafeguard(
                self._rules,
                cameras=tuple(self._camera_rates),
                now=now,
                camera_rates=self._camera_rates,
                joint_state_rate=0.0,
                on_reading=self._on_reading,
            )
        return self._safeguard


def run_recorded(job: RecordedRun) -> RunRecord | Failure:
    """Plays one."""
    return guarded(_run, job)


def _run(job: RecordedRun) -> RunRecord:
    rules = load_yaml(job.rules, SafeguardConfig)
    meter = LevelMeter(rules)
    listener = SafeguardListener(without_limits(rules), camera_rates=job.camera_rates, on_reading=meter.take)
    with BagReader(job.bag, salvage=True) as reader:
        end = play(
            reader,
            loaded(job.setting.policy),
            ADAPTING,
            session=job.setting.session,
            config=job.setting.config,
            on_row=lambda _row: None,
            listener=listener,
        )
    if end.end <= end.start:
        raise RecordingError(f"{job.bag} holds no time: nothing can be learned from it")
    hours = (end.end - end.start) / NANOSECONDS / _SECONDS
    return RunRecord(header=job.header, hours=hours, goals=0, met=0, levels=meter.levels)
