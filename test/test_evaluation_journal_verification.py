"""A journal is verified against the bag of its run, bit for bit."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from example_policies import INSTRUCTIONS
from recorded_bench import ADAPTATION, RecordedBench, streams
from small_policy import SmallPolicy
from verified_journals import TICKS, recorded, sealed, verified, windows, with_another_rate

from ttt_ros.adaptation.thread import torch_threads
from ttt_ros.evaluation.journal_verification import DEVIATION_LIMIT, Outcome, verify
from ttt_ros.policies.checkpoint import load_policy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``journal`` and ``bag``."""
    return recorded(tmp_path_factory.mktemp("run"))


def test_the_weights_of_a_run_are_computed_again_bit_for_bit(run: Path) -> None:
    result = verified(run)
    assert result.outcome is Outcome.IDENTICAL
    assert result.verified == result.windows == len(windows(run)) >= 15
    assert result.commits >= 10
    assert result.deviation == 0.0
    assert str(result).startswith(f"identical: {result.windows} of {result.windows} windows verified")


@pytest.mark.parametrize("adaptation", [{"ridge": 1.0, "objectives": {"features": 1.0}}, {"momentum": 0.5}, {"drift_limit": 1e-3}])
def test_every_kind_of_step_is_computed_again(tmp_path: Path, adaptation: dict[str, Any]) -> None:
    bench = RecordedBench(tmp_path, adaptation=replace(ADAPTATION, **adaptation))
    bench.run(TICKS)
    bench.close()
    result = verified(tmp_path)
    assert result.outcome is Outcome.IDENTICAL
    assert result.commits >= 10


def test_a_run_that_was_killed_is_verified_up_to_its_last_record(run: Path, tmp_path: Path) -> None:
    """The run in the other process sees the same as ``run``."""
    program = """
import sys
from pathlib import Path
from recorded_bench import RecordedBench

bench = RecordedBench(Path(sys.argv[1]), threaded=True)
bench.run_until_reports(10)
print("ran", flush=True)
sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ran\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(windows(tmp_path)) >= 10
    result = verified(tmp_path, bag=run / "bag")
    assert (result.outcome, result.difference) == (Outcome.IDENTICAL, "")


def test_a_torn_journal_is_verified_up_to_where_it_was_torn(run: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes((run / "journal").read_bytes()[:-40])
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.IDENTICAL
    assert result.verified == len(windows(run)) - 1
    assert "incomplete" in str(result)


class _Counting(SmallPolicy):
    """Notes with how many torch threads it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def encode(self, observation):
        self.threads.add(torch.get_num_threads())
        return super().encode(observation)


def test_observations_are_encoded_with_as_many_threads_as_in_the_run(tmp_path: Path) -> None:
    with torch_threads(3):
        bench = RecordedBench(tmp_path)
        bench.run(TICKS)
        bench.close()
    policy = _Counting()
    assert verified(tmp_path, policy=policy).outcome is Outcome.IDENTICAL
    assert policy.threads == {3}


def test_a_journal_without_a_window_verifies_nothing(tmp_path: Path) -> None:
    bench = RecordedBench(tmp_path)
    bench.run(2)
    bench.close()
    result = verified(tmp_path)
    assert (result.outcome, result.verified) == (Outcome.UNVERIFIED, 0)
    assert "no window" in str(result)


VERIFYING = """
import sys
from pathlib import Path
from recorded_bench import streams
from ttt_ros.evaluation.journal_verification import verify
from ttt_ros.policies.checkpoint import load_policy

policy, folder = load_policy(Path(sys.argv[1])), Path(sys.argv[2])
result = verify(folder / "journal", folder / "bag", policy, streams(policy))
print(result.outcome.name, result.deviation, result.elsewhere, result.difference, sep="|")
"""


@pytest.fixture(scope="module")
def built_in_run(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny built-in policy, which sees through two cameras."""
    folder = tmp_path_factory.mktemp("built_in")
    adaptation = replace(ADAPTATION, gradient_limit=1e6, drift_limit=5.0, probe_limit=6.0)
    bench = RecordedBench(folder, load_policy(tiny_checkpoint), adaptation=adaptation, instruction=INSTRUCTIONS[0])
    bench.run(TICKS)
    bench.close()
    return folder


def test_a_run_of_the_built_in_policy_is_computed_again_bit_for_bit(built_in_run: Path, tiny_checkpoint: Path) -> None:
    policy = load_policy(tiny_checkpoint)
    result = verify(built_in_run / "journal", built_in_run / "bag", policy, streams(policy))
    assert result.outcome is Outcome.IDENTICAL
    assert result.commits >= 10


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="torch uses no vector instructions here anyway")
def test_elsewhere_the_largest_deviation_is_reported_instead_of_checksums(built_in_run: Path, tiny_checkpoint: Path) -> None:
    """Without vector instructions torch adds in another order, as another processor does."""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", VERIFYING, str(tiny_checkpoint), str(built_in_run)]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)
    name, deviation, elsewhere, difference = outcome.stdout.strip().split("|")
    assert "instructions" in elsewhere
    assert (name, difference) == ("WITHIN", "")
    assert 0.0 < float(deviation) < DEVIATION_LIMIT / 10


def test_elsewhere_other_weights_are_no_rounding(run: Path, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        with_another_rate(record)
        if record["kind"] == "start":
            record["machine"]["torch"] = "0.4"

    sealed(run / "journal", tmp_path / "journal", change)
    result = verified(tmp_path, bag=run / "bag")
    assert result.outcome is Outcome.DIFFERENT
    assert "torch" in result.elsewhere
    assert "deviate too far" in result.difference
    assert result.deviation > DEVIATION_LIMIT
