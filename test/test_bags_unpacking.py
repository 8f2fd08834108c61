"""A few bytes that stand for gigabytes are not unpacked."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from ttt_ros.bags import unpacking
from ttt_ros.bags.reader import BagReader
from ttt_ros.bags.unpacking import unpacked_lz4, unpacked_zstd
from ttt_ros.errors import RecordingError

LIMIT = 1 << 20


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", LIMIT)


@pytest.mark.parametrize(
    ("pack", "unpack"), [(zstandard.ZstdCompressor().compress, unpacked_zstd), (lz4.frame.compress, unpacked_lz4)], ids=["zstd", "lz4"]
)
def test_what_unpacks_to_more_than_the_limit_is_refused_before_it_fills_the_memory(
    pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]
) -> None:
    assert unpack(pack(bytes(LIMIT))) == bytes(LIMIT)
    bomb = pack(bytes(100 * LIMIT))
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"more than {LIMIT} bytes unpacked"):
        unpack(bomb)
    assert tracemalloc.get_traced_memory()[1] < 5 * LIMIT
    tracemalloc.stop()


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.LZ4])
def test_a_chunk_that_unpacks_to_more_than_the_limit_is_left_out_and_said(tmp_path: Path, compression: CompressionType) -> None:
    path = tmp_path / "bomb.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file, compression=compression, chunk_size=1)
        writer.start(profile="ros2")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channel = writer.register_channel("/text", "cdr", schema)
        for stamp, size in enumerate((10, 20 * LIMIT, 10)):
            writer.add_message(channel, stamp, bytes(size), stamp)
        writer.finish()
    with BagReader(path, salvage=True) as bag:
        assert [message.stamp for message in bag.messages()] == [0, 2]
        assert f"more than {LIMIT} bytes unpacked" in bag.damage
    with BagReader(path) as bag, pytest.raises(RecordingError, match=f"more than {LIMIT} bytes unpacked"):
        list(bag.messages())
