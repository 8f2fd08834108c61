"""The catalogue of signals."""

import re
from pathlib import Path

import pytest

from ttt_ros.safeguard.signals import SIGNALS, Signal

MESSAGES = Path(__file__).parents[1] / "msg"

each_signal = pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda signal: signal.name)


@each_signal
def test_a_signal_says_what_is_measured_and_where_it_comes_from(signal: Signal) -> None:
    assert signal.definition
    assert signal.source


@each_signal
def test_a_field_that_a_signal_is_read_from_exists(signal: Signal) -> None:
    for message, field in re.findall(r"\b([A-Z]\w+)\.([a-z_]+)", signal.source):
        assert re.search(rf"^\S+ {field}\b", (MESSAGES / f"{message}.msg").read_text(encoding="utf-8"), re.MULTILINE), f"{message}.{field}"
