from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Limits:
    velocity: Annotated[float, Field(gt=0)]


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Robot:
    name: str
    rate: Annotated[float, Field(gt=0, le=1000)]
    joints: tuple[str, ...] = ()
    limits: Limits = field(default_factory=lambda: Limits(velocity=1.0))


def load(folder: Path, text: str) -> Robot:
    path = folder / "robot.yaml"
    path.write_text(text, encoding="utf-8")
    return configuration.load_yaml(path, Robot)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(folder, text)
    return str(refused.value)


def test_a_file_becomes_its_dataclass(tmp_path: Path) -> None:
    robot = load(tmp_path, "name: arm\nrate: 30\njoints: [base, elbow]\nlimits: {velocity: 2.5}\n")
    assert robot == Robot(name="arm", rate=30.0, joints=("base", "elbow"), limits=Limits(velocity=2.5))


def test_what_the_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, "name: arm\nrate: 30\n") == Robot(name="arm", rate=30.0)


def test_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.yaml"
    with pytest.raises(ConfigurationError, match=f"cannot read {path}: No such file or directory; check the path"):
        configuration.load_yaml(path, Robot)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        configuration.load_yaml(tmp_path, Robot)


@pytest.mark.parametrize("text", ["name: [arm", "name: arm\n  rate: 30", "a: b: c", "\t- x", "@"])
def test_text_that_is_no_yaml_is_refused_with_file_and_line(tmp_path: Path, text: str) -> None:
    message = refusal(tmp_path, text)
    assert f"{tmp_path / 'robot.yaml'} is not valid YAML" in message
    assert "line" in message


def test_yaml_that_would_build_an_object_is_refused(tmp_path: Path) -> None:
    assert "is not valid YAML" in refusal(tmp_path, "name: !!python/object/apply:os.getcwd []\nrate: 30\n")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"robot\.yaml"):
        configuration.load_yaml(path, Robot)


def test_an_unknown_key_is_named_beside_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, "name: arm\nrate: 30\nrates: 31\n")
    assert "unknown key 'rates'" in message
    assert "known at the top level: name, rate, joints, limits" in message
    assert str(tmp_path / "robot.yaml") in message


def test_an_unknown_key_further_down_is_named_with_its_path(tmp_path: Path) -> None:
    assert "unknown key 'limits.speed'" in refusal(tmp_path, "name: arm\nrate: 30\nlimits: {velocity: 1, speed: 2}\n")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "key 'rate' is missing" in refusal(tmp_path, "name: arm\n")


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", ".NaN"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, value: str) -> None:
    assert "'rate' = " in refusal(tmp_path, f"name: arm\nrate: {value}\n")


def test_a_nan_further_down_is_refused(tmp_path: Path) -> None:
    assert "'limits.velocity' = nan" in refusal(tmp_path, "name: arm\nrate: 30\nlimits: {velocity: .nan}\n")


@given(rate=st.floats(allow_nan=True, allow_infinity=True))
def test_a_value_is_accepted_unchanged_or_refused_but_never_clamped(rate: float) -> None:
    if 0 < rate <= 1000:
        assert configuration.validated(Robot, {"name": "arm", "rate": rate}, source="test").rate == rate
    else:
        with pytest.raises(ConfigurationError, match="'rate' = "):
            configuration.validated(Robot, {"name": "arm", "rate": rate}, source="test")


def test_a_value_out_of_range_is_named_with_its_limit(tmp_path: Path) -> None:
    assert "'rate' = 1001: Input should be less than or equal to 1000" in refusal(tmp_path, "name: arm\nrate: 1001\n")


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    assert "'rate' = 'fast'" in refusal(tmp_path, "name: arm\nrate: fast\n")


@pytest.mark.parametrize("text", ["", "- name\n- rate\n", "arm\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert str(tmp_path / "robot.yaml") in refusal(tmp_path, text)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "rate: -1\ncolour: red\n")
    assert "key 'name' is missing" in message
    assert "'rate' = -1" in message
    assert "unknown key 'colour'" in message


def test_a_configuration_cannot_be_changed() -> None:
    robot = configuration.validated(Robot, {"name": "arm", "rate": 30}, source="test")
    with pytest.raises(AttributeError):
        robot.rate = 60  # type: ignore[misc]


ALIAS_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 12)
)


@pytest.mark.parametrize("bomb", [ALIAS_BOMB, MERGE_BOMB])
def test_a_few_lines_of_aliases_that_mean_billions_of_values_are_refused_at_once(tmp_path: Path, bomb: str) -> None:
    assert "holds more than 100000 values, aliases written out" in refusal(tmp_path, bomb)


def test_an_alias_to_a_value_within_itself_is_refused(tmp_path: Path) -> None:
    assert "holds an alias to a value within itself" in refusal(tmp_path, "name: &a [*a]\nrate: 30\n")


def test_an_alias_that_repeats_a_short_value_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path, "name: &n arm\nrate: 30\njoints: [*n, *n]\n").joints == ("arm", "arm")


def test_a_file_that_is_too_large_is_refused_without_reading_on(tmp_path: Path) -> None:
    assert "has more than 262144 bytes" in refusal(tmp_path, "#" * 300_000)
    with pytest.raises(ConfigurationError, match="/dev/zero has more than 262144 bytes"):
        configuration.load_yaml(Path("/dev/zero"), Robot)


@pytest.mark.parametrize("text", ["[" * 100_000, "rate: !!float ''", "rate: !!int ''", "rate: !!bool x", "a: 2001-99-99", "? {}\n: 1"])
def test_what_makes_the_parser_fail_in_its_own_way_is_refused_as_any_other_error(tmp_path: Path, text: str) -> None:
    assert "is not valid YAML" in refusal(tmp_path, text)


@pytest.mark.parametrize("number", ["9" * 5000, "1" + ":59" * 5000, "0." + "1" * 5000])
def test_a_number_that_takes_long_to_read_is_refused(tmp_path: Path, number: str) -> None:
    assert "holds a number of" in refusal(tmp_path, f"name: arm\nrate: {number}\n")


def test_a_refusal_repeats_only_the_beginning_of_what_was_wrong(tmp_path: Path) -> None:
    assert len(refusal(tmp_path, f"name: arm\nrate: [{'x, ' * 10_000}]\n")) < 1000
    assert len(refusal(tmp_path, "name: arm\nrate: 30\njoints: [" + "1, " * 10_000 + "]\n")) < 4000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("~nobody-of-that-name/policy", "the path '~nobody-of-that-name/policy' leads nowhere: .*; write the folder out"),
        ("policy\0", "holds a zero character"),
    ],
)
def test_a_path_that_cannot_be_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        configuration.expanded_path(text)


def test_the_home_folder_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/arm")
    assert configuration.expanded_path("~/policy") == Path("/home/arm/policy")
