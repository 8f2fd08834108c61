"""One window leads to one step, or to a refusal in words; nothing half-done ever comes into force."""

import math
from dataclasses import replace

import pytest
import torch
from adapting import OBJECTIVES, adapted, equal_bits, error_on_shifted_stream, learner_on, shifted_window, store_of, windows, with_outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from small_policy import SmallPolicy, observation, stream

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.steps import base_norms, drifts, parameters_by_module
from ttt_ros.adaptation.window import Window
from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.transition import FastWeights, concatenated

POLICY = SmallPolicy()


def test_version_0_is_the_base_policy_bit_for_bit():
    store = store_of(POLICY)
    assert store.current is store.base
    assert equal_bits(store.base.weights, POLICY.base_fast_weights())
    features = POLICY.encode(observation())
    assert POLICY.act(features, store.current.weights).equal((features["state"] @ POLICY._to_actions).view(-1, 4, 3))


def test_adapting_lowers_the_error_on_a_shifted_stream():
    learner = adapted(learner_on(POLICY), 200)
    before = error_on_shifted_stream(POLICY, learner.store.base.weights, shift=1.0)
    after = error_on_shifted_stream(POLICY, learner.store.current.weights, shift=1.0)
    assert after < 0.75 * before


def test_fresh_samples_are_scored_before_the_update_and_again_after_it():
    learner = adapted(learner_on(POLICY), 12)
    before = learner.store.current.weights
    window = replace(shifted_window(seed=5), fresh=2)
    report = learner.adapt(window, epoch=0)

    def mean_error(weights: FastWeights) -> float:
        return float(scored(POLICY, window.transitions, weights, objectives=OBJECTIVES).errors[-2:].mean())

    assert report.prediction_loss == pytest.approx(mean_error(before))
    assert report.loss_after == pytest.approx(mean_error(learner.store.current.weights))
    assert report.loss_after < report.prediction_loss


def test_the_report_tells_what_was_committed():
    learner = learner_on(POLICY)
    window = shifted_window()
    report = learner.adapt(window, epoch=0)
    current = learner.store.current
    assert report.committed
    assert not report.reason
    assert not report.withheld
    assert (report.window_sequence, report.epoch, report.stamps, report.samples, report.trimmed) == (1, 0, window.stamps, 8, 0)
    assert (report.version, report.checksum) == (1, current.checksum)
    assert report.checksum == tensor_checksum(current.weights)
    base = learner.store.base.weights
    assert report.update_norm == pytest.approx(math.sqrt(sum(float((current.weights[name] - base[name]).square().sum()) for name in base)))
    assert report.drift_per_module.keys() == set(POLICY.fast_modules())
    assert 0.0 < report.action_deviation < 0.25
    assert report.duration > 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_broken_sample_is_trimmed_and_leaves_no_trace(value):
    clean, broken = learner_on(POLICY), learner_on(POLICY)
    report = broken.adapt(with_outcome(shifted_window(), 3, value), epoch=0)
    assert report.committed
    assert report.trimmed == 1
    window = shifted_window()
    others = [index for index in range(8) if index != 3]
    transitions = concatenated([transition for index, transition in enumerate(stream(POLICY, 8, shift=1.0)) if index in others])
    clean.adapt(Window(transitions=transitions, fresh=7, stamps=tuple(window.stamps[index] for index in others)), epoch=0)
    assert equal_bits(broken.store.current.weights, clean.store.current.weights)


def test_broken_features_of_one_sample_do_not_reach_the_gradient():
    window = shifted_window()
    window.transitions.features["state"][3] = math.nan
    report = learner_on(POLICY).adapt(window, epoch=0)
    assert report.committed
    assert math.isfinite(report.gradient_norm)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    rate=st.floats(0.01, 10.0),
    limit=st.floats(1e-4, 0.5),
    momentum=st.sampled_from([0.0, 0.9]),
    seed=st.integers(0, 1000),
)
def test_no_version_ever_drifts_beyond_the_limit(rate, limit, momentum, seed):
    config = AdaptationConfig(learning_rate=rate, drift_limit=limit, momentum=momentum, clip_norm=100.0, probe_limit=6.3)
    learner = learner_on(POLICY, config)
    base = learner.store.base.weights
    modules = parameters_by_module(base, POLICY.fast_modules())
    norms = base_norms(base, modules)
    for window in windows(stream(POLICY, 14, seed=seed, shift=1.0)):
        report = learner.adapt(window, epoch=0)
        assert max(report.drift_per_module.values()) <= limit
        measured = drifts(learner.store.current.weights, base, norms, modules)
        for module, drift in measured.items():
            assert float(drift) == pytest.approx(report.drift_per_module[module], rel=1e-4, abs=1e-6)  # the weights are float32


def test_the_pull_back_alone_leads_home():
    learner = adapted(learner_on(POLICY, AdaptationConfig(learning_rate=0.3)), 60)
    far = learner.store.current.drift_total
    learner.config = replace(learner.config, learning_rate=0.0, pull_back=0.1)
    adapted(learner, 110, shift=1.0)
    assert learner.store.current.drift_total < 1e-4 * far


def test_a_rollback_restores_the_optimiser_too_so_that_the_same_step_follows():
    learner = adapted(learner_on(POLICY, AdaptationConfig(momentum=0.9, gate_factor=1e6)), 12)
    store = learner.store
    before = store.current
    window = shifted_window(seed=9)
    first = learner.adapt(window, epoch=0)
    assert store.rollback() is before
    again = learner.adapt(window, epoch=store.epoch)
    assert again.checksum == first.checksum
    assert again.version > first.version


def test_momentum_carries_over_from_one_window_to_the_next():
    keeps, forgets = (learner_on(POLICY, AdaptationConfig(momentum=0.9)) for _ in range(2))
    first = [learner.adapt(shifted_window(seed=1), epoch=0).checksum for learner in (keeps, forgets)]
    forgets.config = replace(forgets.config, momentum=0.0)
    second = [learner.adapt(shifted_window(seed=2), epoch=0).checksum for learner in (keeps, forgets)]
    assert first[0] == first[1]
    assert second[0] != second[1]


def test_without_a_permit_everything_is_done_but_the_commit():
    permitted, withheld = learner_on(POLICY), learner_on(POLICY)
    done = permitted.adapt(shifted_window(), epoch=0)
    report = withheld.adapt(shifted_window(), epoch=0, permitted=False)
    assert not report.committed
    assert report.withheld
    assert report.reason == "adaptation is not permitted to commit"
    assert withheld.store.current is withheld.store.base
    for figure in ("prediction_loss", "gradient_norm", "action_deviation", "trimmed"):
        assert getattr(report, figure) == getattr(done, figure)
    assert report.update_norm == 0.0


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_same_windows_lead_to_the_same_checksums(momentum):
    def checksums() -> list[str]:
        learner = learner_on(SmallPolicy(), AdaptationConfig(momentum=momentum))
        return [learner.adapt(window, epoch=0).checksum for window in windows(stream(POLICY, 40, shift=1.0, glitches=0.1))]

    first = checksums()
    assert first == checksums()
    assert len(set(first)) > 20


def test_tensors_of_a_version_are_never_modified():
    learner = adapted(learner_on(POLICY, AdaptationConfig(momentum=0.9)), 10)
    version = learner.store.current
    checksum, momentum = tensor_checksum(version.weights), tensor_checksum(version.momentum)
    adapted(learner, 20)
    assert tensor_checksum(version.weights) == checksum == version.checksum
    assert tensor_checksum(version.momentum) == momentum
    assert not any(weight.requires_grad for weight in learner.store.current.weights.values())


def test_a_new_configuration_holds_from_the_next_window_on():
    learner = learner_on(POLICY)
    learner.config = replace(learner.config, gradient_limit=0.5)
    assert "gradient_limit, 0.5" in learner.adapt(shifted_window(), epoch=0).reason
    with pytest.raises(ConfigurationError, match="probes cannot change"):
        learner.config = replace(learner.config, probes=1)


def test_an_objective_of_weight_0_is_left_out():
    window = shifted_window()
    window = replace(
        window,
        transitions=replace(window.transitions, next_features={**window.transitions.next_features, "joints": torch.full((8, 3), math.nan)}),
    )
    assert not learner_on(POLICY).adapt(window, epoch=0).committed
    config = AdaptationConfig(objectives={"features": 1.0, "proprioception": 0.0})
    assert learner_on(POLICY, config).adapt(window, epoch=0).committed
