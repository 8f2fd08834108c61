"""Many bags: jobs, what is kept, and what is broken."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from deployment_bags import PARAMETERS, STREAMS, record_deployment
from rich.console import Console
from typer.testing import CliRunner

from ttt_ros.cli import COULD_NOT_RUN, app
from ttt_ros.errors import ConfigurationError, RecordingError, SpecificationError, TttRosError
from ttt_ros.evaluation.bags import evaluate
from ttt_ros.evaluation.bags.evaluate import Evaluated, evaluate_bags
from ttt_ros.evaluation.bags.record_file import lines, read_record
from ttt_ros.evaluation.workers import Where

THRESHOLDS = Path(__file__).parent.parent / "config" / "evaluation.yaml"
ARMS = [
    {"name": "frozen", "label": "frozen"},
    {"name": "adapting", "label": "adapting", "adapts": True},
    {"name": "frozen_again", "label": "frozen, image noise", "control": "noise"},
]


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bags")
    return [record_deployment(folder / name, goals=2, seed=seed) for seed, name in enumerate(("first", "second"))]


def settings(folder: Path, **changes: object) -> Path:
    path = folder / "bag.yaml"
    path.write_text(yaml.safe_dump({"parameters": str(PARAMETERS), "streams": STREAMS, "arms": ARMS, **changes}))
    return path


def evaluated(folder: Path, bags: list[Path], *, processes: int = 2, out: str = "out", **changes: object) -> Evaluated:
    return evaluate_bags(
        bags,
        policy=None,
        config=settings(folder, **changes),
        thresholds=THRESHOLDS,
        out=folder / out,
        where=Where(processes=processes),
        console=Console(quiet=True),
    )


def hashes(out: Path) -> dict[str, tuple[str, str, str]]:
    records = {path.relative_to(out).as_posix(): read_record(path) for path in sorted(out.glob("records/*/*.jsonl"))}
    return {name: (each.header.inputs, each.end.outputs, each.end.weights) for name, each in records.items()}


def test_two_runs_on_any_number_of_processes_give_equal_hashes(tmp_path: Path, bags: list[Path]) -> None:
    evaluated(tmp_path, bags, processes=1, out="one")
    evaluated(tmp_path, bags[::-1], processes=2, out="two")
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert len(hashes(tmp_path / "one")) == 6


def test_what_is_there_is_not_run_again_and_what_is_damaged_or_of_another_configuration_is(
    tmp_path: Path, bags: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated(tmp_path, bags)
    whole = hashes(tmp_path / "out")
    (tmp_path / "out/records/first/adapting.jsonl").write_text("half a line")
    (tmp_path / "out/records/second/frozen.jsonl").unlink()
    played: list[str] = []

    def counted(job: object) -> object:
        played.append(f"{job.bag.name}/{job.arm.name}")  # type: ignore[attr-defined]
        return original(job)

    original = evaluate.run_arm
    monkeypatch.setattr(evaluate, "run_arm", counted)
    monkeypatch.setattr("ttt_ros.evaluation.workers.run_locally", lambda work, jobs, processes: ((job, work(job)) for job in jobs))
    evaluated(tmp_path, bags)
    assert sorted(played) == ["first/adapting", "second/frozen"]
    assert hashes(tmp_path / "out") == whole
    evaluated(tmp_path, bags, seed=1)
    assert len(played) == 2 + 6


def test_a_broken_bag_is_reported_and_stops_no_other(tmp_path: Path, bags: list[Path]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    found = evaluated(tmp_path, [bags[0], empty])
    assert [bag.name for bag in found.findings.bags] == ["first"]
    assert "empty" in found.failures[0]
    assert found.verdict.exit_code == 1
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "empty" in json.dumps(results["failures"])
    assert "empty" in (tmp_path / "out" / "report.html").read_text()


def test_a_truncated_bag_is_evaluated_as_far_as_it_goes_and_the_report_says_so(tmp_path: Path, bags: list[Path]) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    (source,) = bags[0].glob("*.mcap")
    (cut / source.name).write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
    found = evaluated(tmp_path, [cut])
    assert found.findings.bags[0].name == "cut"
    failed = {line.name: line.cause for line in found.verdict.failed}
    assert "cut" in failed["the bags are whole"]


def test_two_bags_of_one_name_are_refused_before_anything_runs(tmp_path: Path, bags: list[Path]) -> None:
    other = tmp_path / "first"
    shutil.copytree(bags[0], other)
    with pytest.raises(RecordingError, match="two bags are named first"):
        evaluated(tmp_path, [bags[0], other])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"streams": {**STREAMS, "cameras": {"wrist": "/camera/overhead/image_raw"}}}, SpecificationError, "lacks the cameras overhead"),
        ({"streams": {**STREAMS, "joints": {"hip": "joint_7"}}}, ConfigurationError, "names hip"),
        ({"streams": {**STREAMS, "text": "wait"}}, ConfigurationError, "one of them"),
        ({"arms": ARMS[:2]}, ConfigurationError, "frozen_again"),
        ({"arms": [*ARMS, ARMS[0]]}, ConfigurationError, "a name of its own"),
        ({"arms": [*ARMS[::2], {**ARMS[1], "changes": {"learning_rate": -1}}]}, ConfigurationError, "learning_rate"),
        ({"parameters": "missing.yaml"}, ConfigurationError, "cannot read"),
        ({"streams": {**STREAMS, "joint_states": "/arm"}}, RecordingError, "no topic /arm"),
        ({"streams": {**STREAMS, "commands": "", "joint_states": STREAMS["commands"]}}, RecordingError, "is a trajectory_msgs/msg/Joint"),
        ({"streams": {**STREAMS, "joint_states": STREAMS["commands"]}}, ConfigurationError, "/joint_trajectory twice"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_in_words(
    tmp_path: Path, bags: list[Path], changes: dict[str, object], error: type[TttRosError], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluated(tmp_path, bags[:1], processes=1, **changes)
    assert not (tmp_path / "out" / "results.json").exists()


def test_the_command_says_by_its_exit_code_that_nothing_could_be_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ttt-ros", "evaluate-bag", str(tmp_path / "none"), "--config", str(tmp_path / "none.yaml")])
    from ttt_ros.cli import main

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == COULD_NOT_RUN
    assert CliRunner().invoke(app, ["evaluate-bag", "--help"]).exit_code == 0


def test_a_record_comes_back_from_its_file(tmp_path: Path, bags: list[Path]) -> None:
    evaluated(tmp_path, bags[:1])
    record = read_record(tmp_path / "out/records/first/adapting.jsonl")
    assert "".join(lines(record)) == (tmp_path / "out/records/first/adapting.jsonl").read_text()
    (tmp_path / "half.jsonl").write_text("".join(list(lines(record))[:-1]))
    with pytest.raises(RecordingError, match="incomplete"):
        read_record(tmp_path / "half.jsonl")
