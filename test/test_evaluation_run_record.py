import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from synthetic_runs import synthetic_report, synthetic_run

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.demo_report import DemoReport
from ttt_ros.evaluation.json_file import SCHEMA, read_json, write_json
from ttt_ros.evaluation.run_record import ModeLabel, RunRecord
from ttt_ros.safeguard.ladder import Mode

NAN = float("nan")
INFINITY = float("inf")


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    return synthetic_run("adapting", tmp_path)


def written(path: Path, run: RunRecord) -> dict[str, object]:
    write_json(path, run)
    values: dict[str, object] = json.loads(path.read_text())
    return values


def test_a_run_comes_back_from_its_file_unchanged(tmp_path: Path, run: RunRecord) -> None:
    write_json(tmp_path / "run.json", run)
    assert read_json(tmp_path / "run.json", RunRecord) == run


def test_a_report_comes_back_from_its_file_unchanged(tmp_path: Path) -> None:
    report = synthetic_report(tmp_path)
    write_json(tmp_path / "report.json", report)
    assert read_json(tmp_path / "report.json", DemoReport) == report


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("field", ["prediction_loss", "gradient_norm", "drift_total"])
def test_a_number_that_is_not_finite_is_never_written(tmp_path: Path, run: RunRecord, field: str, value: float) -> None:
    change: dict[str, Any] = {field: value}
    spoilt = replace(run, windows=(run.windows[0], replace(run.windows[1], **change)))
    with pytest.raises(RecordingError, match=rf"windows\.1\.{field}"):
        write_json(tmp_path / "run.json", spoilt)
    assert not (tmp_path / "run.json").exists()


def test_a_nan_in_a_file_is_refused(tmp_path: Path, run: RunRecord) -> None:
    path = tmp_path / "run.json"
    values = written(path, run)
    path.write_text(json.dumps({**values, "duration": NAN}))
    with pytest.raises(RecordingError, match="'duration' = nan"):
        read_json(path, RunRecord)


@pytest.mark.parametrize("field", ["arm", "seed", "windows", "updates_due"])
def test_a_missing_field_is_refused_by_name(tmp_path: Path, run: RunRecord, field: str) -> None:
    path = tmp_path / "run.json"
    values = written(path, run)
    del values[field]
    path.write_text(json.dumps(values))
    with pytest.raises(RecordingError, match=f"key '{field}' is missing"):
        read_json(path, RunRecord)


def test_an_unknown_field_is_refused_by_name(tmp_path: Path, run: RunRecord) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**written(path, run), "colour": "red"}))
    with pytest.raises(RecordingError, match="unknown key 'colour'"):
        read_json(path, RunRecord)


@pytest.mark.parametrize("schema", [SCHEMA + 1, None, "1"])
def test_another_schema_is_refused(tmp_path: Path, run: RunRecord, schema: object) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**written(path, run), "schema": schema}))
    with pytest.raises(RecordingError, match=f"reads schema {SCHEMA}"):
        read_json(path, RunRecord)


@pytest.mark.parametrize(("field", "value"), [("arm", "thawed"), ("underruns", -1), ("seed", 1.5)])
def test_a_value_out_of_range_is_refused(tmp_path: Path, run: RunRecord, field: str, value: object) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**written(path, run), field: value}))
    with pytest.raises(RecordingError, match=f"'{field}' = {value!r}"):
        read_json(path, RunRecord)


@pytest.mark.parametrize("content", [b"", b'{"schema": 1,', b"[1, 2]", b"\xff\xfe\x00"])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"run\.json"):
        read_json(path, RunRecord)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read_json(tmp_path / "run.json", RunRecord)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, run: RunRecord) -> None:
    (tmp_path / "nowhere").write_text("a file")
    with pytest.raises(RecordingError, match="cannot write"):
        write_json(tmp_path / "nowhere" / "run.json", run)


def test_the_modes_of_a_record_are_those_of_the_safeguard() -> None:
    assert get_args(ModeLabel) == tuple(mode.label for mode in Mode)
