"""The benchmark measures what it says, on the session that the policy node runs."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from ttt_ros.evaluation import benchmark


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code in a few seconds."""
    for name, value in {"ROUNDS": 2, "TICKS_PER_ROUND": 60, "PACE": 0.01, "YOUNG": 20, "OLD": 100, "FRAMES": 20, "COPIES": 10}.items():
        monkeypatch.setattr(benchmark, name, value)


@pytest.mark.usefixtures("short")
def test_the_benchmark_writes_every_figure_and_adapts_only_where_it_says_so(tmp_path: Path) -> None:
    result = benchmark.run_benchmark(tmp_path, Console(quiet=True))
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["latencies"].keys() == result.latencies.keys()
    assert result.latencies["tick, adaptation off"].count == result.latencies["tick, adaptation on"].count == 120
    assert result.windows > 0
    assert result.latencies["adaptation step"].count == result.windows
    assert all(0 < latency.p50 <= latency.p99 for latency in result.latencies.values())
    assert {ratio.name for ratio in result.ratios} >= benchmark.TARGETS.keys()
    assert result.memory_growth > 0.5
