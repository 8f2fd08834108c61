"""Whether a journal is true: its weights computed again from the recording of its sensors, and compared checksum by checksum."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from ttt_ros.adaptation.journal import JournalContents, read_journal, spelled_out
from ttt_ros.adaptation.machine import Machine, this_machine
from ttt_ros.adaptation.origin import Origin
from ttt_ros.adaptation.recorded_sample import RecordedSample
from ttt_ros.adaptation.sketch import sketch
from ttt_ros.adaptation.steps import norm
from ttt_ros.adaptation.thread import torch_threads
from ttt_ros.adaptation.window import Window
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.action_meaning import following_error
from ttt_ros.errors import JournalError
from ttt_ros.evaluation.journal_observations import BagObservations, ChangedError, LackingError
from ttt_ros.evaluation.journal_replay import Replay
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Features, Transitions, concatenated
from ttt_ros.training.progress import progress_bar

DEVIATION_LIMIT = 1e-3
"""Largest distance of weights computed on another machine, relative to the norm of the base, as drift is. With the shipped policy, whose
drift was 1.8, other vector instructions moved the weights by 2e-5 within 64 windows."""

_DECISION = ("committed", "withheld")
_FIGURES = (
    *_DECISION,
    "reason",
    "prediction_loss",
    "trimmed",
    "implausible",
    "gradient_norm",
    "action_deviation",
    "update_norm",
    "loss_after",
)
_WEIGHTS = ("drift_total", "drift_per_module", "checksum")


class Outcome(str, Enum):
    """What came of a verification."""

    IDENTICAL = "identical"
    """Everything is the same, bit for bit."""
    WITHIN = "within the limit"
    """On another machine every decision is the same, and the weights deviate by rounding."""
    DIFFERENT = "different"
    """The bag leads to something else than the journal says."""
    UNVERIFIED = "not verified"
    """The bag lacks a message that a window needs, or the journal holds no window."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of it.

    Attributes:
        outcome: in one word.
        windows: in the journal.
        verified: windows in a row, from the first, that are as the journal says.
        commits: how many of them committed an update.
        difference: the first thing that is not, or what the bag lacks; empty if there is neither.
        elsewhere: what of the machine differs from the one that wrote the journal; empty: bits are compared.
        deviation: largest distance between weights computed now and those of the journal, up to the first difference, estimated from their
            sketches; relative to the norm of the base.
        torn: what is wrong with the journal's last line, which was left out.
    """

    outcome: Outcome
    windows: int
    verified: int
    commits: int
    difference: str
    elsewhere: str
    deviation: float
    torn: str

    def __str__(self) -> str:
        done = f"{self.verified} of {self.windows} windows verified, {self.commits} of them committed"
        where = f"computed elsewhere ({self.elsewhere}): " if self.elsewhere else ""
        deviation = f"the weights deviate by at most {self.deviation:.2g} of the base's norm (limit {DEVIATION_LIMIT:g})"
        if self.outcome is Outcome.IDENTICAL:
            result = "decisions, figures and checksums are the same"
        elif self.outcome is Outcome.WITHIN:
            result = f"decisions are the same; {deviation}"
        else:
            result = self.difference + (f"; {deviation}" if self.deviation else "")
        return f"{self.outcome.value}: {where}{done}; {result}" + (f"; {self.torn}" if self.torn else "")


def verify(
    journal: Path,
    bag: Path,
    policy: Policy,
    streams: StreamMapping,
    *,
    initial_weights: Path | None = None,
    shows_progress: bool = False,
) -> Verification:
    """Computes the weights of ``journal`` again from ``bag``, window by window, up to the first difference.

    On the machine and with the torch version of the journal, every decision, figure and checksum must be the same. Elsewhere the decisions
    must be, and the weights may deviate by ``DEVIATION_LIMIT``. The bag is read once; memory does not grow with it.

    Args:
        streams: what the topics of the bag mean; only cameras, joint states and the names of joints count.
        initial_weights: snapshot that the run began with, if it did not begin with the base.
        shows_progress: with a bar.

    Raises:
        JournalError: the journal is damaged, of another policy, holds records that do not fit each other, or begins with weights that were
            not given.
        RecordingError: the bag cannot be read or lacks a topic.
        CheckpointError, ConfigurationError: initial weights or streams do not fit.
    """
    contents = read_journal(journal)
    machine = this_machine(next(iter(policy.base_fast_weights().values())).device)
    elsewhere = _elsewhere(Machine(**contents.start["machine"]), machine)
    comparison = _Comparison(Replay(contents, policy, initial_weights=initial_weights), exact=not elsewhere)
    records = [record for record in contents.records if record["kind"] == "window"]
    if not records:
        outcome, difference = Outcome.UNVERIFIED, "the journal holds no window; was adaptation enabled, and did the robot move?"
    else:
        outcome, difference = Outcome.IDENTICAL, ""
    verified = 0
    with BagReader(bag, salvage=True) as reader, progress_bar("windows", total=len(records), shown=shows_progress) as advance:
        recording = BagObservations(reader, streams, policy.specification, same_images=not elsewhere)
        try:
            for record, window in _windows(contents, records, policy, recording):
                comparison.compare(record, window)
                verified += 1
                advance()
        except (_DifferentError, ChangedError) as error:
            outcome, difference = Outcome.DIFFERENT, str(error)
        except LackingError as error:
            outcome, difference = Outcome.UNVERIFIED, str(error)
    if not difference and not comparison.identical:
        outcome = Outcome.WITHIN
    return Verification(
        outcome=outcome,
        windows=len(records),
        verified=verified,
        commits=sum(record["committed"] for record in records[:verified]),
        difference=difference,
        elsewhere=elsewhere,
        deviation=comparison.deviation,
        torn=contents.torn,
    )


class _DifferentError(Exception):
    """The learner came to something else than the journal says; the message says where and what."""


class _Comparison:
    """Adapts to each window anew and compares.

    Attributes:
        identical: whether everything was the same so far, bit for bit.
        deviation: see ``Verification``.
    """

    def __init__(self, replay: Replay, *, exact: bool) -> None:
        self._replay = replay
        self._exact = exact
        self._base_norm = float(norm(replay.base.weights.values()))
        self.identical = True
        self.deviation = 0.0

    def compare(self, record: Mapping[str, Any], window: Window) -> None:
        """Raises _DifferentError at a difference that counts."""
        report = self._replay.adapt(window, record)
        found = spelled_out(asdict(report))
        names = (*_FIGURES, *_WEIGHTS) if record["committed"] else _FIGURES
        differing = [name for name in names if found[name] != record[name]]
        deviation = 0.0
        if report.committed and record["sketch"]:
            deviation = math.dist(sketch(self._replay.current.weights), record["sketch"]) / self._base_norm
            self.deviation = max(self.deviation, deviation)
        self.identical &= not differing
        counting = differing if self._exact else [name for name in differing if name in _DECISION]
        if counting:
            values = ", ".join(f"{name} ({found[name]} instead of {record[name]})" for name in counting)
            raise _DifferentError(f"window {record['window_sequence']} differs in {values}")
        if not deviation <= DEVIATION_LIMIT:
            raise _DifferentError(f"the weights of window {record['window_sequence']} deviate too far")


def _windows(
    contents: JournalContents, records: Sequence[Mapping[str, Any]], policy: Policy, recording: BagObservations
) -> Iterator[tuple[Mapping[str, Any], Window]]:
    """Each record of a window with the window itself, put together again."""
    new = (RecordedSample.from_json(each) for record in records for each in record["new"])
    observations = recording.observations(list(_origins(new)))
    encoder = _Encoder(policy, observations, threads=contents.start["inference_threads"])
    samples: dict[int, Transitions] = {}
    for record in records:
        samples = {number: transitions for number, transitions in samples.items() if number >= record["first"]}
        for sample in (RecordedSample.from_json(each) for each in record["new"]):
            try:
                samples[sample.number] = encoder.transition(sample)
            except (LackingError, ChangedError) as error:
                raise type(error)(f"window {record['window_sequence']}, sample {sample.number}: {error}") from None
        yield (
            record,
            Window(
                transitions=concatenated([samples[number] for number in _numbers(record, samples)]),
                fresh=record["fresh"],
                stamps=tuple(record["stamps"]),
                first=record["first"],
            ),
        )


def _numbers(record: Mapping[str, Any], known: Container[int]) -> range:
    """Of the samples of a window, which can be any number of them until each is known."""
    numbers = range(record["first"], record["first"] + record["samples"])
    lost = next((number for number in numbers if number not in known), None)
    if lost is not None:
        raise JournalError(
            f"window {record['window_sequence']} holds samples {numbers.start} to {numbers.stop - 1}, but no record holds sample {lost}; "
            "a record is missing or was changed"
        )
    if not 1 <= record["fresh"] <= len(numbers) == len(record["stamps"]):
        raise JournalError(
            f"window {record['window_sequence']} has {len(numbers)} samples, {len(record['stamps'])} stamps and {record['fresh']} fresh "
            "samples, which do not fit each other; the record was changed"
        )
    return numbers


class _Encoder:
    """Encodes every observation once, as the inference did; one transition's end is mostly the start of the next."""

    def __init__(self, policy: Policy, observations: Iterator[Observation], *, threads: int) -> None:
        self._policy = policy
        self._observations = observations
        self._threads = threads
        self._last: tuple[Origin, tuple[Observation, Features]] | None = None

    def transition(self, sample: RecordedSample) -> Transitions:
        if sample.passage is None:
            raise LackingError("the journal does not say which messages it comes from")
        specification = self._policy.specification
        shape = (specification.horizon, len(specification.joint_names))
        if sample.executed.shape != shape:
            raise JournalError(
                f"sample {sample.number} has commands of shape {tuple(sample.executed.shape)}, but the policy's are {shape}; "
                "the record was changed"
            )
        (before, features), (after, next_features) = (self._encoded(origin) for origin in sample.passage)
        device = next(iter(features.values())).device
        executed = sample.executed[None].to(device)
        return Transitions(
            features=features,
            executed=executed,
            steps=torch.tensor([sample.steps], device=device),
            next_features=next_features,
            following_error=following_error(executed, before, after, meaning=specification.action_meaning),
        )

    @torch.no_grad()
    def _encoded(self, origin: Origin) -> tuple[Observation, Features]:
        if self._last is None or origin != self._last[0]:
            observation = next(self._observations)
            with torch_threads(self._threads):
                self._last = (origin, (observation, self._policy.encode(observation)))
        return self._last[1]


def _origins(samples: Iterator[RecordedSample]) -> Iterator[Origin]:
    """Of the samples, in order; one that is that before is left out, as ``_Encoder`` does."""
    last = None
    for sample in samples:
        for origin in sample.passage or ():
            if origin != last:
                yield origin
            last = origin


def _elsewhere(recorded: Machine, here: Machine) -> str:
    """What of ``here`` differs, in words."""
    before, now = asdict(recorded), asdict(here)
    return ", ".join(f"{name} {now[name]} instead of {before[name]}" for name in now if now[name] != before[name])
