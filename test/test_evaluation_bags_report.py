"""What an evaluation on bags leaves: results that fit their schema, a page that needs no other file, plots and signals on topics."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from synthetic_bags import CONFIG, GOOD, JOINTS, PERIOD, examinations, found, records, with_joints

from ttt_ros.bags.message_types import message_types
from ttt_ros.bags.reader import BagReader
from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.bags.findings import findings
from ttt_ros.evaluation.bags.page import rendered
from ttt_ros.evaluation.bags.report import write_report
from ttt_ros.evaluation.bags.results import read_results, results, schema, shipped_schema, write_results
from ttt_ros.evaluation.bags.signals import MODES, TYPES, definitions, topic_of, write_signals
from ttt_ros.evaluation.bags.thresholds import Thresholds
from ttt_ros.evaluation.bags.verdict import judged

CONFIGS = Path(__file__).parent.parent / "config"
LIVE = {"/policy/adaptation_status": "ttt_ros/msg/AdaptationStatus", "/safeguard/state": "ttt_ros/msg/SafeguardState"}
FAILURE = "bag <broken>: it has no metadata.yaml"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a failing evaluation of two bags."""
    folder = tmp_path_factory.mktemp("evaluation")
    arms = {**GOOD, "adapting": replace(GOOD["adapting"], loss=1.4, committed=0.3)}
    seen, invented = with_joints(shoulder_lift={"gain": 1.2}), records(arms)
    figures = findings(seen, invented, config=CONFIG, joints=JOINTS, period=PERIOD)
    verdict = judged(figures, seen, Thresholds(), failures=[FAILURE])
    write_report(figures, verdict, seen, invented, folder, failures=[FAILURE])
    return folder


class _Text(HTMLParser):
    """The words of a page, and what it would load from elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "srcset") or (tag == "link" and name == "href")]


def test_the_page_holds_every_arm_every_line_and_every_cause_and_needs_no_other_file(out: Path) -> None:
    page = _Text((out / "report.html").read_text())
    text = " ".join(" ".join(page.words).split())
    whole = read_results(out / "results.json")
    for label in whole.findings.labels.values():
        assert label in text
    for line in whole.verdict.lines:
        assert line.name[1:] in text
        assert line.cause in text
        assert line.limit in text
    assert len(whole.verdict.failed) >= 4
    assert FAILURE in text
    assert "weak evidence" in text
    assert all(each.startswith("data:image/png;base64,") for each in page.loaded)
    assert text.index(whole.verdict.sentence) < text.index("Every arm got")


def test_every_plot_is_a_file_and_on_the_page(out: Path) -> None:
    names = {path.stem for path in (out / "plots").glob("*.png")}
    assert names == {"differences", "loss_by_tenth", "action_error", "joints", "over_time_monday", "over_time_tuesday"}
    assert all(path.read_bytes().startswith(PNG) for path in (out / "plots").iterdir())
    assert (out / "report.html").read_text().count("<img") == len(names)


def test_nothing_unfinished_is_left(out: Path) -> None:
    assert not [path for path in out.rglob("*") if "unfinished" in path.name]


def test_the_results_fit_the_shipped_schema_and_read_back(out: Path) -> None:
    values = json.loads((out / "results.json").read_text())
    jsonschema.validate(values, shipped_schema())
    assert values["passed"] is False
    assert read_results(out / "results.json").findings.whole.name == "all bags"


def test_the_shipped_schema_is_that_of_the_code() -> None:
    jsonschema.Draft202012Validator.check_schema(shipped_schema())
    assert shipped_schema() == json.loads(json.dumps(schema())), "write ttt_ros.evaluation.bags.results.schema() to schema.json again"


def test_a_figure_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    figures = found(bags=("monday",))
    broken = replace(figures, period=float("nan"))
    whole = results(broken, judged(figures, examinations(("monday",)), Thresholds()), examinations(("monday",)))
    with pytest.raises(RecordingError, match="not finite"):
        write_results(tmp_path / "results.json", whole)
    assert list(tmp_path.iterdir()) == []


def test_values_that_do_not_fit_the_schema_are_refused_by_name(tmp_path: Path) -> None:
    figures = found(bags=("monday",))
    broken = replace(figures, whole=replace(figures.whole, blocks=-1))
    whole = results(broken, judged(figures, examinations(("monday",)), Thresholds()), examinations(("monday",)))
    with pytest.raises(RecordingError, match=r"findings\.whole\.blocks"):
        write_results(tmp_path / "results.json", whole)


def test_the_same_findings_give_the_same_page(out: Path) -> None:
    whole = read_results(out / "results.json")
    assert rendered(whole, light={}, dark={}) == rendered(whole, light={}, dark={})


def test_a_page_without_commands_or_windows_can_be_drawn(tmp_path: Path) -> None:
    invented = {
        bag: [replace(record, windows=()) for record in arms]
        for bag, arms in records(bags=("monday",), commanded=False, seconds=10).items()
    }
    seen = examinations(("monday",))
    figures = findings(seen, invented, config=CONFIG, joints=JOINTS, period=PERIOD)
    write_report(figures, judged(figures, seen, Thresholds()), seen, invented, tmp_path)
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"differences", "over_time_monday"}


def test_the_signals_are_those_of_the_records_in_the_clock_of_the_bag(out: Path) -> None:
    types = message_types(message_packages={"ttt_ros": definitions()})
    adapting = next(record for record in records()["monday"] if record.header.arm.name == "adapting")
    with BagReader(out / "signals" / "monday") as bag:
        assert {topic.name: topic.message_type for topic in bag.topics} == {
            topic_of(arm, signal): kind for arm in GOOD for signal, kind in TYPES.items()
        }
        stamps = [message.stamp for message in bag.messages()]
        statuses = [
            types.deserialize_cdr(message.cdr, message.message_type)
            for message in bag.messages([topic_of("adapting", "adaptation_status")])
        ]
        modes = [types.deserialize_cdr(message.cdr, message.message_type).data for message in bag.messages([topic_of("adapting", "mode")])]
        errors = [message.stamp for message in bag.messages([topic_of("adapting", "action_error")])]
    assert stamps == sorted(stamps)
    assert [status.header.stamp.sec * 10**9 + status.header.stamp.nanosec for status in statuses] == [row.stamp for row in adapting.windows]
    assert [status.drift for status in statuses] == [row.drift for row in adapting.windows]
    assert modes == [3, 0]
    assert errors == [row.stamp for row in adapting.chunks]


def test_a_figure_that_was_not_computed_is_minus_one_as_the_message_says(tmp_path: Path) -> None:
    (record,) = records({"frozen": GOOD["frozen"]}, bags=("monday",), seconds=5)["monday"]
    unknown = replace(record, windows=tuple(replace(row, loss=None, gradient_norm=None) for row in record.windows))
    write_signals(tmp_path / "signals", [unknown])
    types = message_types(message_packages={"ttt_ros": definitions()})
    with BagReader(tmp_path / "signals") as bag:
        for message in bag.messages([topic_of("frozen", "adaptation_status")]):
            status = types.deserialize_cdr(message.cdr, message.message_type)
            assert (status.prediction_loss, status.gradient_norm) == (-1.0, -1.0)


def test_signals_are_written_over_those_of_an_earlier_run(tmp_path: Path) -> None:
    (record,) = records({"frozen": GOOD["frozen"]}, bags=("monday",), seconds=5)["monday"]
    write_signals(tmp_path / "monday", [record])
    write_signals(tmp_path / "monday", [record])
    assert [path.name for path in tmp_path.iterdir()] == ["monday"]


def test_the_numbers_of_the_modes_are_those_of_the_message() -> None:
    constants = dict(re.findall(r"^uint8 (\w+)=(\d)", (definitions() / "SafeguardState.msg").read_text(), re.MULTILINE))
    assert {name.lower(): int(number) for name, number in constants.items()} == MODES


def _named_in_foxglove() -> Iterator[str]:
    """Topic and field of everything that the layout shows, with a stroke between them."""
    for panel in json.loads((CONFIGS / "foxglove_layout.json").read_text())["configById"].values():
        yield from (path["value"].replace(".", "/") for path in panel.get("paths", ()))
        if "topicPath" in panel:
            yield panel["topicPath"]


def _named_in_plotjuggler() -> Iterator[str]:
    for curve in ElementTree.parse(CONFIGS / "plotjuggler_layout.xml").getroot().iter("curve"):
        yield curve.attrib["name"]


@pytest.mark.parametrize("named", [_named_in_foxglove, _named_in_plotjuggler])
def test_the_layouts_name_only_topics_and_fields_that_there_are(out: Path, named: Any) -> None:
    types = message_types(message_packages={"ttt_ros": definitions()})
    with BagReader(out / "signals" / "monday") as bag:
        topics = {topic.name: topic.message_type for topic in bag.topics if topic.name.startswith(("/frozen/", "/adapting/"))}
    topics |= LIVE
    shown = list(named())
    assert len(shown) >= 8
    for each in shown:
        topic = next((topic for topic in topics if each == topic or each.startswith(f"{topic}/")), None)
        assert topic, each
        field = each.removeprefix(topic).lstrip("/")
        assert not field or field in [name for name, _ in types.fielddefs[topics[topic]][1]], each


def test_every_panel_of_the_foxglove_layout_is_placed() -> None:
    layout = json.loads((CONFIGS / "foxglove_layout.json").read_text())

    def placed(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            yield from placed(node["first"])
            yield from placed(node["second"])

    assert sorted(placed(layout["layout"])) == sorted(layout["configById"])


def test_the_live_topics_of_the_layouts_are_those_that_the_nodes_publish() -> None:
    nodes = Path(__file__).parent.parent / "ttt_ros" / "nodes"
    assert '"~/adaptation_status"' in (nodes / "policy_node.py").read_text()
    assert '"~/state"' in (nodes / "safeguard_node.py").read_text()
