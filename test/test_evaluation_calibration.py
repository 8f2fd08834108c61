"""Levels of clean runs, limits from them, and the rate of false alarms."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ttt_ros.configuration import load_yaml
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.calibration.configuration import CalibrationConfig
from ttt_ros.evaluation.calibration.extremes import proposed
from ttt_ros.evaluation.calibration.findings import Findings, found
from ttt_ros.evaluation.calibration.levels import NOT_FINITE, AlarmLevel, Shape
from ttt_ros.evaluation.calibration.limitless import without_limits
from ttt_ros.evaluation.calibration.page import verdict
from ttt_ros.evaluation.calibration.planned import planned
from ttt_ros.evaluation.calibration.poisson import rate
from ttt_ros.evaluation.calibration.records import Header, LevelMeter, RuleLevel, RunRecord, read_matching, write_record
from ttt_ros.evaluation.calibration.rules_file import check_one_rule_a_line, with_limits
from ttt_ros.evaluation.calibration.simulated import SimulatedRun
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.rules import Rule, RuleState, observe
from ttt_ros.safeguard.signals import Reading

CONFIG = Path(__file__).parents[1] / "config"
SHIPPED = [CONFIG / "safeguard.yaml", CONFIG / "safeguard_reactive.yaml"]
DRIFT = Rule(signal="drift_total", limit=6.0, clear_limit=5.0, trips=2, of_last=3, clear_after=5, mode=Mode.FROZEN)
RATE = Rule(signal="camera_rate", limit=0.6, clear_limit=0.7, direction="below", trips=1, of_last=1, clear_after=2, mode=Mode.FROZEN)
REJECTED = Rule(signal="rejected", limit=0.5, clear_limit=0.1, trips=1, of_last=1, clear_after=2, mode=Mode.FROZEN)
UNREAD = Rule(signal="feature_deviation", limit=20.0, clear_limit=10.0, trips=1, of_last=1, clear_after=2, mode=Mode.FROZEN)
RULES = SafeguardConfig(rules=(DRIFT, RATE, REJECTED, UNREAD))

readings = st.lists(st.one_of(st.integers(-3, 3).map(float), st.sampled_from([math.nan, math.inf, -math.inf])), max_size=30)
counts = st.integers(1, 6).flatmap(lambda of_last: st.tuples(st.integers(1, of_last), st.just(of_last)))


@given(readings, counts, st.sampled_from(["above", "below"]), st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0]))
def test_a_rule_trips_in_a_run_if_and_only_if_the_level_is_beyond_its_limit(
    values: list[float], counted: tuple[int, int], direction: str, limit: float
) -> None:
    trips, of_last = counted
    clear_limit = limit - 1.0 if direction == "above" else limit + 1.0
    rule = replace(DRIFT, limit=limit, clear_limit=clear_limit, direction=direction, trips=trips, of_last=of_last, clear_after=of_last)
    level, state, tripped = AlarmLevel(Shape.of(rule)), RuleState(), False
    for value in values:
        level.observe(value)
        state = observe(rule, state, value)
        tripped |= state.trip is not None
    assert tripped == (level.level is not None and Shape.of(rule).is_beyond(level.level, limit))


def test_the_level_is_the_worst_of_the_counted_readings() -> None:
    level = AlarmLevel(Shape.of(DRIFT))
    for value in (9.0, 1.0):
        level.observe(value)
    assert level.level == 1.0  # one reading alone cannot trip a rule that takes two of three
    for value in (2.0, 7.0, 5.0, 0.0):
        level.observe(value)
    assert level.level == 5.0
    level.observe(math.nan)
    assert level.level == 5.0
    level.observe(math.nan)
    assert level.level == NOT_FINITE


@pytest.mark.parametrize(("count", "lower", "upper"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)])
def test_the_interval_is_that_of_garwoods_table(count: int, lower: float, upper: float) -> None:
    found_rate = rate(count, hours=1.0)
    assert (found_rate.lower, found_rate.upper) == pytest.approx((lower, upper), abs=1e-3)
    assert rate(count, hours=10.0).upper == pytest.approx(upper / 10, abs=1e-3)


def test_a_proposed_limit_is_crossed_about_as_often_as_asked_for() -> None:
    random = np.random.default_rng(0)
    drawn = [proposed(random.gumbel(3.0, 0.5, size=40).tolist(), exceeded=0.01).limit for _ in range(30)]
    crossed = stats.gumbel_r.sf(drawn, 3.0, 0.5)
    assert 0.004 < np.median(crossed) < 0.02


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=30), st.floats(1e-5, 0.5))
def test_no_level_that_was_seen_is_beyond_the_proposal(levels: list[float], exceeded: float) -> None:
    limit = proposed(levels, exceeded=exceeded).limit
    assert math.isfinite(limit)
    assert limit >= max(levels)


def test_levels_that_are_all_alike_propose_themselves() -> None:
    proposal = proposed([0.25] * 20, exceeded=0.001)
    assert (proposal.limit, proposal.shape) == (0.25, None)


def run(drift: float, *, rejected: float = 0.0, camera_rate: float = 1.0, source: str = "simulation", hours: float = 0.5) -> RunRecord:
    levels = (drift, camera_rate, rejected, None)
    return RunRecord(
        header=Header(source=source, name="a run", policy="p" * 64, configuration=""),
        hours=hours,
        goals=10,
        met=9,
        levels=tuple(
            RuleLevel(shape=Shape.of(rule), level=level, readings=0 if level is None else 40)
            for rule, level in zip(RULES.rules, levels, strict=True)
        ),
    )


def findings(held_out: list[RunRecord], **calibration: str) -> Findings:
    random = np.random.default_rng(1)
    seen = [run(drift, **calibration) for drift in random.gumbel(3.0, 0.1, size=24)]
    return found(RULES, seen, held_out, stated=0.1, failures=())


def test_alarms_are_counted_on_held_out_runs_of_the_rules_that_can_be_judged() -> None:
    result = findings([run(3.0), run(6.5), run(7.0, rejected=1.0), run(3.0, camera_rate=0.1)])
    drift, camera_rate, rejected, unread = result.rules
    assert [rule.judged for rule in result.rules] == ["judged", "not judged here", "judged", "not read"]
    assert [rule.alarms_shipped for rule in result.rules] == [2, 0, 1, 0]
    assert (result.shipped.count, result.shipped.hours) == (3, 2.0)
    assert result.shipped.value == 1.5
    assert not result.holds
    assert max(drift.calibration_levels) < drift.proposed < 4.5
    assert drift.proposed_clear < drift.proposed
    assert drift.alarms_proposed == 2
    assert (rejected.proposed, camera_rate.proposed, unread.proposed) == (0.5, 0.6, 20.0)


def test_no_limit_is_proposed_for_a_signal_that_was_no_number_in_a_clean_run() -> None:
    random = np.random.default_rng(1)
    seen = [*(run(drift) for drift in random.gumbel(3.0, 0.1, size=24)), run(NOT_FINITE)]
    drift = found(RULES, seen, [run(3.0)], stated=0.1, failures=()).rules[0]
    assert (drift.proposed, drift.proposed_clear) == (drift.shipped, drift.shipped_clear)


def test_recordings_judge_what_a_virtual_clock_cannot() -> None:
    result = findings([run(3.0, camera_rate=0.4, source="bag"), run(3.0)], source="bag")
    assert result.rules[1].judged == "judged"
    assert result.rules[1].alarms_shipped == 1
    assert result.rules[1].held_out_levels == (0.4,)


def test_one_silent_run_of_ten_hours_keeps_to_one_alarm_in_ten_hours() -> None:
    result = findings([run(3.0, hours=10.0)])
    assert result.holds
    assert result.shipped.upper == pytest.approx(0.369, abs=1e-3)
    assert "in too few hours to be sure" in verdict(result)
    assert "limits keep to 0.1" in verdict(findings([run(3.0, hours=40.0)]))
    assert "do not keep to 0.1" in verdict(findings([run(9.0)]))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_proposal_keeps_the_comments_of_the_shipped_file_and_changes_the_limits(path: Path) -> None:
    rules = load_yaml(path, SafeguardConfig)
    check_one_rule_a_line(path, rules)
    text = path.read_text()
    limits = [(rule.limit * 2, rule.clear_limit * (2 if rule.direction == "above" else 4)) for rule in rules.rules]
    proposal = with_limits(text, limits, heading="Twice as far.")
    assert proposal.startswith("# Twice as far.\n# ")
    assert [line for line in text.splitlines() if "#" in line] == [line for line in proposal.splitlines() if "#" in line][1:]
    unchanged = with_limits(text, [(rule.limit, rule.clear_limit) for rule in rules.rules], heading="The same.")
    assert unchanged == f"# The same.\n{text}"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_rule_without_a_limit_trips_on_nothing_finite(path: Path) -> None:
    for rule in without_limits(load_yaml(path, SafeguardConfig)).rules:
        assert not rule.violated_by(1e9)
        assert not rule.violated_by(-1e9)
        assert rule.violated_by(math.nan)


def test_a_rules_file_in_another_style_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(SHIPPED[0].read_text().replace("- {signal: gradient_norm,", "- {\n    signal: gradient_norm,"))
    with pytest.raises(ConfigurationError, match="write each rule on one line"):
        check_one_rule_a_line(path, load_yaml(path, SafeguardConfig))


def test_a_record_is_read_only_for_the_run_and_the_rules_that_it_is_of(tmp_path: Path) -> None:
    record, path = run(3.0), tmp_path / "run.json"
    shapes = [Shape.of(rule) for rule in RULES.rules]
    assert read_matching(path, record.header, shapes) is None
    write_record(path, record)
    assert read_matching(path, record.header, shapes) == record
    assert read_matching(path, replace(record.header, policy="another"), shapes) is None
    assert read_matching(path, record.header, shapes[:-1]) is None
    path.write_text(path.read_text()[:-20])
    assert read_matching(path, record.header, shapes) is None


def test_a_reading_of_a_signal_without_a_rule_counts_for_none() -> None:
    meter = LevelMeter(RULES)
    meter.take(0, Reading(signal="camera_age", value=9.0))
    meter.take(0, Reading(signal="rejected", value=1.0))
    assert [level.readings for level in meter.levels] == [0, 0, 1, 0]


@pytest.mark.parametrize("name", ["calibration", "calibration_reactive"])
def test_a_shipped_configuration_names_files_that_are_there(name: str) -> None:
    config = load_yaml(CONFIG / f"{name}.yaml", CalibrationConfig)
    check_one_rule_a_line(CONFIG / config.rules, load_yaml(CONFIG / config.rules, SafeguardConfig))
    runs = planned(replace(config, parameters=CONFIG / config.parameters, rules=CONFIG / config.rules), [])
    assert len(runs.calibration) == config.calibration_runs
    assert len({run.header.configuration for run in (*runs.calibration, *runs.held_out)}) == config.calibration_runs + config.held_out_runs
    nominal = [run for run in runs.held_out if isinstance(run, SimulatedRun) and not run.loop.robot.properties]
    assert 0 < len(nominal) < len(runs.held_out)


def test_a_configuration_without_runs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one run"):
        CalibrationConfig(parameters=Path("p.yaml"), rules=Path("r.yaml"), held_out_runs=0)
