from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader, Writer
from rosbags.typesys import get_types_from_msg

from ttt_ros.bags.message_types import message_types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.reader import BagReader, BagTopic
from ttt_ros.bags.writer import BagWriter
from ttt_ros.errors import RecordingError

MESSAGES = Path(__file__).parent.parent / "msg"
PACKAGES = {"ttt_ros": MESSAGES}
SENSOR = OfferedQos(reliable=False, latched=False, depth=5)
LATCHED = OfferedQos(reliable=True, latched=True, depth=1)
STRING = "std_msgs/msg/String"


def string(text: str) -> bytes:
    """A serialized std_msgs/String."""
    types = message_types(message_packages={})
    return bytes(types.serialize_cdr(types.types[STRING](data=text), STRING))


HELLO = string("hello")


def written(path: Path, *, messages: int = 3, size: int = 1) -> Path:
    """A bag with one topic."""
    text = string("x" * size)
    with BagWriter(path, message_packages={}) as bag:
        bag.add_topic("/instruction", STRING, qos=LATCHED)
        for index in range(messages):
            bag.write("/instruction", index, text)
    return path


@pytest.mark.parametrize("distribution", ["humble", "jazzy", "kilted"])
def test_messages_come_back_with_topic_type_stamp_and_quality_of_service(tmp_path: Path, distribution: str) -> None:
    with BagWriter(tmp_path / "bag", message_packages=PACKAGES, distribution=distribution) as bag:
        bag.add_topic("/instruction", STRING, qos=LATCHED)
        bag.add_topic("/echo", STRING, qos=SENSOR)
        bag.write("/instruction", 1_000_000_000, string("touch the red cube"))
        bag.write("/echo", 3_500_000_000, string("touched"))
    with BagReader(tmp_path / "bag") as bag_read:
        assert bag_read.topics == (
            BagTopic(name="/echo", message_type=STRING, count=1, qos=SENSOR),
            BagTopic(name="/instruction", message_type=STRING, count=1, qos=LATCHED),
        )
        assert bag_read.start == 1_000_000_000
        assert bag_read.duration == 2.5
        assert list(bag_read.messages()) == [
            ("/instruction", STRING, 1_000_000_000, string("touch the red cube")),
            ("/echo", STRING, 3_500_000_000, string("touched")),
        ]


def test_the_messages_of_this_package_can_be_read_from_the_bag_alone(tmp_path: Path) -> None:
    own = sorted(f"ttt_ros/msg/{file.stem}" for file in MESSAGES.glob("*.msg"))
    assert {"ttt_ros/msg/ActionChunk", "ttt_ros/msg/AdaptationStatus", "ttt_ros/msg/SafeguardState"} <= set(own)
    with BagWriter(tmp_path / "bag", message_packages=PACKAGES) as bag:
        for message_type in own:
            bag.add_topic(f"/{message_type}", message_type, qos=SENSOR)
            bag.write(f"/{message_type}", 0, b"\x00\x01\x00\x00")
    with Reader(tmp_path / "bag") as reader:
        for connection in reader.connections:
            types = message_types(message_packages={})
            parsed = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            types.register({name: fields for name, fields in parsed.items() if name not in types.fielddefs})
            assert types.get_msgdef(connection.msgtype).fields


@settings(max_examples=20, deadline=None)
@given(stamps=st.lists(st.integers(min_value=0, max_value=2**62), min_size=1, max_size=40))
def test_messages_are_read_in_the_order_of_their_stamps_whatever_order_they_were_written_in(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("bags") / "bag"
    with BagWriter(path, message_packages={}) as bag:
        bag.add_topic("/a", STRING, qos=SENSOR)
        bag.add_topic("/b", STRING, qos=SENSOR)
        for index, stamp in enumerate(stamps):
            bag.write("/b" if index % 2 else "/a", stamp, HELLO)
    with BagReader(path) as reader:
        assert [message.stamp for message in reader.messages()] == sorted(stamps)
        assert [message.stamp for message in reader.messages(["/a"])] == sorted(stamps[::2])
        assert reader.duration == (max(stamps) - min(stamps)) / 1e9


def test_messages_beyond_one_chunk_of_the_file_are_read_in_order(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag", messages=300, size=20_000)) as bag:
        assert [message.stamp for message in bag.messages()] == list(range(300))


def test_an_empty_choice_of_topics_yields_nothing(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag")) as bag:
        assert list(bag.messages([])) == []


def test_a_bag_can_be_read_twice(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag")) as bag:
        assert list(bag.messages()) == list(bag.messages())


def test_what_was_written_before_an_exception_can_be_read(tmp_path: Path) -> None:
    def crashing() -> None:
        with BagWriter(tmp_path / "bag", message_packages={}) as bag:
            bag.add_topic("/a", STRING, qos=SENSOR)
            bag.write("/a", 5, HELLO)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crashing()
    with BagReader(tmp_path / "bag") as bag:
        assert [message.stamp for message in bag.messages()] == [5]


def test_a_bag_in_sqlite3_can_be_read(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=8) as bag:
        topic = bag.add_connection("/a", STRING, typestore=message_types(message_packages={}))
        bag.write(topic, 7, HELLO)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics == (BagTopic(name="/a", message_type=STRING, count=1, qos=None),)
        assert list(reader.messages()) == [("/a", STRING, 7, HELLO)]


def test_the_mcap_file_can_be_read_without_its_folder(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag") / "bag.mcap") as bag:
        assert len(list(bag.messages())) == 3


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no bag at"):
        BagReader(tmp_path / "bag")


def test_a_folder_without_metadata_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = written(tmp_path / "bag")
    (path / "metadata.yaml").unlink()
    with pytest.raises(RecordingError, match=r"no metadata\.yaml.*ros2 bag reindex"):
        BagReader(path)


@pytest.mark.parametrize(
    "metadata", ["", "{", "[]", "rosbag2_bagfile_information: {version: 9}", "rosbag2_bagfile_information: {version: 99}"]
)
def test_metadata_that_makes_no_sense_is_refused(tmp_path: Path, metadata: str) -> None:
    path = written(tmp_path / "bag")
    (path / "metadata.yaml").write_text(metadata)
    with pytest.raises(RecordingError, match="truncated or damaged"):
        BagReader(path)


def test_a_bag_whose_file_is_gone_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bag")
    (path / "bag.mcap").unlink()
    with pytest.raises(RecordingError, match=r"bag\.mcap"):
        BagReader(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bag")
    whole = (path / "bag.mcap").read_bytes()

    @settings(max_examples=60, deadline=None, database=None)
    @given(length=st.integers(min_value=0, max_value=len(whole) - 1))
    def check(length: int) -> None:
        (path / "bag.mcap").write_bytes(whole[:length])
        with pytest.raises(RecordingError, match="truncated or damaged"):
            BagReader(path)

    check()


def test_damage_found_while_reading_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bag", messages=300, size=20_000)
    content = bytearray((path / "bag.mcap").read_bytes())
    content[200_000:600_000] = bytes(b ^ 0xFF for b in content[200_000:600_000])
    (path / "bag.mcap").write_bytes(content)
    with BagReader(path) as bag, pytest.raises(RecordingError, match="truncated or damaged"):
        list(bag.messages())


def test_an_empty_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no message"):
        BagReader(written(tmp_path / "bag", messages=0))


def test_a_topic_that_is_not_in_the_bag_is_refused_and_the_others_named(tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag")) as bag, pytest.raises(RecordingError, match="no topic /camera; it has /instruction"):
        bag.messages(["/camera"])


def test_a_topic_with_two_types_is_refused(tmp_path: Path) -> None:
    types = message_types(message_packages={})
    with Writer(tmp_path / "bag", version=9) as bag:
        for message_type in (STRING, "std_msgs/msg/Bool"):
            bag.write(bag.add_connection("/a", message_type, typestore=types), 0, HELLO)
    with BagReader(tmp_path / "bag") as reader, pytest.raises(RecordingError, match="has the types std_msgs/msg/Bool, std_msgs/msg/String"):
        _ = reader.topics


def test_an_existing_path_is_never_written_over(tmp_path: Path) -> None:
    path = written(tmp_path / "bag")
    with pytest.raises(RecordingError, match="exists already"):
        BagWriter(path, message_packages={})
    with BagReader(path) as bag:
        assert len(list(bag.messages())) == 3


def test_an_unknown_type_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", message_packages={}) as bag, pytest.raises(RecordingError, match="message_packages"):
        bag.add_topic("/chunk", "ttt_ros/msg/ActionChunk", qos=SENSOR)


def test_a_topic_is_added_once_and_before_it_is_written(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", message_packages={}) as bag:
        with pytest.raises(RecordingError, match="add_topic first"):
            bag.write("/a", 0, HELLO)
        bag.add_topic("/a", STRING, qos=SENSOR)
        with pytest.raises(RecordingError, match="already in the bag"):
            bag.add_topic("/a", STRING, qos=SENSOR)


@pytest.mark.parametrize("stamp", [-1, 2**63])
def test_a_stamp_out_of_range_is_refused(tmp_path: Path, stamp: int) -> None:
    with BagWriter(tmp_path / "bag", message_packages={}) as bag:
        bag.add_topic("/a", STRING, qos=SENSOR)
        with pytest.raises(RecordingError, match=str(stamp)):
            bag.write("/a", stamp, HELLO)


def test_nothing_is_written_after_closing(tmp_path: Path) -> None:
    bag = BagWriter(tmp_path / "bag", message_packages={})
    bag.add_topic("/a", STRING, qos=SENSOR)
    bag.close()
    bag.close()
    with pytest.raises(RecordingError, match="is closed"):
        bag.write("/a", 0, HELLO)
    with pytest.raises(RecordingError, match="is closed"):
        bag.add_topic("/b", STRING, qos=SENSOR)


def test_a_path_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(RecordingError, match="cannot make the bag"):
        BagWriter(tmp_path / "occupied" / "bag", message_packages={})


def test_an_unknown_distribution_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="'noetic' is unknown; use one of humble, jazzy, kilted"):
        BagWriter(tmp_path / "bag", message_packages={}, distribution="noetic")


def test_a_folder_without_message_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no \.msg file of package ttt_ros"):
        message_types(message_packages={"ttt_ros": tmp_path})


def test_a_malformed_message_definition_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Broken.msg").write_text("float64 9lives\n")
    with pytest.raises(RecordingError, match=r"Broken\.msg"):
        message_types(message_packages={"ttt_ros": tmp_path})


def test_a_definition_that_uses_an_unknown_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Outer.msg").write_text("other_msgs/Inner inner\n")
    with BagWriter(tmp_path / "bag", message_packages={"ttt_ros": tmp_path}) as bag, pytest.raises(RecordingError, match="/outer"):
        bag.add_topic("/outer", "ttt_ros/msg/Outer", qos=SENSOR)


def test_a_bag_whose_description_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "bag")
    metadata = tmp_path / "bag" / "metadata.yaml"
    content = metadata.read_text(encoding="utf-8")
    assert "nanoseconds: 2" in content
    metadata.write_text(content.replace("nanoseconds: 2", "nanoseconds: -5"), encoding="utf-8")
    with pytest.raises(RecordingError, match=r"says that it ends \d ns before it starts; its description is damaged"):
        BagReader(tmp_path / "bag")
