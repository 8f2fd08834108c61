"""Following the jobs of a suite."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.outcomes import successes
from ttt_ros.evaluation.workers import Failure

FOLLOWS = """
import sys, time
from pathlib import Path
from test_evaluation_outcomes import followed
for name in followed(Path(sys.argv[1]), [("first", "done"), ("second", "done")]):
    print(name, flush=True)
    sys.stdin.read()
"""


def followed(out: Path, outcomes: list[tuple[str, str | Failure]], failures: list[str] | None = None):
    for job, _ in successes(
        outcomes,
        title="jobs",
        already=0,
        left=len(outcomes),
        name=str,
        path=lambda job: out / f"{job}.json",
        out=out,
        failures=[] if failures is None else failures,
        console=Console(file=StringIO()),
    ):
        yield job


def test_a_failure_is_told_its_details_are_kept_and_the_others_go_on(tmp_path: Path) -> None:
    failures: list[str] = []
    outcomes = [("first", Failure(reason="it broke", details="where and how")), ("second", "done")]
    assert list(followed(tmp_path, outcomes, failures)) == ["second"]
    assert failures == ["first: it broke"]
    assert (tmp_path / "first.failure.txt").read_text() == "where and how"


def test_a_second_process_is_refused_while_the_first_one_runs_and_not_after_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FOLLOWS, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "first\n"
        with pytest.raises(RecordingError, match="another process runs a suite into"):
            list(followed(tmp_path, [("third", "done")]))
        first.kill()
    assert list(followed(tmp_path, [("third", "done")])) == ["third"]


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="cannot write into"):
        list(followed(tmp_path / "file" / "out", [("first", "done")]))
