"""A glitched stream must not leave the policy worse than a clean one does."""

from dataclasses import replace

from adapting import error_on_shifted_stream, learner_on, windows
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation.configuration import AdaptationConfig

POLICY = SmallPolicy()
SHIFT = 1.0
CLIP_AND_TRIM = AdaptationConfig(gate_factor=1e6, gradient_limit=1e6, probe_limit=6.3, drift_limit=10.0, pull_back=0.0)
CLIP_ALONE = replace(CLIP_AND_TRIM, trim_factor=1e6)


def final_error(config: AdaptationConfig, *, glitches: float) -> float:
    learner = learner_on(POLICY, config)
    for window in windows(stream(POLICY, 400, seed=1, shift=SHIFT, glitches=glitches)):
        learner.adapt(window, epoch=0)
    return error_on_shifted_stream(POLICY, learner.store.current.weights, shift=SHIFT)


def test_the_trim_saves_a_glitched_stream_where_clipping_alone_does_not():
    clean = final_error(CLIP_AND_TRIM, glitches=0.0)
    assert final_error(CLIP_AND_TRIM, glitches=0.05) < 1.1 * clean
    assert final_error(CLIP_ALONE, glitches=0.05) > 1.5 * clean


def test_a_world_that_changes_at_once_and_for_good_is_learned_in_the_end():
    learner = learner_on(POLICY)
    transitions = [*stream(POLICY, 60, seed=2, shift=0.0), *stream(POLICY, 200, seed=3, shift=2.0)]
    reports = [learner.adapt(window, epoch=0) for window in windows(transitions)]
    assert any("gate" in report.reason for report in reports[50:])
    frozen = error_on_shifted_stream(POLICY, POLICY.base_fast_weights(), shift=2.0)
    assert error_on_shifted_stream(POLICY, learner.store.current.weights, shift=2.0) < 0.8 * frozen
