"""The ranges of AdaptationConfig hold wherever it is read."""

from dataclasses import fields, replace

import pytest

from ttt_ros.adaptation.configuration import AdaptationConfig, check_live_change, parameter_ranges
from ttt_ros.configuration import validated
from ttt_ros.errors import ConfigurationError


def test_defaults_are_valid():
    values = {field.name: getattr(AdaptationConfig(), field.name) for field in fields(AdaptationConfig)}
    assert validated(AdaptationConfig, values, source="defaults") == AdaptationConfig()


def test_every_number_has_a_range_that_holds_its_default_and_a_description():
    ranges = {parameter.name: parameter for parameter in parameter_ranges()}
    assert ranges.keys() == {field.name for field in fields(AdaptationConfig)} - {"objectives"}
    for name, parameter in ranges.items():
        assert parameter.minimum <= getattr(AdaptationConfig(), name) <= parameter.maximum
        assert parameter.description.endswith(".")


@pytest.mark.parametrize("parameter", parameter_ranges(), ids=lambda parameter: parameter.name)
def test_values_outside_the_range_are_refused(parameter):
    for value in (parameter.minimum - 1, parameter.maximum + 1, float("nan")):
        with pytest.raises(ConfigurationError, match=parameter.name):
            validated(AdaptationConfig, {parameter.name: value}, source="test")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"window": 4, "minimum_samples": 5}, "minimum_samples is 5"),
        ({"innovation_history": 4, "innovation_warmup": 5}, "innovation_warmup is 5"),
        ({"gate_history": 4, "gate_warmup": 5}, "gate_warmup is 5"),
        ({"objectives": {}}, "nothing to learn from"),
        ({"objectives": {"features": 0.0}}, "nothing to learn from"),
        ({"objectives": {"features": -1.0}}, "objectives.features"),
        ({"learning_rat": 0.1}, "unknown key 'learning_rat'"),
    ],
)
def test_contradictions_are_refused_in_words(values, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        validated(AdaptationConfig, values, source="test")


def test_only_what_sizes_no_buffer_may_change_live():
    config = AdaptationConfig()
    check_live_change(config, replace(config, learning_rate=0.5, objectives={"features": 1.0}))
    for name in ("window", "minimum_samples", "gate_history", "probes", "versions", "queue_size"):
        with pytest.raises(ConfigurationError, match=f"{name} cannot change"):
            check_live_change(config, replace(config, **{name: getattr(config, name) + 1}))
