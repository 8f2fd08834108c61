"""The innovation gate refuses what the learner's own uncertainty does not allow, locks nothing out, and cannot be talked open."""

import math
from dataclasses import replace

import pytest
import torch
from adapting import learner_on, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_policy import BASE, RECURSIVE, LinearPolicy, linear_stream, squared_distance

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.innovation_gate import InnovationGate

POLICY = LinearPolicy()
GATED = replace(RECURSIVE, innovation_factor=12.0, innovation_history=16, innovation_prior=2e-3)
CONFIG = AdaptationConfig(innovation_factor=3.0, innovation_quantile=0.25, innovation_history=8, innovation_warmup=1, innovation_prior=1e-3)
WARMING = replace(CONFIG, innovation_warmup=8, innovation_prior=0.5)
TRUTH = BASE + torch.tensor([[1.0, -1.0, 0.5], [0.0, 0.5, -1.0]])
rule = settings(deadline=None, derandomize=True)


def samples(*, min_size: int = 0, max_size: int) -> st.SearchStrategy[list[float]]:
    """Innovations of one number."""
    return st.lists(st.floats(0.0, 1e6, width=32), min_size=min_size, max_size=max_size)


def gate_after(*innovations: float) -> InnovationGate:
    """A gate of one predicted number."""
    gate = InnovationGate(history=CONFIG.innovation_history)
    gate.saw(torch.tensor(innovations)[:, None])
    return gate


def largest_allowed(gate: InnovationGate, config: AdaptationConfig = CONFIG) -> float:
    """The largest innovation of one number that the gate calls plausible: a size of 1 is that of the noise."""
    judged = gate.judge(torch.ones(1, 1), config)
    return judged.limit / float(judged.sizes)


def final_distance(config: AdaptationConfig, *, poisoned: float, seed: int = 0) -> float:
    learner = learner_on(POLICY, config)
    for window in windows(linear_stream(TRUTH, 80, seed=seed, poisoned=poisoned), size=4, minimum=1):
        learner.adapt(window, epoch=0)
    return squared_distance(learner.store.current.weights, TRUTH)


def test_the_limit_is_the_factor_times_the_quantile():
    assert largest_allowed(gate_after(4.0, 3.0, 2.0, 1.0)) == pytest.approx(3.0 * 1.0)
    assert largest_allowed(gate_after(*range(1, 9))) == pytest.approx(3.0 * 2.0)


def test_each_number_is_measured_by_its_own_noise():
    gate = InnovationGate(history=8)
    gate.saw(torch.tensor([[1.0, 100.0]] * 4))
    judged = gate.judge(torch.tensor([[1.0, 100.0], [100.0, 1.0]]), CONFIG)
    assert judged.sizes.tolist() == pytest.approx([1.0, 50.0], rel=0.01)
    assert judged.plausible.tolist() == [True, False]


@rule
@given(seen=samples(max_size=7), judged=samples(min_size=1, max_size=4))
def test_until_it_has_warmed_up_the_gate_goes_by_the_prior_whatever_it_saw(seen, judged):
    found = gate_after(*seen).judge(torch.tensor(judged)[:, None], WARMING)
    assert found.plausible.tolist() == [value <= 3.0 * WARMING.innovation_prior for value in judged]


@rule
@given(seen=samples(max_size=8))
def test_what_is_usual_in_training_is_plausible_whatever_the_gate_saw(seen):
    assert largest_allowed(gate_after(*seen), WARMING) >= 3.0 * WARMING.innovation_prior


def test_once_it_has_warmed_up_the_gate_goes_by_what_it_saw():
    assert largest_allowed(gate_after(*[2.0] * 7), WARMING) == pytest.approx(3.0 * 0.5)
    assert largest_allowed(gate_after(*[2.0] * 8), WARMING) == pytest.approx(3.0 * 2.0)


def test_factor_0_switches_the_gate_off():
    assert gate_after().judge(torch.ones(1, 1), replace(CONFIG, innovation_factor=0.0)).limit == math.inf
    assert gate_after(1.0).judge(torch.ones(1, 1), replace(CONFIG, innovation_factor=0.0)).limit == math.inf


def test_what_is_not_a_number_is_neither_plausible_nor_remembered():
    gate = gate_after(1.0, math.nan, math.inf)
    assert gate.judge(torch.tensor([[math.nan], [math.inf], [1.0]]), CONFIG).plausible.tolist() == [False, False, True]
    assert gate_after(math.nan).judge(torch.tensor([[math.nan], [CONFIG.innovation_prior]]), CONFIG).plausible.tolist() == [False, True]


def test_numbers_that_are_always_predicted_exactly_lead_to_no_division_by_nothing():
    judged = gate_after(0.0, 0.0).judge(torch.tensor([[0.0], [1.0]]), CONFIG)
    assert judged.plausible.tolist() == [True, False]


def test_the_history_ends_with_its_epoch():
    gate = gate_after(1.0)
    gate.begin(0)
    assert largest_allowed(gate) == pytest.approx(3.0)
    gate.begin(1)
    assert largest_allowed(gate) == pytest.approx(3.0 * CONFIG.innovation_prior)


@rule
@given(
    clean=st.lists(st.floats(0.0625, 1.0, width=32), min_size=2, max_size=8),
    forged=st.lists(st.floats(1.0, 1e6, width=32), max_size=6),
    data=st.data(),
)
def test_whoever_has_less_than_the_rest_of_the_stream_cannot_raise_the_limit(clean, forged, data):
    """However large the forged innovations, and in whatever order they come."""
    stream = data.draw(st.permutations([*clean, *forged]))[-CONFIG.innovation_history :]
    honest = sum(value <= 1.0 for value in stream)
    if honest >= math.ceil(CONFIG.innovation_quantile * len(stream)):
        assert largest_allowed(gate_after(*stream)) <= 3.0 * 1.0001


def test_poison_in_half_of_the_stream_does_little_with_the_gate_and_much_without():
    gated, open_to_all = (sum(final_distance(each, poisoned=0.5, seed=seed) for seed in range(12)) for each in (GATED, RECURSIVE))
    assert gated < 0.3 * open_to_all


def test_on_a_clean_stream_the_gate_costs_little():
    gated = sum(final_distance(GATED, poisoned=0.0, seed=seed) for seed in range(6))
    assert gated < 0.001 * 6 * squared_distance(POLICY.base_fast_weights(), TRUTH)


def test_a_world_that_changed_for_good_is_learned_again():
    learner = learner_on(POLICY, GATED)
    changed = -TRUTH
    transitions = [*linear_stream(TRUTH, 60, seed=1), *linear_stream(changed, 300, seed=2)]
    reports = [learner.adapt(window, epoch=0) for window in windows(transitions, size=4, minimum=1)]
    assert any(report.implausible for report in reports[60:70])
    assert squared_distance(learner.store.current.weights, changed) < 0.05 * squared_distance({"layer.matrix": TRUTH}, changed)


def test_half_of_the_stream_does_not_get_in_by_patience():
    """The same forged world in every other sample, for as long as it likes."""
    learner = learner_on(POLICY, GATED)
    clean, forged = linear_stream(TRUTH, 400, seed=1), linear_stream(-TRUTH, 400, seed=2)
    stream = [*linear_stream(TRUTH, 40, seed=3), *(each for pair in zip(clean, forged, strict=True) for each in pair)]
    for window in windows(stream, size=4, minimum=1):
        learner.adapt(window, epoch=0)
    assert squared_distance(learner.store.current.weights, TRUTH) < 0.1 * squared_distance({"layer.matrix": TRUTH}, -TRUTH)


def test_a_window_of_which_nothing_is_plausible_is_refused_in_words():
    learner = learner_on(POLICY, GATED)
    for window in windows(linear_stream(TRUTH, 40), size=1, minimum=1):
        learner.adapt(window, epoch=0)
    before = learner.store.current
    report = learner.adapt(next(windows(linear_stream(-TRUTH, 1), size=1, minimum=1)), epoch=0)
    assert not report.committed
    assert (report.trimmed, report.implausible) == (0, 1)
    assert report.reason.startswith("the innovation of no fresh sample is within the gate's limit, ")
    assert "; the smallest is " in report.reason
    assert learner.store.current is before


def test_the_same_windows_lead_to_the_same_checksums():
    def checksums() -> list[str]:
        learner = learner_on(POLICY, GATED)
        stream = windows(linear_stream(TRUTH, 40, poisoned=0.5), size=4, minimum=1)
        return [learner.adapt(window, epoch=0).checksum for window in stream]

    assert checksums() == checksums()


@pytest.mark.parametrize("permitted", [True, False])
def test_the_gate_learns_the_noise_whether_or_not_committing_is_permitted(permitted):
    learner = learner_on(POLICY, GATED)
    for window in windows(linear_stream(BASE, 20), size=4, minimum=1):
        learner.adapt(window, epoch=0, permitted=permitted)
    report = learner.adapt(next(windows(linear_stream(-BASE, 1, seed=5), size=1, minimum=1)), epoch=0, permitted=permitted)
    assert report.implausible == 1


@pytest.mark.parametrize(("config", "committed"), [(RECURSIVE, True), (GATED, False)])
def test_only_with_a_limit_is_a_window_refused_because_its_newest_sample_is_broken(config, committed):
    learner = learner_on(POLICY, config)
    *before, last = windows(linear_stream(TRUTH, 8), size=4, minimum=1)
    for window in before:
        learner.adapt(window, epoch=0)
    last.transitions.next_features["state"][-1] = math.nan
    report = learner.adapt(last, epoch=0)
    assert report.trimmed >= 1
    assert report.committed is committed
