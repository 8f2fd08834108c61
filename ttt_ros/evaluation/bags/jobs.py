"""What is to be done for each bag, as jobs for whatever process they land in."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ttt_ros.bags.reader import BagReader
from ttt_ros.control.session import SessionConfig
from ttt_ros.errors import CheckpointError, RecordingError
from ttt_ros.evaluation.bags.configuration import BagArm, BagEvaluationConfig
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.examine import examine
from ttt_ros.evaluation.bags.player import Row, play
from ttt_ros.evaluation.bags.records import ArmRecord, ChunkRow, Header, ModeRow, WindowRow
from ttt_ros.evaluation.workers import Failure, guarded
from ttt_ros.policies.factory import create_policy
from ttt_ros.policies.protocol import Policy


@dataclass(frozen=True, kw_only=True)
class PolicyReference:
    """A policy that another process can load: see ``create_policy``; ``checksum`` is what it must turn out to have."""

    path: Path
    factory: str
    device: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all jobs of an evaluation share."""

    policy: PolicyReference
    session: SessionConfig
    config: BagEvaluationConfig

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides what an arm does, besides policy and arm."""
        config = self.config
        parts = [asdict(self.session), asdict(config.streams), config.clock.value, config.seed]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ExaminationJob:
    """Read ``bag`` once."""

    bag: Path
    setting: Setting


@dataclass(frozen=True, kw_only=True)
class ArmJob:
    """Play ``bag``, in which as many ``messages`` have been seen, with the hash ``inputs``, to ``arm``."""

    bag: Path
    arm: BagArm
    inputs: str
    messages: int
    setting: Setting

    @property
    def header(self) -> Header:
        """Of the record that comes of it."""
        setting = self.setting
        return Header(bag=name_of(self.bag), inputs=self.inputs, policy=setting.policy.checksum, arm=self.arm, configuration=setting.digest)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of an ``ArmJob``: the record, and the bytes of the journal of an arm that adapts."""

    record: ArmRecord
    journal: bytes


def name_of(bag: Path) -> str:
    """The name of a bag: the last part of its path, without the suffix of a file."""
    resolved = bag.resolve()
    return resolved.stem if resolved.is_file() else resolved.name


def run_examination(job: ExaminationJob) -> Examination | Failure:
    """Examines one bag."""
    return guarded(_examined, job)


def run_arm(job: ArmJob) -> Played | Failure:
    """Plays one bag to one arm."""
    return guarded(_played, job)


def _examined(job: ExaminationJob) -> Examination:
    policy = loaded(job.setting.policy)
    with BagReader(job.bag, salvage=True) as reader:
        return examine(reader, policy.specification, job.setting.config, bag=name_of(job.bag))


def _played(job: ArmJob) -> Played:
    rows: list[Row] = []
    with TemporaryDirectory() as scratch, BagReader(job.bag, salvage=True) as reader:
        journal = Path(scratch, "journal.jsonl")
        end = play(
            reader,
            loaded(job.setting.policy),
            job.arm,
            session=job.setting.session,
            config=job.setting.config,
            on_row=rows.append,
            journal=journal,
        )
        written = journal.read_bytes() if journal.exists() else b""
    if end.messages != job.messages:
        raise RecordingError(f"{job.bag} changed while it was evaluated; evaluate it again once its recorder is done")
    record = ArmRecord(
        header=job.header,
        chunks=tuple(row for row in rows if isinstance(row, ChunkRow)),
        windows=tuple(row for row in rows if isinstance(row, WindowRow)),
        modes=tuple(row for row in rows if isinstance(row, ModeRow)),
        end=end,
    )
    return Played(record=record, journal=written)


@lru_cache(maxsize=1)
def loaded(reference: PolicyReference) -> Policy:
    """The policy, kept for the next job.

    Raises:
        CheckpointError: the file holds another policy by now.
    """
    policy = create_policy(reference.path, device=reference.device, factory=reference.factory)
    if policy.checksum != reference.checksum:
        raise CheckpointError(f"{reference.path} is no longer the policy {reference.checksum[:12]} that the evaluation began with")
    return policy
