"""Sound bags in every storage and compression, of one file or several, are read alike whether strictly or salvaging."""

import dataclasses
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from written_bags import QOS, STRING, TYPES, foreign, mcap_file, read, string, written

from ttt_ros.bags.reader import BagReader
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import RecordingError

STORAGES = [
    *((StoragePlugin.MCAP, mode) for mode in CompressionMode),
    *((StoragePlugin.SQLITE3, mode) for mode in CompressionMode if mode is not CompressionMode.STORAGE),  # it has none of its own
]


@pytest.mark.parametrize("salvage", [False, True])
@pytest.mark.parametrize(("storage", "mode"), STORAGES)
def test_every_storage_and_compression_is_read(tmp_path: Path, storage: StoragePlugin, mode: CompressionMode, salvage: bool) -> None:
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection("/text", STRING, typestore=TYPES)
        for stamp in range(5):
            writer.write(topic, stamp, string(f"{stamp}"))
    with BagReader(tmp_path / "bag", salvage=salvage) as bag:
        assert [(topic.name, topic.message_type, topic.count) for topic in bag.topics] == [("/text", STRING, 5)]
        assert list(bag.messages()) == [("/text", STRING, stamp, string(f"{stamp}")) for stamp in range(5)]
        assert (bag.start, bag.duration, bag.damage) == (0, 4e-9, "")


@pytest.mark.parametrize("salvage", [False, True])
def test_a_file_of_sqlite_is_read_without_its_folder(tmp_path: Path, salvage: bool) -> None:
    with Writer(tmp_path / "bag", version=8) as writer:
        writer.write(writer.add_connection("/text", STRING, typestore=TYPES), 7, string("seven"))
    with BagReader(tmp_path / "bag" / "bag.db3", salvage=salvage) as bag:
        assert list(bag.messages()) == [("/text", STRING, 7, string("seven"))]


def split_bag(folder: Path) -> Path:
    """Three files, and a metadata.yaml that names them as ``ros2 bag record --max-bag-size`` does."""
    for number, first in enumerate((0, 100, 200)):
        bag = written(folder / f"part{number}", messages=100, size=100, first=first)
        mcap_file(bag).rename(folder / f"split_{number}.mcap")
    metadata = (folder / "part0" / "metadata.yaml").read_text()
    metadata = metadata.replace(
        "relative_file_paths:\n  - part0.mcap", "".join(["relative_file_paths:", *(f"\n  - split_{n}.mcap" for n in range(3))])
    )
    (folder / "metadata.yaml").write_text(
        metadata.replace("message_count: 100", "message_count: 300").replace("nanoseconds: 99", "nanoseconds: 299")
    )
    for number in range(3):
        shutil.rmtree(folder / f"part{number}")
    return folder


@pytest.mark.parametrize("salvage", [False, True])
def test_split_files_are_one_bag(tmp_path: Path, salvage: bool) -> None:
    with BagReader(split_bag(tmp_path), salvage=salvage) as bag:
        assert [message.stamp for message in bag.messages()] == list(range(300))
        assert (bag.topics[0].count, bag.duration, bag.damage) == (300, 299e-9, "")


def test_a_missing_file_of_a_split_bag_is_said(tmp_path: Path) -> None:
    (split_bag(tmp_path) / "split_1.mcap").unlink()
    messages, damage = read(tmp_path)
    assert [message.stamp for message in messages] == [*range(100), *range(200, 300)]
    assert damage == "split_1.mcap is missing"


@settings(max_examples=20, deadline=None)
@given(times=st.lists(st.integers(min_value=0, max_value=2**62), min_size=1, max_size=40), size=st.sampled_from([1, 400_000]))
def test_a_sound_bag_is_read_as_strictly(tmp_path_factory: pytest.TempPathFactory, times: list[int], size: int) -> None:
    path = tmp_path_factory.mktemp("bags") / "bag"
    with BagWriter(path, message_packages={}) as writer:
        writer.add_topic("/a", STRING, qos=QOS)
        writer.add_topic("/b", STRING, qos=QOS)
        for index, stamp in enumerate(times):
            writer.write("/b" if index % 2 else "/a", stamp, string(f"{index}" + "x" * size))
    with BagReader(path) as strict, BagReader(path, salvage=True) as salvaged:
        assert (salvaged.topics, salvaged.start, salvaged.duration, salvaged.damage) == (strict.topics, strict.start, strict.duration, "")
        assert list(salvaged.messages()) == list(strict.messages())
        assert list(salvaged.messages(["/a"])) == list(strict.messages(["/a"]))
        assert list(salvaged.messages([])) == []


def test_of_a_bag_with_an_index_no_chunk_is_read_before_its_messages_are_asked_for(tmp_path: Path) -> None:
    path = foreign(tmp_path / "bag.mcap", compression=CompressionType.NONE)
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF  # the checksum of its chunk tells, once it is read
    path.write_bytes(content)
    with BagReader(path, salvage=True) as bag:
        assert bag.damage == ""
        assert len(list(bag.messages())) < 1000
        assert "bag.mcap is corrupt at byte" in bag.damage


@pytest.mark.parametrize("by", [16, 1 << 63])
@pytest.mark.parametrize("field", ["chunk_start_offset", "chunk_length", "message_start_time", "message_end_time"])
def test_an_index_that_contradicts_the_file_is_not_believed(tmp_path: Path, field: str, by: int) -> None:
    path = foreign(tmp_path / "bag.mcap", compression=CompressionType.NONE)
    with path.open("rb") as indexed:
        index = make_reader(indexed).get_summary().chunk_indexes[3]
    fields = (index.message_start_time, index.message_end_time, index.chunk_start_offset, index.chunk_length)
    garbled = dataclasses.replace(index, **{field: getattr(index, field) + by})
    wrong = (garbled.message_start_time, garbled.message_end_time, garbled.chunk_start_offset, garbled.chunk_length)
    path.write_bytes(path.read_bytes().replace(struct.pack("<QQQQ", *fields), struct.pack("<QQQQ", *wrong)))
    messages, damage = read(path)
    assert [message.stamp for message in messages] == list(range(1000))
    assert damage == ""


def test_topics_of_other_systems_are_left_out_and_said(tmp_path: Path) -> None:
    with (tmp_path / "bag.mcap").open("wb") as file:
        writer = McapWriter(file)
        writer.start(profile="")
        schema = writer.register_schema(name=STRING, encoding="ros2msg", data=b"string data")
        for topic, encoding in (("/text", "cdr"), ("/json", "json")):
            channel = writer.register_channel(topic=topic, message_encoding=encoding, schema_id=schema)
            writer.add_message(channel, log_time=5, publish_time=5, data=string("five"))
        writer.finish()
    messages, damage = read(tmp_path / "bag.mcap")
    assert messages == [("/text", STRING, 5, string("five"))]
    assert damage == "/json of bag.mcap are left out, since they carry no ROS messages"


def test_a_bag_with_one_message_is_read(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag", messages=1, first=9), salvage=True) as bag:
        assert [message.stamp for message in bag.messages()] == [9]
        assert (bag.start, bag.duration) == (9, 0.0)


def test_a_missing_topic_is_refused_also_when_salvaging(tmp_path: Path) -> None:
    with (
        BagReader(written(tmp_path / "bag", messages=1), salvage=True) as bag,
        pytest.raises(RecordingError, match="no topic /camera; it has /text"),
    ):
        bag.messages(["/camera"])


def test_an_empty_bag_is_refused_also_when_salvaging(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no message; check that its topics were published"):
        BagReader(written(tmp_path / "bag", messages=0), salvage=True)
