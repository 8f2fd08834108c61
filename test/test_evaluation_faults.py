"""What becomes of trials of faults: files, targets, table and page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.faults.records import FaultRecord, Net, Trial, read_record, write_record
from ttt_ros.evaluation.faults.report import HEADINGS, cells, drawn, table, write_alone, write_proofs, write_report
from ttt_ros.evaluation.faults.targets import targets
from ttt_ros.evaluation.plots import LIGHT

TRIAL = Trial(
    reaction=0.15,
    mode="base",
    ordered="adapting",
    detected_by=("policy node",),
    words="the safeguard is silent",
    behaviour="moved on",
    violations=(),
    recovery=1.2,
)


def record(name: str = "safeguard_killed", *trials: Trial, deadline: float = 0.2) -> FaultRecord:
    return FaultRecord(
        name=name,
        injected="SIGKILL",
        demand="mode base",
        deadline=deadline,
        without_protection=False,
        load=1.0,
        trials=trials or (TRIAL, replace(TRIAL, reaction=0.19)),
    )


def failed(records: list[FaultRecord]) -> list[str]:
    return [check.name for check in targets(records) if not check.passed]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, record())
    assert read_record(tmp_path / "safeguard_killed.json") == record()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values | {"schema": 0}, "schema 0"),
        (lambda values: values | {"colour": "red"}, "unknown key 'colour'"),
        (lambda values: {key: value for key, value in values.items() if key != "trials"}, "'trials' is missing"),
        (lambda values: [], "schema None"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, change, message: str) -> None:
    write_record(tmp_path, record())
    path = tmp_path / "safeguard_killed.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RecordingError, match=message):
        read_record(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(RecordingError, match="run the fault again"):
        read_record(tmp_path / "x.json")


def test_every_target_holds_when_every_trial_did_what_it_must() -> None:
    records = [record(), record("camera_stopped", deadline=0.3), record("rollback"), record("hang", deadline=3.0)]
    assert failed(records) == []
    assert len(targets(records)) == 7


@pytest.mark.parametrize(
    ("name", "trial", "missed"),
    [
        ("safeguard_killed", replace(TRIAL, reaction=0.21), "base within two heartbeats after the safeguard's last word"),
        ("safeguard_killed", replace(TRIAL, reaction=None), "base within two heartbeats after the safeguard's last word"),
        ("joints_nan", replace(TRIAL, reaction=0.21), "hold within a control period of an input's age limit"),
        ("rollback", replace(TRIAL, reaction=None), "a version that was rolled back does not act in the next chunk"),
        ("hang", replace(TRIAL, reaction=9.0), "every other fault is reacted to in its time"),
        ("hang", replace(TRIAL, recovery=None), "after the fault the run goes on"),
        (
            "hang",
            replace(TRIAL, violations=("window 3 was applied with a gradient of norm nan",)),
            "a step that is not finite or beyond a limit is never applied",
        ),
        ("hang", replace(TRIAL, violations=("a command outside the limits: joint 'a'",)), "no command is outside the joint limits"),
    ],
)
def test_one_trial_that_did_not_misses_its_target(name: str, trial: Trial, missed: str) -> None:
    spoilt = record(name, TRIAL, trial)
    assert not spoilt.held
    assert failed([record(), spoilt]) == [missed]


def test_a_late_or_missing_reaction_is_told_with_its_time() -> None:
    (check,) = [each for each in targets([record("hang", replace(TRIAL, reaction=9.0), replace(TRIAL, reaction=None))]) if not each.passed]
    assert check.figure == "0 of 2 trials; hang: 9.000 s at most, allowed 0.200 s, 1 of 2 without one"


def test_a_row_tells_what_most_trials_did_first() -> None:
    held = replace(TRIAL, mode="hold", behaviour="kept its position", detected_by=("policy node", "safeguard"))
    row = dict(zip(HEADINGS, cells(record("hang", held, held, TRIAL)), strict=True))
    assert row["mode reached"] == "hold (2); base (1)"
    assert row["what the robot did"] == "kept its position (2); moved on (1)"
    assert row["reaction p50"] == "0.15 s"
    assert row["held"] == "3 of 3"


def test_the_report_is_table_picture_page_and_figures(tmp_path: Path) -> None:
    records = [record(), record("hang", replace(TRIAL, reaction=None, violations=("window 3 was applied",)))]
    checks = write_report(records, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "safeguard killed" in page
    assert "the safeguard is silent" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (tmp_path / "table.md").read_text() == table(records)
    assert (tmp_path / "reactions.png").read_bytes() == drawn(records, theme=LIGHT)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [check["passed"] for check in results["checks"]] == [check.passed for check in checks]
    assert results["faults"][1]["median"] is None


def test_what_a_net_held_alone_is_a_table_and_on_the_page(tmp_path: Path) -> None:
    held, broken = record("joints_nan"), record("camera_stopped", replace(TRIAL, violations=("window 3 was applied",)))
    for each in (held, broken):
        write_record(tmp_path / "alone_safeguard", each)
    checks = {check.name: check for check in write_alone(Net.SAFEGUARD, [held, broken], tmp_path)}
    assert {name: check.passed for name, check in checks.items()} == {"joints nan": True, "camera stopped": False}
    assert "| camera stopped | window 3 was applied | 0.20 s | no |" in (tmp_path / "alone_safeguard.md").read_text()
    write_report([record()], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "With the safeguard alone" in page
    assert "camera stopped" in page
    assert "With the policy alone" not in page


def test_a_protection_without_which_its_fault_is_withstood_is_not_proved(tmp_path: Path) -> None:
    dropped = record("hang", replace(TRIAL, reaction=None, recovery=None))
    late = record("death", replace(TRIAL, reaction=0.5, recovery=None))
    broken = record("slow", replace(TRIAL, violations=("window 4 was applied with a drift of nan",), recovery=None))
    withstood = record("exception", replace(TRIAL, recovery=None))
    checks = {check.name: check for check in write_proofs([dropped, late, broken, withstood], tmp_path)}
    assert [name for name, check in checks.items() if not check.passed] == ["exception"]
    assert checks["hang"].figure == "no reaction: mode base"
    assert checks["death"].figure == "reacted to after 0.50 s, allowed 0.20 s"
    assert "| slow | window 4 was applied with a drift of nan |" in (tmp_path / "proofs.md").read_text()
