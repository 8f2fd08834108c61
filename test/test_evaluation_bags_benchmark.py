"""The benchmark of evaluating on bags measures what it says."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from ttt_ros.evaluation.bags import benchmark


def test_it_writes_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 5, "SPEED_SECONDS": 2.0, "FRAMES": 20, "SMALL_BAG": 60_000_000, "LARGE_BAG": 120_000_000}.items():
        monkeypatch.setattr(benchmark, name, value)
    result = benchmark.run_bag_benchmark(tmp_path, Console(quiet=True))
    written = json.loads((tmp_path / "bench_bags.json").read_text())
    assert written["overhead"].keys() == written["overhead_of_seen"].keys() == written["speed"].keys() == {"raw", "jpeg"}
    assert all(ratio > 0.4 for ratio in result.overhead.values())
    assert all(ratio > 0.8 for ratio in result.overhead_of_seen.values())
    assert result.memory < 1.3
