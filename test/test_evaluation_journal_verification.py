"""A journal is verified against the bag of its run, bit for bit, and whatever does not fit is named."""

import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from control_session import PERIOD
from example_policies import INSTRUCTIONS
from recorded_bench import ADAPTATION, IMAGE, JOINT_STATE, JOINT_TOPIC, RecordedBench, camera_topic, streams
from small_policy import SmallPolicy

from ttt_ros.adaptation.journal import read_journal
from ttt_ros.adaptation.thread import torch_threads
from ttt_ros.bags.content import deserialized, types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import ConfigurationError, JournalError, RecordingError
from ttt_ros.evaluation.journal_verification import DEVIATION_LIMIT, Outcome, Verification, verify
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.safeguard.ladder import Mode

CAMERA = camera_topic("front")
TICKS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``journal`` and ``bag``."""
    folder = tmp_path_factory.mktemp("run")
    bench = RecordedBench(folder)
    bench.run(TICKS)
    bench.close()
    return folder


def verified(folder: Path, *, bag: Path | None = None, policy: SmallPolicy | None = None, **options: Any) -> Verification:
    policy = policy or SmallPolicy()
    return verify(folder / "journal", bag or folder / "bag", policy, streams(policy), **options)


def windows(folder: Path) -> list[dict[str, Any]]:
    return [dict(record) for record in read_journal(folder / "journal").records if record["kind"] == "window"]


def rewritten(bag: Path, target: Path, change: Callable[[BagMessage, Any], BagMessage | None]) -> Path:
    """A copy of ``bag`` in which each message is what ``change`` makes of it and its fields."""
    with BagReader(bag) as reader, BagWriter(target, message_packages={}) as writer:
        for topic in reader.topics:
            writer.add_topic(topic.name, topic.message_type, qos=topic.qos or OfferedQos(reliable=True, latched=False, depth=1))
        for message in reader.messages():
            changed = change(message, deserialized(message))
            if changed is not None:
                writer.write(changed.topic, changed.stamp, changed.cdr)
    return target


def stamp_of(fields: Any) -> int:
    return fields.header.stamp.sec * 1_000_000_000 + fields.header.stamp.nanosec


def serialized(message: BagMessage, fields: Any) -> BagMessage:
    return message._replace(cdr=bytes(types().serialize_cdr(fields, message.message_type)))


def source(folder: Path, *, window: int, stream: str) -> int:
    """Stamp of the message that the newest observation of a window got from ``stream``."""
    return windows(folder)[window - 1]["new"][-1]["after"]["sources"][stream][0]


def sealed(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a journal with records changed by somebody who knows how it is sealed."""
    crc, lines = 0, []
    for line in source.read_text().splitlines():
        record = json.loads(line)
        del record["crc32"]
        change(record)
        body = json.dumps(record, separators=(",", ":")).encode()[:-1]
        crc = zlib.crc32(body, crc)
        lines.append(body + f',"crc32":"{crc:08x}"}}\n'.encode())
    target.write_bytes(b"".join(lines))
    return target


def test_the_weights_of_a_run_are_computed_again_bit_for_bit(run: Path) -> None:
    result = verified(run)
    assert result.outcome is Outcome.IDENTICAL
    assert result.verified == result.windows == len(windows(run)) >= 15
    assert result.commits >= 10
    assert result.deviation == 0.0
    assert str(result).startswith(f"identical: {result.windows} of {result.windows} windows verified")


@pytest.mark.parametrize("adaptation", [{"ridge": 1.0, "objectives": {"features": 1.0}}, {"momentum": 0.5}, {"drift_limit": 1e-3}])
def test_every_kind_of_step_is_computed_again(tmp_path: Path, adaptation: dict[str, Any]) -> None:
    bench = RecordedBench(tmp_path, adaptation=replace(ADAPTATION, **adaptation))
    bench.run(TICKS)
    bench.close()
    result = verified(tmp_path)
    assert result.outcome is Outcome.IDENTICAL
    assert result.commits >= 10


def test_a_changed_frame_is_named(run: Path, tmp_path: Path) -> None:
    changed = source(run, window=7, stream="front")

    def change(message: BagMessage, fields: Any) -> BagMessage:
        if message.message_type == IMAGE and stamp_of(fields) == changed:
            fields.data = fields.data.copy()
            fields.data[5] ^= 1
        return serialized(message, fields)

    result = verified(run, bag=rewritten(run / "bag", tmp_path / "bag", change))
    assert result.outcome is Outcome.DIFFERENT
    assert result.verified == 6
    sample = windows(run)[6]["new"][-1]["number"]
    assert result.difference == (
        f"window 7, sample {sample}: the frame of camera 'front' stamped {changed} ns on {CAMERA} "
        "has another content in the bag than when it was used"
    )


def test_a_changed_joint_reading_is_named(run: Path, tmp_path: Path) -> None:
    changed = source(run, window=5, stream="joint_states")

    def change(message: BagMessage, fields: Any) -> BagMessage:
        if message.message_type == JOINT_STATE and stamp_of(fields) == changed:
            fields.position = fields.position.copy()
            fields.position[1] += 1e-6
        return serialized(message, fields)

    result = verified(run, bag=rewritten(run / "bag", tmp_path / "bag", change))
    assert (result.outcome, result.verified) == (Outcome.DIFFERENT, 4)
    assert f"the joint reading stamped {changed} ns on {JOINT_TOPIC}" in result.difference


@pytest.mark.parametrize(
    ("topic", "stream", "kind"), [(CAMERA, "front", "frame of camera"), (JOINT_TOPIC, "joint_states", "joint reading")]
)
def test_a_missing_message_is_named_and_what_comes_before_it_is_verified(
    run: Path, tmp_path: Path, topic: str, stream: str, kind: str
) -> None:
    lost = source(run, window=4, stream=stream)
    bag = rewritten(
        run / "bag",
        tmp_path / "bag",
        lambda message, fields: None if message.topic == topic and stamp_of(fields) == lost else message,
    )
    result = verified(run, bag=bag)
    assert (result.outcome, result.verified) == (Outcome.UNVERIFIED, 3)
    assert result.difference.startswith("window 4, sample ")
    assert f"the bag lacks the {kind}" in result.difference
    assert f"stamped {lost} ns" in result.difference


def test_a_message_that_cannot_be_read_is_named_with_the_reason(run: Path, tmp_path: Path) -> None:
    broken = source(run, window=4, stream="front")

    def change(message: BagMessage, fields: Any) -> BagMessage:
        if message.message_type == IMAGE and stamp_of(fields) == broken:
            fields.encoding = "32FC1"
        return serialized(message, fields)

    result = verified(run, bag=rewritten(run / "bag", tmp_path / "bag", change))
    assert result.outcome is Outcome.UNVERIFIED
    assert "cannot be read: encoding 32FC1" in result.difference


def test_messages_that_no_window_needs_do_not_matter(run: Path, tmp_path: Path) -> None:
    needed = {
        stamp
        for record in windows(run)
        for sample in record["new"]
        for end in ("before", "after")
        for stamp, _ in sample[end]["sources"].values()
    }
    bag = rewritten(run / "bag", tmp_path / "bag", lambda message, fields: message if stamp_of(fields) in needed else None)
    with BagReader(run / "bag") as whole, BagReader(bag) as part:
        assert sum(topic.count for topic in part.topics) < sum(topic.count for topic in whole.topics)
    assert verified(run, bag=bag).outcome is Outcome.IDENTICAL


def test_another_policy_is_refused(run: Path) -> None:
    with pytest.raises(JournalError, match="the journal is of policy"):
        verified(run, policy=SmallPolicy(seed=1))


def test_a_bag_or_mapping_without_a_needed_topic_is_refused(run: Path) -> None:
    policy = SmallPolicy()
    mapping = streams(policy)
    with pytest.raises(RecordingError, match="/camera/back"):
        verify(run / "journal", run / "bag", policy, replace(mapping, cameras={"front": "/camera/back"}))
    with pytest.raises(ConfigurationError, match="front"):
        verify(run / "journal", run / "bag", policy, replace(mapping, cameras={"back": CAMERA}))
    with pytest.raises(RecordingError, match=f"{CAMERA} is a {IMAGE}"):
        verify(run / "journal", run / "bag", policy, replace(mapping, cameras={"front": JOINT_TOPIC}, joint_states=CAMERA))


def _with_rate(record: dict[str, Any]) -> None:
    if record["kind"] == "start":
        record["configuration"]["learning_rate"] = 0.11


def _with_another_checksum(record: dict[str, Any]) -> None:
    if record["kind"] == "window" and record["window_sequence"] == 3:
        record["checksum"] = "0" * 64


def _refusing(record: dict[str, Any]) -> None:
    if record["kind"] == "window" and record["window_sequence"] == 3:
        record["committed"] = False


def _with_another_command(record: dict[str, Any]) -> None:
    if record["kind"] == "window" and record["window_sequence"] == 3:
        executed = record["new"][0]["executed"]
        record["new"][0]["executed"] = ("A" if executed[0] != "A" else "B") + executed[1:]


@pytest.mark.parametrize(
    ("change", "window", "named"),
    [
        (_with_rate, 1, "update_norm"),
        (_with_another_checksum, 3, "checksum"),
        (_refusing, 3, "reason"),
        (_with_another_command, 3, "prediction_loss"),
    ],
)
def test_a_journal_that_was_changed_and_sealed_again_is_found_out(
    run: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], window: int, named: str
) -> None:
    sealed(run / "journal", tmp_path / "journal", change)
    result = verified(tmp_path, bag=run / "bag")
    assert (result.outcome, result.verified) == (Outcome.DIFFERENT, window - 1)
    assert result.difference.startswith(f"window {window} differs in ")
    assert f"{named} (" in result.difference


def test_a_flipped_byte_in_the_journal_is_named_by_its_line(run: Path, tmp_path: Path) -> None:
    raw = bytearray((run / "journal").read_bytes())
    place = raw.index(b"prediction_loss", len(raw) // 2)
    raw[place] ^= 1
    (tmp_path / "journal").write_bytes(raw)
    with pytest.raises(JournalError, match=f"line {raw[:place].count(10) + 1} of journal"):
        verified(tmp_path, bag=run / "bag")


def test_a_run_that_was_killed_is_verified_up_to_its_last_record(run: Path, tmp_path: Path) -> None:
    """The run in the other process sees the same as ``run``."""
    program = """
import sys
from pathlib import Path
from recorded_bench import RecordedBench

bench = RecordedBench(Path(sys.argv[1]), threaded=True)
bench.run_until_reports(10)
print("ran", flush=True)
sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ran\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(windows(tmp_path)) >= 10
    result = verified(tmp_path, bag=run / "bag")
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


def test_a_torn_journal_is_verified_up_to_where_it_was_torn(run: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes((run / "journal").read_bytes()[:-40])
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.IDENTICAL
    assert result.verified == len(windows(run)) - 1
    assert "incomplete" in str(result)


def eventful(folder: Path, *, threaded: bool, initial_weights: Path | None = None) -> RecordedBench:
    """A run with all that can happen in between."""
    bench = RecordedBench(folder, threaded=threaded, initial_weights=initial_weights)
    session = bench.session
    bench.run_until_reports(12)
    session.rollback()
    bench.run_until_reports(8)
    session.reconfigure(replace(ADAPTATION, learning_rate=0.03, trim_factor=1.2))
    bench.run_until_reports(8)
    bench.order(Mode.FROZEN, trusted=2)
    bench.run_until_reports(4, Mode.FROZEN)
    bench.run_until_reports(8)
    session.reset()
    session.enabled = False
    bench.run(10)
    session.enabled = True
    bench.run_until_reports(8)
    session.reset()
    session.rollback()
    bench.run_until_reports(4, Mode.BASE)
    bench.run_until_reports(8)
    session.save(folder / "weights")
    bench.close()
    return bench


@pytest.mark.parametrize("threaded", [False, True])
def test_resets_rollbacks_and_other_configurations_in_mid_run_are_followed(tmp_path: Path, threaded: bool) -> None:
    bench = eventful(tmp_path, threaded=threaded)
    assert {record["kind"] for record in read_journal(tmp_path / "journal").records} == {"window", "configuration", "reset", "rollback"}
    assert len({report.epoch for report in bench.reports if report.committed}) >= 3
    if not threaded:
        assert any(report.withheld for report in bench.reports)
        assert any(report.trimmed for report in bench.reports)
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
    assert result.verified == len(bench.reports)


def test_a_run_from_a_snapshot_is_followed_through_its_resets(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    eventful(tmp_path / "first", threaded=False)
    eventful(tmp_path / "second", threaded=False, initial_weights=tmp_path / "first" / "weights")
    result = verified(tmp_path / "second", initial_weights=tmp_path / "first" / "weights")
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")
    with pytest.raises(JournalError, match="--initial-weights"):
        verified(tmp_path / "second")


class _Interrupted(SmallPolicy):
    """Lets something happen in the middle of a step."""

    on_step: Callable[[], None] = staticmethod(lambda: None)

    def reconstruct(self, transitions, fast):
        self.on_step()
        return super().reconstruct(transitions, fast)


def test_a_window_whose_epoch_ended_in_mid_step_is_followed(tmp_path: Path) -> None:
    policy = _Interrupted()
    bench = RecordedBench(tmp_path, policy)
    bench.run(30)
    policy.on_step = bench.session.store.reset
    bench.run(4)
    policy.on_step = lambda: None
    bench.run(30)
    bench.close()
    ended = [report for report in bench.reports if "during the step" in report.reason]
    assert ended
    assert ended[0].version_before > 0
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


class _Counting(SmallPolicy):
    """Notes with how many torch threads it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def encode(self, observation):
        self.threads.add(torch.get_num_threads())
        return super().encode(observation)


def test_observations_are_encoded_with_as_many_threads_as_in_the_run(tmp_path: Path) -> None:
    with torch_threads(3):
        bench = RecordedBench(tmp_path)
        bench.run(TICKS)
        bench.close()
    policy = _Counting()
    assert verified(tmp_path, policy=policy).outcome is Outcome.IDENTICAL
    assert policy.threads == {3}


def test_windows_that_a_full_queue_dropped_leave_no_gap(tmp_path: Path) -> None:
    policy, gate = _Interrupted(), threading.Event()
    policy.on_step = lambda: gate.wait(30)
    bench = RecordedBench(tmp_path, policy, adaptation=replace(ADAPTATION, queue_size=2), threaded=True)
    bench.run(30)  # the first window takes this long
    gate.set()
    bench.run_until_reports(12)
    bench.close()
    assert bench.reports[-1].dropped_windows >= 8
    assert len(windows(tmp_path)[1]["new"]) > 1
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"samples": 10**12}, "but no record holds sample"),
        ({"first": 10**12}, "but no record holds sample"),
        ({"samples": 0}, "which do not fit each other"),
        ({"fresh": 0}, "0 fresh samples, which do not fit each other"),
        ({"fresh": 10**12}, "1000000000000 fresh samples, which do not fit each other"),
        ({"stamps": []}, "0 stamps"),
        ({"configuration": 10**12}, "was begun with configuration 1000000000000, but the journal holds 1"),
    ],
)
def test_a_window_that_does_not_fit_the_other_records_is_refused(run: Path, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    last = windows(run)[-1]["window_sequence"]
    sealed(run / "journal", tmp_path / "journal", lambda record: record.update(change if record.get("window_sequence") == last else {}))
    with pytest.raises(JournalError, match=words):
        verified(tmp_path, bag=run / "bag")


def test_a_window_of_a_far_epoch_is_reached_at_once(run: Path, tmp_path: Path) -> None:
    last = windows(run)[-1]["window_sequence"]

    def change(record: dict[str, Any]) -> None:
        if record.get("window_sequence") == last:
            record["epoch"] = 10**12

    sealed(run / "journal", tmp_path / "journal", change)
    assert verified(tmp_path, bag=run / "bag").windows == last


def test_commands_of_another_shape_than_the_policy_are_refused(run: Path, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        for sample in record.get("new", ()):
            sample["shape"] = [sample["shape"][0] * sample["shape"][1], 1]

    sealed(run / "journal", tmp_path / "journal", change)
    with pytest.raises(JournalError, match="has commands of shape"):
        verified(tmp_path, bag=run / "bag")


def test_a_journal_without_a_window_verifies_nothing(tmp_path: Path) -> None:
    bench = RecordedBench(tmp_path)
    bench.run(2)
    bench.close()
    result = verified(tmp_path)
    assert (result.outcome, result.verified) == (Outcome.UNVERIFIED, 0)
    assert "no window" in str(result)


def test_a_journal_of_observations_from_elsewhere_is_not_verified(run: Path, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        for sample in record.get("new", ()):
            sample["before"]["sources"] = {}

    sealed(run / "journal", tmp_path / "journal", change)
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.UNVERIFIED
    assert "the journal names messages of no stream" in result.difference


def test_a_window_that_failed_is_followed(tmp_path: Path) -> None:
    policy = _Interrupted()
    bench = RecordedBench(tmp_path, policy)
    bench.run(30)
    policy.on_step = lambda: torch.ones(2) @ torch.ones(3)
    bench.run(4)
    policy.on_step = lambda: None
    bench.run(30)
    bench.close()
    assert any("RuntimeError" in report.reason for report in bench.reports)
    assert verified(tmp_path).outcome is Outcome.IDENTICAL


def test_a_clock_that_was_set_back_to_the_same_stamps_is_followed(tmp_path: Path) -> None:
    bench = RecordedBench(tmp_path)
    bench.run(60)
    bench.now = PERIOD
    bench.run(60)
    bench.close()
    stamps = [sample["before"]["stamp"] for record in windows(tmp_path) for sample in record["new"]]
    assert len(set(stamps)) < len(stamps) - 10
    result = verified(tmp_path)
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


VERIFYING = """
import sys
from pathlib import Path
from recorded_bench import streams
from ttt_ros.evaluation.journal_verification import verify
from ttt_ros.policies.checkpoint import load_policy

policy, folder = load_policy(Path(sys.argv[1])), Path(sys.argv[2])
result = verify(folder / "journal", folder / "bag", policy, streams(policy))
print(result.outcome.name, result.deviation, result.elsewhere, result.difference, sep="|")
"""


@pytest.fixture(scope="module")
def built_in_run(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny built-in policy, which sees through two cameras."""
    folder = tmp_path_factory.mktemp("built_in")
    adaptation = replace(ADAPTATION, gradient_limit=1e6, drift_limit=5.0, probe_limit=6.0)
    bench = RecordedBench(folder, load_policy(tiny_checkpoint), adaptation=adaptation, instruction=INSTRUCTIONS[0])
    bench.run(TICKS)
    bench.close()
    return folder


def test_a_run_of_the_built_in_policy_is_computed_again_bit_for_bit(built_in_run: Path, tiny_checkpoint: Path) -> None:
    policy = load_policy(tiny_checkpoint)
    result = verify(built_in_run / "journal", built_in_run / "bag", policy, streams(policy))
    assert result.outcome is Outcome.IDENTICAL
    assert result.commits >= 10


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="torch uses no vector instructions here anyway")
def test_elsewhere_the_largest_deviation_is_reported_instead_of_checksums(built_in_run: Path, tiny_checkpoint: Path) -> None:
    """Without vector instructions torch adds in another order, as another processor does."""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", VERIFYING, str(tiny_checkpoint), str(built_in_run)]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)
    name, deviation, elsewhere, difference = outcome.stdout.strip().split("|")
    assert "instructions" in elsewhere
    assert (name, difference) == ("WITHIN", "")
    assert 0.0 < float(deviation) < DEVIATION_LIMIT / 10


def test_elsewhere_other_weights_are_no_rounding(run: Path, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        _with_rate(record)
        if record["kind"] == "start":
            record["machine"]["torch"] = "0.4"

    sealed(run / "journal", tmp_path / "journal", change)
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.DIFFERENT
    assert "torch" in result.elsewhere
    assert "deviate too far" in result.difference
    assert result.deviation > DEVIATION_LIMIT
