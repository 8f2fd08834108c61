"""A bag or journal that was changed after its run, or is of another one, is found out, and what does not fit is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_bench import IMAGE, JOINT_STATE, JOINT_TOPIC, streams
from small_policy import SmallPolicy
from verified_journals import CAMERA, recorded, rewritten, sealed, serialized, stamp_of, verified, windows, with_another_rate

from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import ConfigurationError, JournalError, RecordingError
from ttt_ros.evaluation.journal_verification import Outcome, verify


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``journal`` and ``bag``."""
    return recorded(tmp_path_factory.mktemp("run"))


def source(folder: Path, *, window: int, stream: str) -> int:
    """Stamp of the message that the newest observation of a window got from ``stream``."""
    return windows(folder)[window - 1]["new"][-1]["after"]["sources"][stream][0]


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
        (with_another_rate, 1, "update_norm"),
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


def test_a_journal_of_observations_from_elsewhere_is_not_verified(run: Path, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        for sample in record.get("new", ()):
            sample["before"]["sources"] = {}

    sealed(run / "journal", tmp_path / "journal", change)
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.UNVERIFIED
    assert "the journal names messages of no stream" in result.difference
