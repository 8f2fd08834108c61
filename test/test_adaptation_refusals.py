"""What must not come into force is refused, in words."""

import math
from dataclasses import replace

import pytest
import torch
from adapting import adapted, learner_on, shifted_window, windows, with_outcome
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.errors import AdaptationError
from ttt_ros.policies.transition import concatenated

POLICY = SmallPolicy()


def test_a_window_of_nothing_but_nan_is_refused():
    window = shifted_window()
    for sample in range(8):
        window = with_outcome(window, sample, math.nan)
    learner = learner_on(POLICY)
    report = learner.adapt(window, epoch=0)
    assert not report.committed
    assert report.reason == "0 of 8 samples are left after following_limit and the trim, fewer than minimum_samples, 4"
    assert (report.prediction_loss, report.gradient_norm, report.action_deviation) == (None, None, None)
    assert learner.store.current is learner.store.base


class NanGradientPolicy(SmallPolicy):
    """Predicts as usual, but the gradient of its prediction is NaN."""

    def predictions(self, features, executed, fast):
        zero = sum((0.0 * weight).sum() for weight in fast.values()).sqrt() * 0.0
        return {name: prediction + zero for name, prediction in super().predictions(features, executed, fast).items()}


def test_a_nan_gradient_is_never_committed():
    learner = learner_on(NanGradientPolicy())
    report = learner.adapt(shifted_window(), epoch=0)
    assert not report.committed
    assert math.isnan(report.gradient_norm)
    assert report.reason == "the gradient is not finite: its norm is nan"


def test_a_gradient_above_the_limit_is_refused_although_it_would_be_clipped():
    report = learner_on(POLICY, AdaptationConfig(gradient_limit=0.5, clip_norm=0.1)).adapt(shifted_window(), epoch=0)
    assert not report.committed
    assert report.gradient_norm > 0.5
    assert report.reason == f"gradient norm {report.gradient_norm:.4g} is above gradient_limit, 0.5"


def test_an_update_that_moves_an_action_too_far_is_refused():
    learner = learner_on(POLICY, AdaptationConfig(probe_limit=0.01))
    reports = [learner.adapt(window, epoch=0) for window in windows(stream(POLICY, 30, shift=1.0))]
    refused = [report for report in reports if not report.committed]
    assert refused
    assert all("above probe_limit, 0.01 rad" in report.reason and report.action_deviation > 0.01 for report in refused)
    assert learner.store.current.number == len(reports) - len(refused) > 0


def test_the_gate_refuses_a_glitched_window_and_does_not_learn_from_it():
    learner = adapted(learner_on(POLICY), 20)
    wild = shifted_window()
    wild = replace(wild, transitions=concatenated([_wild(transition) for transition in stream(POLICY, 8)]))
    first, second = learner.adapt(wild, epoch=0), learner.adapt(wild, epoch=0)
    assert not first.committed
    assert "above the gate's limit" in first.reason
    limit = first.reason.split("limit, ")[1].split(",")[0]
    assert f"limit, {limit}, 2 times in a row" in second.reason
    assert learner.adapt(shifted_window(seed=7), epoch=0).committed


def _wild(transition):
    return replace(transition, next_features={name: feature + 20.0 for name, feature in transition.next_features.items()})


def test_the_gate_forgets_adapted_losses_at_a_reset():
    learner = adapted(learner_on(POLICY, AdaptationConfig(gate_factor=1.0)), 3 * 8, shift=0.0)
    epoch = learner.store.epoch
    assert "gate" in learner.adapt(shifted_window(shift=2.0), epoch=epoch).reason
    learner.store.reset()
    assert learner.adapt(shifted_window(shift=2.0), epoch=learner.store.epoch).committed


class ResettingPolicy(SmallPolicy):
    """Lets a test do something while a step is under way."""

    during_step = staticmethod(lambda: None)

    def predictions(self, features, executed, fast):
        if any(weight.requires_grad for weight in fast.values()):
            self.during_step()
        return super().predictions(features, executed, fast)


@pytest.mark.parametrize("withdraw", [VersionStore.reset, VersionStore.rollback])
def test_a_step_begun_before_a_withdrawal_cannot_land_after_it(withdraw):
    policy = ResettingPolicy()
    learner = learner_on(policy)
    store = learner.store
    policy.during_step = lambda: withdraw(store)
    report = learner.adapt(shifted_window(), epoch=0)
    assert not report.committed
    assert report.reason == "a reset or rollback ended epoch 0 during the step"
    assert store.current is store.base
    assert report.version == 0


def test_a_window_from_before_a_reset_is_not_even_scored():
    learner = learner_on(POLICY)
    learner.store.reset()
    report = learner.adapt(shifted_window(), epoch=0)
    assert report.reason == "begun in epoch 0, which a reset or rollback has ended; the epoch is now 1"
    assert report.prediction_loss is None


def test_a_refused_window_is_not_called_withheld():
    report = learner_on(POLICY, AdaptationConfig(gradient_limit=0.5)).adapt(shifted_window(), epoch=0, permitted=False)
    assert not report.withheld
    assert "gradient_limit" in report.reason


def test_an_objective_that_the_policy_lacks_is_an_error():
    with pytest.raises(AdaptationError, match="no objective tactile; it offers features, proprioception"):
        learner_on(POLICY, AdaptationConfig(objectives={"tactile": 1.0})).adapt(shifted_window(), epoch=0)


def test_inference_mode_is_refused_and_no_grad_is_fine():
    with torch.inference_mode(), pytest.raises(AdaptationError, match="inference mode"):
        learner_on(POLICY).adapt(shifted_window(), epoch=0)
    with torch.no_grad():
        assert learner_on(POLICY).adapt(shifted_window(), epoch=0).committed


def test_fast_weights_in_half_precision_are_refused():
    class HalfPolicy(SmallPolicy):
        def base_fast_weights(self):
            return {name: weight.half() for name, weight in super().base_fast_weights().items()}

    with pytest.raises(AdaptationError, match=r"torch.float16; small steps need float32"):
        learner_on(HalfPolicy())
