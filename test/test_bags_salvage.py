"""Of a damaged bag what is sound is read, and what is not is said."""

import shutil
import sqlite3
import tracemalloc
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType
from rosbags.rosbag2 import Writer
from written_bags import STRING, TYPES, foreign, mcap_file, read, string, written

from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.errors import RecordingError


def test_a_file_cut_anywhere_gives_the_messages_before_the_cut(tmp_path: Path) -> None:
    file = mcap_file(written(tmp_path / "bag", messages=40, size=100_000))
    whole = file.read_bytes()
    message_end = [whole.index(string(f"{stamp} " + "x" * 100_000)) + len(string(f"{stamp} " + "x" * 100_000)) for stamp in range(40)]

    @settings(max_examples=60, deadline=None, database=None)
    @given(length=st.integers(min_value=message_end[0], max_value=len(whole) - 1))
    def check(length: int) -> None:
        file.write_bytes(whole[:length])
        messages, damage = read(file.parent)
        assert [message.stamp for message in messages] == [stamp for stamp in range(40) if message_end[stamp] <= length]
        assert "bag.mcap" in damage
        assert "cut off" in damage

    check()


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("chunks", [True, False])
def test_a_killed_recorder_loses_only_what_it_had_not_written(tmp_path: Path, compression: CompressionType, chunks: bool) -> None:
    path = foreign(tmp_path / "bag.mcap", compression=compression, chunks=chunks)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    messages, damage = read(path)
    assert 400 < len(messages) < 1000
    assert [message.stamp for message in messages] == list(range(len(messages)))
    assert "it was cut off, as when its recorder is killed" in damage
    assert "corrupt" not in damage


@pytest.mark.parametrize("summary", [True, False])
@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_corrupt_chunk_costs_its_own_messages_alone(tmp_path: Path, compression: CompressionType, summary: bool) -> None:
    with foreign(tmp_path / "bag.mcap", compression=compression).open("rb") as indexed:
        chunks = make_reader(indexed).get_summary().chunk_indexes
    path = foreign(tmp_path / "bag.mcap", compression=compression, summary=summary)
    content = bytearray(path.read_bytes())
    middle = chunks[len(chunks) // 2].chunk_start_offset + 500
    content[middle : middle + 40] = bytes(byte ^ 0xFF for byte in content[middle : middle + 40])
    path.write_bytes(content)
    with BagReader(path, salvage=True) as bag:
        found = [message.stamp for message in bag.messages()]
        assert sorted(found) == found
        assert found[0] == 0
        assert found[-1] == 999
        assert 500 < len(found) < 1000
        said = bag.damage
        assert "bag.mcap is corrupt at byte" in said
        assert [message.stamp for message in bag.messages()] == found
        assert bag.damage == said


def test_a_garbled_chunk_without_checksum_gives_the_messages_before_the_damage(tmp_path: Path) -> None:
    bag = written(tmp_path / "bag")
    content = bytearray(mcap_file(bag).read_bytes())
    content[200_000:600_000] = bytes(byte ^ 0xFF for byte in content[200_000:600_000])
    mcap_file(bag).write_bytes(content)
    messages, damage = read(bag)
    numbers = [message.stamp for message in messages]
    assert numbers[:9] == list(range(9))
    assert numbers[-200:] == list(range(100, 300))
    assert "is corrupt at byte" in damage


def test_a_folder_without_metadata_is_read_and_said(tmp_path: Path) -> None:
    for number, first in enumerate((10, 0)):
        mcap_file(written(tmp_path / f"part{number}", messages=10, first=first)).rename(tmp_path / f"{number}.mcap")
    messages, damage = read(tmp_path)
    assert [message.stamp for message in messages] == list(range(20))
    assert damage == "metadata.yaml is missing, as when a recorder is killed"


@pytest.mark.parametrize("metadata", ["", "{", "[]", "rosbag2_bagfile_information: {version: 9}", "\0\0\0\0"])
def test_metadata_that_makes_no_sense_is_said(tmp_path: Path, metadata: str) -> None:
    (written(tmp_path / "bag", messages=3) / "metadata.yaml").write_text(metadata)
    assert len(read(tmp_path / "bag")[0]) == 3
    assert read(tmp_path / "bag")[1] == "metadata.yaml is damaged"


def test_a_folder_of_sqlite_without_metadata_is_read_and_said(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=8) as writer:
        writer.write(writer.add_connection("/text", STRING, typestore=TYPES), 7, string("seven"))
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert read(tmp_path / "bag") == ([("/text", STRING, 7, string("seven"))], "metadata.yaml is missing, as when a recorder is killed")


def test_the_memory_for_a_damaged_bag_does_not_grow_with_it(tmp_path: Path) -> None:
    file = mcap_file(written(tmp_path / "bag", messages=2000))
    file.write_bytes(file.read_bytes()[:-1000])
    tracemalloc.start()
    try:
        with BagReader(file.parent, salvage=True) as bag:
            assert sum(1 for _ in bag.messages()) > 1900
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < file.stat().st_size / 4


def test_a_compressed_file_that_is_cut_off_gives_its_beginning(tmp_path: Path) -> None:
    path = mcap_file(written(tmp_path / "bag"))
    packed = zstandard.ZstdCompressor(level=1).compress(path.read_bytes())
    (tmp_path / "bag.mcap.zstd").write_bytes(packed[: len(packed) * 3 // 4])
    messages, damage = read(tmp_path / "bag.mcap.zstd")
    assert [message.stamp for message in messages] == list(range(len(messages)))
    assert 100 < len(messages) < 300
    assert "bag.mcap has no index" in damage


def test_a_damaged_database_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=8) as writer:
        topic = writer.add_connection("/text", STRING, typestore=TYPES)
        for stamp in range(100):
            writer.write(topic, stamp, string("x" * 30_000))
    file = tmp_path / "bag" / "bag.db3"
    content = bytearray(file.read_bytes())
    page, middle = 4096, len(content) // 2 // 4096 * 4096
    content[middle : middle + page] = bytes(page)
    file.write_bytes(content)
    with pytest.raises(RecordingError, match="truncated or damaged"), BagReader(tmp_path / "bag") as bag:
        list(bag.messages())
    messages, damage = read(tmp_path / "bag")
    assert 30 < len(messages) < 70
    assert [message.stamp for message in messages] == list(range(len(messages)))
    assert "bag.db3 is damaged" in damage


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"not a bag at all", b"\x89MCAP0\r\n" + bytes(10_000)])
def test_a_file_with_nothing_sound_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bag.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"bag\.mcap (is no mcap file|has no index)"):
        BagReader(tmp_path / "bag.mcap", salvage=True)


def test_a_garbled_chunk_whose_length_is_garbled_as_well_is_told_from_one_that_is_cut_off(tmp_path: Path) -> None:
    path = foreign(tmp_path / "bag.mcap", compression=CompressionType.NONE)
    content = bytearray(path.read_bytes())
    chunk, message = content.index(b"\x06", 46), content.index(b"15838 128")
    content[chunk + 4] ^= 1  # now longer than the file
    content[message] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="holds no message"):
        read(path)


@pytest.mark.parametrize("salvage", [False, True])
def test_metadata_that_multiplies_itself_is_not_followed(tmp_path: Path, salvage: bool) -> None:
    bag = written(tmp_path / "bag", messages=3, size=10)
    bomb = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n" for before, name in pairwise("abcdefghij")
    )
    metadata = (bag / "metadata.yaml").read_text(encoding="utf-8")
    (bag / "metadata.yaml").write_text(f"{bomb}{metadata}  compression_mode: file\n  compression_format: *j\n", encoding="utf-8")
    if salvage:
        assert read(bag)[1] == "metadata.yaml is damaged"
    else:
        with pytest.raises(RecordingError, match="holds more than 100000 values, aliases written out"):
            BagReader(bag)


def test_garbled_bytes_end_in_sound_messages_or_a_clear_refusal(tmp_path: Path) -> None:
    sound = [foreign(tmp_path / f"{each.name}.mcap", compression=each).read_bytes() for each in CompressionType]
    path = tmp_path / "bag.mcap"

    @settings(max_examples=100, deadline=None, database=None)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        content = bytearray(data.draw(st.sampled_from(sound)))
        for _ in range(data.draw(st.integers(1, 5))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            messages, _ = read(path)
        except RecordingError:
            return
        assert all(message.cdr == string(f"{message.stamp * 7919} {message.stamp**7}") for message in messages)

    check()


def test_a_packed_file_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "bag.mcap.zstd"
    packed.write_bytes(zstandard.ZstdCompressor().compress(mcap_file(written(tmp_path / "bag")).read_bytes()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 30))
    with pytest.raises(RecordingError, match=r"bag\.mcap\.zstd does not fit unpacked into .*; set TMPDIR to a larger disk"):
        BagReader(packed, salvage=True)


@pytest.mark.parametrize("salvage", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET timestamp = 'noon' WHERE id = 3",
        "UPDATE messages SET timestamp = x'00' WHERE id = 1",
        "UPDATE messages SET data = 'text' WHERE id = 3",
        "UPDATE messages SET data = 5 WHERE id = 3",
        "UPDATE topics SET name = x'ff'",
        "UPDATE topics SET type = x'ff'",
    ],
)
def test_values_of_another_type_in_a_database_end_in_sound_messages_or_a_clear_refusal(tmp_path: Path, change: str, salvage: bool) -> None:
    with Writer(tmp_path / "bag", version=8) as writer:
        topic = writer.add_connection("/text", STRING, typestore=TYPES)
        for stamp in range(5):
            writer.write(topic, stamp, string(f"{stamp}"))
    with sqlite3.connect(tmp_path / "bag" / "bag.db3") as database:
        database.execute(change)
    database.close()
    assert all(message.cdr == string(f"{message.stamp}") for message in taken(tmp_path / "bag" / "bag.db3", salvage=salvage))


def taken(path: Path, *, salvage: bool) -> list[BagMessage]:
    """What is read until the bag is refused."""
    messages: list[BagMessage] = []
    try:
        with BagReader(path, salvage=salvage) as bag:
            assert all(isinstance(topic.name, str) for topic in bag.topics)
            messages.extend(bag.messages())
    except RecordingError as refusal:
        messages.clear()
        assert str(refusal).startswith(("the bag", "no file of the bag"))  # noqa: PT017
    return messages
