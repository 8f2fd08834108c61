"""Recorded runs, and their journals verified against their bags."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorded_bench import RecordedBench, camera_topic, streams
from small_policy import SmallPolicy

from ttt_ros.adaptation.journal import read_journal
from ttt_ros.bags.content import deserialized, types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.evaluation.journal_verification import Verification, verify

CAMERA = camera_topic("front")
TICKS = 60


def recorded(folder: Path) -> Path:
    """``folder`` with the ``journal`` and the ``bag`` of a run."""
    bench = RecordedBench(folder)
    bench.run(TICKS)
    bench.close()
    return folder


def verified(folder: Path, *, bag: Path | None = None, policy: SmallPolicy | None = None, **options: Any) -> Verification:
    policy = policy or SmallPolicy()
    return verify(folder / "journal", bag or folder / "bag", policy, streams(policy), **options)


def windows(folder: Path) -> list[dict[str, Any]]:
    return [dict(record) for record in read_journal(folder / "journal").records if record["kind"] == "window"]


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


def with_another_rate(record: dict[str, Any]) -> None:
    if record["kind"] == "start":
        record["configuration"]["learning_rate"] = 0.11


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
