"""A journal tells everything up to the moment at which its writer died, and notices whatever was changed since."""

import base64
import json
import math
import re
import resource
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapting import learner_on, shifted_window, store_of, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from small_policy import SmallPolicy, observation, stream

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import Journal, read_journal
from ttt_ros.adaptation.machine import Machine, this_machine
from ttt_ros.adaptation.origin import Origin, Passage, content_digest
from ttt_ros.adaptation.recorded_sample import RecordedSample
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.sketch import sketch
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.errors import JournalError

LEARNER = learner_on(SmallPolicy())
WINDOW = shifted_window()
REPORT = LEARNER.adapt(WINDOW, epoch=0)


def begun(path: Path) -> Journal:
    return Journal(
        path,
        configuration=AdaptationConfig(),
        base_checksum="base",
        version=store_of(SmallPolicy()).base,
        inference_threads=2,
        seed=7,
        package_version="1.0",
    )


def write(journal: Journal, report: WindowReport = REPORT) -> None:
    journal.window(report, window=WINDOW, permitted=True, current=LEARNER.store.current)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    journal = begun(path)
    for sequence in (1, 2, 3):
        write(journal, replace(REPORT, window_sequence=sequence))
    journal.close()
    return path


def test_what_was_written_is_read_back(tmp_path: Path):
    learner = learner_on(SmallPolicy())
    journal = begun(tmp_path / "journal")
    write(journal, learner.adapt(shifted_window(), epoch=0))
    journal.configuration(AdaptationConfig(learning_rate=0.2))
    journal.rollback(learner.store.rollback(), epoch=1)
    journal.reset(learner.store.reset(), epoch=2)
    journal.close()
    contents = read_journal(tmp_path / "journal")
    assert contents.start["configuration"]["objectives"] == {"features": 1.0, "proprioception": 1.0}
    assert (contents.start["base_checksum"], contents.start["seed"], contents.start["package_version"]) == ("base", 7, "1.0")
    assert (contents.start["version"], contents.start["checksum"]) == (0, learner.store.base.checksum)
    assert contents.start["inference_threads"] == 2
    assert Machine(**contents.start["machine"]) == this_machine(torch.device("cpu"))
    assert contents.start["machine"]["torch"] == torch.__version__
    assert [record["kind"] for record in contents.records] == ["window", "configuration", "rollback", "reset"]
    window = contents.records[0]
    assert window["stamps"] == list(range(8))
    assert window["committed"]
    assert window["prediction_loss"] > 0.0
    assert contents.records[3] == {"kind": "reset", "epoch": 2, "version": 0, "checksum": learner.store.base.checksum}
    assert not contents.torn


def test_every_line_is_json(written: Path):
    assert [json.loads(line)["kind"] for line in written.read_text().splitlines()] == ["start", "window", "window", "window"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_figures_that_json_lacks_survive(tmp_path: Path, value: float):
    journal = begun(tmp_path / "journal")
    write(journal, replace(REPORT, gradient_norm=value, action_deviation=None))
    record = read_journal(tmp_path / "journal").records[0]
    assert str(float(record["gradient_norm"])) == str(value)
    assert record["action_deviation"] is None


def test_an_existing_file_is_not_overwritten(written: Path):
    with pytest.raises(JournalError, match="File exists; give a new file"):
        begun(written)
    assert len(read_journal(written).records) == 3


def test_a_killed_writer_leaves_a_readable_journal(tmp_path: Path):
    path = tmp_path / "journal"
    program = """
import sys
from pathlib import Path
from test_adaptation_journal import begun, write

journal = begun(Path(sys.argv[1]))
while True:
    write(journal)
    print("written", flush=True)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    confirmed = [writer.stdout.readline() for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    confirmed += writer.stdout.readlines()
    writer.stdout.close()
    contents = read_journal(path)
    assert len(contents.records) >= len([line for line in confirmed if line == "written\n"]) >= 50
    assert contents.records[-1]["checksum"] == REPORT.checksum


def test_a_torn_last_line_is_left_out_and_reported_wherever_it_was_torn(written: Path):
    raw = written.read_bytes()
    begin = raw[:-1].rindex(b"\n") + 1
    for end in (begin + 1, begin + 20, len(raw) - 12, len(raw) - 2):
        written.write_bytes(raw[:end])
        contents = read_journal(written)
        assert [record["window_sequence"] for record in contents.records] == [1, 2]
        assert f"line 4 of {written} is incomplete" in contents.torn


@settings(deadline=None, derandomize=True, max_examples=60)
@given(place=st.floats(0.0, 1.0), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed(tmp_path_factory, place: float, flip: int):
    path = tmp_path_factory.mktemp("changed") / "journal"
    journal = begun(path)
    for _ in range(2):
        write(journal)
    journal.close()
    raw = bytearray(path.read_bytes())
    index = int(place * (len(raw) - 2))
    raw[index] ^= flip
    path.write_bytes(raw)
    try:
        contents = read_journal(path)
    except JournalError:
        return
    assert contents.torn
    assert len(contents.records) == 1


def test_a_missing_line_is_noticed(written: Path):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join(lines[:2] + lines[3:] + lines[:1]))
    with pytest.raises(JournalError, match=r"line 3 of journal .* is damaged"):
        read_journal(written)


@pytest.mark.parametrize("content", [b"", b'{"kind":"sta', b"what is this?\n"])
def test_a_file_without_a_sound_first_record_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(JournalError, match="line 1"):
        read_journal(tmp_path / "journal")


def test_a_missing_file_is_refused_in_words(tmp_path: Path):
    with pytest.raises(JournalError, match="No such file"):
        read_journal(tmp_path / "none")


def test_a_full_disk_fails_the_journal_for_good_and_spares_what_was_written(tmp_path: Path):
    path = tmp_path / "journal"
    journal = begun(path)
    write(journal)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(JournalError, match=r"only 100 of [0-9]+ bytes found room"):
            write(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(JournalError, match="start a new run with a new journal"):
        write(journal)
    contents = read_journal(path)
    assert len(contents.records) == 1
    assert contents.torn


def test_a_closed_journal_takes_no_more(tmp_path: Path):
    journal = begun(tmp_path / "journal")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="it was closed"):
        write(journal)


def test_every_figure_of_a_report_is_in_the_journal(written: Path):
    beside = {"kind", "permitted", "first", "fresh", "new", "sketch"}
    assert read_journal(written).records[0].keys() == {*beside, *WindowReport.__dataclass_fields__}


def test_each_transition_is_written_down_once_with_where_it_came_from(tmp_path: Path):
    journal = begun(tmp_path / "journal")
    seen = [replace(observation(seed=place), sources={"front": place, "joint_states": place}) for place in range(7)]
    transitions = list(stream(SmallPolicy(), 6))
    sliding = TransitionWindow(size=3, minimum=2)
    for place, transition in enumerate(transitions):
        passage = Passage(Origin.of(seen[place]), Origin.of(seen[place + 1]))
        window = sliding.push(transition, stamp=place, passage=passage)
        if window is not None and place != 2:  # the window of that place was dropped on the way
            journal.window(REPORT, window=window, permitted=False, current=LEARNER.store.current)
    records = read_journal(tmp_path / "journal").records
    assert [record["first"] for record in records] == [0, 1, 2, 3]
    assert [record["fresh"] for record in records] == [2, 1, 1, 1]
    assert not any(record["permitted"] for record in records)
    samples = [RecordedSample.from_json(each) for record in records for each in record["new"]]
    assert [sample.number for sample in samples] == list(range(6))
    for place, (sample, transition) in enumerate(zip(samples, transitions, strict=True)):
        assert sample.executed.equal(transition.executed[0])
        assert sample.steps == int(transition.steps)
        assert sample.passage == Passage(Origin.of(seen[place]), Origin.of(seen[place + 1]))
        assert sample.passage.after.sources["front"] == (place + 1, content_digest(seen[place + 1].images["front"]))
        assert sample.passage.after.sources["joint_states"] == (place + 1, content_digest(seen[place + 1].joint_positions))


def test_a_digest_tells_one_grey_level_in_one_pixel():
    image = observation().images["front"]
    changed = image.clone()
    changed[3, 4, 1] += 1
    assert content_digest(image) == content_digest(image.clone()) != content_digest(changed)


def test_the_sketch_is_that_of_the_committed_weights_or_empty(tmp_path: Path):
    journal = begun(tmp_path / "journal")
    write(journal)
    write(journal, replace(REPORT, committed=False))
    journal.window(REPORT, window=WINDOW, permitted=True, current=LEARNER.store.base)  # taken back before it was written down
    sketches = [tuple(record["sketch"]) for record in read_journal(tmp_path / "journal").records]
    assert sketches == [sketch(LEARNER.store.current.weights), (), ()]


def test_the_distance_of_sketches_is_near_that_of_the_weights():
    learner = learner_on(SmallPolicy())
    base = learner.store.base.weights
    for window in windows(stream(SmallPolicy(), 20, shift=1.0)):
        learner.adapt(window, epoch=0)
        weights = learner.store.current.weights
        distance = float(torch.stack([(weights[name] - base[name]).square().sum() for name in base]).sum().sqrt())
        assert math.dist(sketch(weights), sketch(base)) == pytest.approx(distance, rel=0.6)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 100])
def test_every_weight_is_in_one_sum_of_the_sketch(count: int):
    for place in range(count):
        found = sketch({"a": torch.eye(count)[place]})
        assert [abs(each) for each in found] == [float(index == place % 16) for index in range(16)]


def sealed(path: Path, *bodies: bytes) -> Path:
    """Lines with sound checksums, as somebody writes them who knows how."""
    crc, lines = 0, []
    for body in bodies:
        crc = zlib.crc32(body, crc)
        lines.append(body + f',"crc32":"{crc:08x}"}}\n'.encode())
    path.write_bytes(b"".join(lines))
    return path


def changed(line: bytes, change: dict[str, object]) -> bytes:
    record = json.loads(line)
    del record["crc32"]
    return json.dumps(record | change, separators=(",", ":")).encode()[:-1]


@pytest.mark.parametrize("body", [b"no json", b'{"kind": [}', b'{"kind": "\xff"', b'{"a":' + b"[" * 100_000, b'{"n": ' + b"9" * 5000])
def test_a_line_that_is_not_json_is_refused_although_its_checksum_fits(tmp_path: Path, body: bytes):
    with pytest.raises(JournalError, match=r"line 1 of journal .* is not JSON"):
        read_journal(sealed(tmp_path / "journal", body))


def test_a_line_longer_than_any_window_is_refused_without_reading_on():
    with pytest.raises(JournalError, match="line 1 of /dev/zero has more than 67108864 bytes; it is no journal"):
        read_journal(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "surprise"}, "line 2 of journal"),
        ({"kind": "surprise"}, "is of kind 'surprise', but this release knows start, window, configuration, reset, rollback"),
        ({"kind": ["window"]}, "is of kind ['window'], but this release knows"),
        ({"committed": 1}, "'committed' = 1: Input should be a valid boolean"),
        ({"samples": -1}, "'samples' = -1"),
        ({"version": 2**64}, "'version' = "),
        ({"implausible": "none"}, "'implausible' = 'none'"),
        ({"queue_depth": None}, "'queue_depth' = None"),
        ({"surprise": 1}, "'surprise' = 1"),
        ({"sketch": [0.0] * 1000}, "'sketch'"),
        ({"new": 7}, "'new' = 7"),
        ({"new": [{}]}, "'new.0.number'"),
        ({"prediction_loss": "much"}, "'prediction_loss"),
    ],
)
def test_a_record_that_no_journal_has_is_refused_by_line_and_field(written: Path, change: dict[str, object], words: str):
    start, window, *_ = written.read_bytes().splitlines()
    with pytest.raises(JournalError, match=re.escape(words)):
        read_journal(sealed(written, changed(start, {}), changed(window, change)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inference_threads": 10**9}, "'inference_threads' = 1000000000"),
        ({"machine": {}}, "'machine.torch'"),
        ({"configuration": []}, "'configuration' = []"),
        ({"format": 2}, "is not a journal of format 3; its first record is start, format 2"),
        ({"kind": "reset"}, "is not a journal of format 3; its first record is reset, format 3"),
    ],
)
def test_a_start_that_no_journal_has_is_refused(written: Path, change: dict[str, object], words: str):
    start, *_ = written.read_bytes().splitlines()
    with pytest.raises(JournalError, match=re.escape(words)):
        read_journal(sealed(written, changed(start, change)))


def test_of_a_key_that_comes_twice_the_value_is_checked_that_is_used(written: Path):
    start, window, *_ = (changed(line, {}) for line in written.read_bytes().splitlines())
    with pytest.raises(JournalError, match="'samples' = -1"):
        read_journal(sealed(written, start, window + b',"samples":-1'))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [3, 3]}, "48 bytes of commands for 3 steps of 3 joints"),
        ({"executed": "?"}, "cannot be read"),
        ({"shape": [4]}, "cannot be read"),
        ({"steps": 5}, "5 of them executed"),
        ({"before": None}, "only one of its two observations"),
        ({"after": {}}, "cannot be read"),
    ],
)
def test_a_sample_whose_parts_do_not_fit_is_refused(change: dict[str, object], words: str):
    origin = {"stamp": 1, "instruction": "reach", "sources": {"front": [1, "00000000"]}}
    commands = base64.b64encode(bytes(48)).decode()
    values = {"number": 7, "before": origin, "after": origin, "executed": commands, "shape": [4, 3], "steps": 4}
    assert RecordedSample.from_json(values).steps == 4
    with pytest.raises(JournalError, match=re.escape(words)):
        RecordedSample.from_json(values | change)
