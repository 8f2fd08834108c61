"""What the commands refuse, in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ttt_ros.cli import app
from ttt_ros.errors import TttRosError

CONFIG = str(Path(__file__).parents[1] / "config" / "training.yaml")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "method=lstm", "--config", CONFIG, "--output", "unused"], "give one of them"),
        (["train", "--dataset", "somewhere", "--output", "unused"], "--dataset needs --config"),
        (["train", "method=guessing", "--output", "unused"], "guessing"),
        (["evaluate-sim", "--out", "unused"], "either --suite or --env"),
        (["evaluate-sim", "--suite", "deployment", "--env", "x:y", "--out", "unused"], "either --suite or --env"),
        (["evaluate-sim", "--env", "x:y", "--out", "unused"], "--benchmark"),
        (["evaluate-sim", "--suite", "deployment", "--checkpoints", "nowhere", "--out", "unused"], "nowhere"),
        (["evaluate-sim", "--suite", "nowhere.yaml", "--out", "unused"], "nowhere.yaml"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(arguments, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, TttRosError)
    assert complaint in str(result.exception)
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("command", [command.name or command.callback.__name__ for command in app.registered_commands])
def test_every_command_explains_itself(command):
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
