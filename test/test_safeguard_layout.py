"""The Foxglove layout that shows mode, reasons and signals of a running robot."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ttt_ros.bags.message_types import message_types

ROOT = Path(__file__).parent.parent
LAYOUT = json.loads((ROOT / "config" / "foxglove_safeguard.json").read_text())
TOPICS = {
    "/policy/adaptation_status": "ttt_ros/msg/AdaptationStatus",
    "/policy/action_chunk": "ttt_ros/msg/ActionChunk",
    "/policy/control_status": "ttt_ros/msg/ControlStatus",
    "/safeguard/state": "ttt_ros/msg/SafeguardState",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}


def shown() -> list[str]:
    panels = LAYOUT["configById"].values()
    paths = [path["value"] for panel in panels for path in panel.get("paths", ())]
    return paths + [panel[key] for panel in panels for key in ("topicPath", "topicToRender") if key in panel]


@pytest.mark.parametrize("path", shown())
def test_it_names_only_topics_and_fields_that_there_are(path: str) -> None:
    topic, _, field = path.partition(".")
    fields = message_types(message_packages={"ttt_ros": ROOT / "msg"}).fielddefs[TOPICS[topic]][1]
    assert not field or field in [name for name, _ in fields]


def test_every_panel_is_placed() -> None:
    def placed(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            yield from placed(node["first"])
            yield from placed(node["second"])

    assert sorted(placed(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


def test_its_topics_are_those_that_the_nodes_publish() -> None:
    nodes = ROOT / "ttt_ros" / "nodes"
    published = "".join((nodes / f"{node}_node.py").read_text() for node in ("policy", "safeguard"))
    for topic in TOPICS:
        name = re.sub(r"^/(policy|safeguard)/", "~/", topic)
        assert f'"{name}"' in published, topic
