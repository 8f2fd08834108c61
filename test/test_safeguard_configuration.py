"""The safeguard's configuration and the file that is shipped."""

from pathlib import Path

import pytest

from ttt_ros.configuration import load_yaml, validated
from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.signals import SIGNALS

SHIPPED = [Path(__file__).parents[1] / "config" / name for name in ("safeguard.yaml", "safeguard_reactive.yaml")]
RULE = {"signal": "drift_total", "limit": 0.3, "clear_limit": 0.2, "trips": 1, "of_last": 1, "clear_after": 1, "mode": "hold"}


each_file = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)


@each_file
def test_a_shipped_file_has_a_rule_on_every_signal(path: Path) -> None:
    assert {rule.signal for rule in load_yaml(path, SafeguardConfig).rules} == set(SIGNALS)


@each_file
def test_a_shipped_file_holds_a_robot_that_cannot_see_or_feel_itself(path: Path) -> None:
    held = {rule.signal for rule in load_yaml(path, SafeguardConfig).rules if rule.mode == Mode.HOLD}
    assert {"camera_age", "joint_state_age"} <= held


@each_file
def test_the_shipped_heartbeat_is_ten_per_second_and_lapses_soon(path: Path) -> None:
    config = load_yaml(path, SafeguardConfig)
    assert config.heartbeat_period == 0.1
    assert config.permit_validity + 1 / 30 <= 2 * config.heartbeat_period  # with the control tick that notices it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": []}, "guards nothing"),
        ({"permit_validity": 0.1}, "permit_validity 0.1 s must be longer than heartbeat_period 0.1 s"),
        ({"heartbeat_period": 0}, "'heartbeat_period' = 0"),
        ({"startup_grace": -1}, "'startup_grace' = -1"),
        ({"rules": [RULE | {"signal": "mood"}]}, "unknown signal 'mood'"),
        ({"heart_beat": 1}, "unknown key 'heart_beat'"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        validated(SafeguardConfig, {"rules": [RULE]} | change, source="safeguard.yaml")
