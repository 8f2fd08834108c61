"""Bags of numbered messages, as this package and the recorder of ROS write them."""

from pathlib import Path

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from ttt_ros.bags.message_types import message_types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.bags.writer import BagWriter

STRING = "std_msgs/msg/String"
QOS = OfferedQos(reliable=True, latched=True, depth=1)
TYPES = message_types(message_packages={})


def string(text: str) -> bytes:
    return bytes(TYPES.serialize_cdr(TYPES.types[STRING](data=text), STRING))


def written(path: Path, *, messages: int = 300, size: int = 20_000, first: int = 0) -> Path:
    """A bag of several chunks; the messages are numbered by their stamps."""
    with BagWriter(path, message_packages={}) as bag:
        bag.add_topic("/text", STRING, qos=QOS)
        for stamp in range(first, first + messages):
            bag.write("/text", stamp, string(f"{stamp} " + "x" * size))
    return path


def mcap_file(bag: Path) -> Path:
    return next(bag.glob("*.mcap"))


def read(path: Path) -> tuple[list[BagMessage], str]:
    with BagReader(path, salvage=True) as bag:
        messages = list(bag.messages())
        return messages, bag.damage


def foreign(path: Path, *, compression: CompressionType, chunks: bool = True, summary: bool = True) -> Path:
    """A thousand messages with checksums, as the recorder of ROS writes them."""
    with path.open("wb") as file:
        writer = McapWriter(
            file,
            chunk_size=4000,
            compression=compression,
            use_chunking=chunks,
            use_statistics=summary,
            use_summary_offsets=summary,
            repeat_channels=summary,
            repeat_schemas=summary,
        )
        writer.start(profile="ros2")
        schema = writer.register_schema(name=STRING, encoding="ros2msg", data=b"string data")
        channel = writer.register_channel(topic="/text", message_encoding="cdr", schema_id=schema)
        for stamp in range(1000):
            writer.add_message(channel, log_time=stamp, publish_time=stamp, data=string(f"{stamp * 7919} {stamp**7}"))
        writer.finish()
    return path
