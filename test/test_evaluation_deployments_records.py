"""Records of deployments on disk."""

from dataclasses import replace

import numpy as np
import pytest
import synthetic_deployments as synthetic

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.deployments.records import path_of, read_matching, read_record, write_record

ARM = synthetic.arms(("adapting",))[0]
RECORD = synthetic.record(ARM, condition="training/all", seed=3, goals=5)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = path_of(RECORD.header, tmp_path)
    write_record(path, RECORD)
    assert read_record(path) == RECORD
    assert [file.name for file in path.parent.iterdir()] == ["3.jsonl"]


def test_a_series_has_nan_where_nothing_could_be_computed():
    first = replace(RECORD.outcomes[0], loss=None)
    series = replace(RECORD, outcomes=(first, *RECORD.outcomes[1:])).series("loss")
    assert np.isnan(series).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_never_written(tmp_path, value):
    bad = replace(RECORD, outcomes=(replace(RECORD.outcomes[0], drift=value), *RECORD.outcomes[1:]))
    with pytest.raises(RecordingError, match="must be None"):
        write_record(tmp_path / "record.jsonl", bad)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[: len(text) // 2], "not a file of JSON lines"),
        (lambda text: "".join(text.splitlines(keepends=True)[:-1]), "holds 4 of 5 goals"),
        (lambda text: text.replace('"schema": 2', '"schema": 7'), "schema 7"),
        (lambda text: text.replace('"success": true', '"success": "maybe"').replace('"success": false', '"success": "maybe"'), "maybe"),
        (lambda text: text.replace('"drift"', '"drifted"'), "drifted"),
        (lambda text: "", "holds no deployment"),
        (lambda text: "[1, 2]\n", "holds no deployment"),
    ],
)
def test_a_spoilt_record_is_refused_and_counts_as_not_there(tmp_path, spoil, reason):
    path = tmp_path / "record.jsonl"
    write_record(path, RECORD)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(RecordingError, match=reason):
        read_record(path)
    assert read_matching(path, RECORD.header) is None


def test_a_record_of_another_deployment_does_not_match(tmp_path):
    path = tmp_path / "record.jsonl"
    write_record(path, RECORD)
    assert read_matching(path, RECORD.header) == RECORD
    for change in ({"policy": "1" * 64}, {"goals": 6}, {"adaptation": None}, {"seed": 4}, {"long": True}):
        assert read_matching(path, replace(RECORD.header, **change)) is None, change


def test_a_long_run_and_a_short_one_of_the_same_robot_have_files_of_their_own(tmp_path):
    assert path_of(RECORD.header, tmp_path) != path_of(replace(RECORD.header, long=True), tmp_path)
