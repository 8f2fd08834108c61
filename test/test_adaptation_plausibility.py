"""What may be remembered is what the learner would take, judged without waiting for it."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from adapting import learner_on, store_of, windows
from linear_policy import BASE, RECURSIVE, LinearPolicy, linear_stream

from ttt_ros.adaptation.plausibility import Plausibility
from ttt_ros.adaptation.versions import Version
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.transition import FastWeights, Transitions

POLICY = LinearPolicy()
TRUTH = BASE + torch.tensor([[1.0, -1.0, 0.5], [0.0, 0.5, -1.0]])
# The trim compares within a window, which a single transition does not have.
CONFIG = replace(RECURSIVE, trim_factor=1e6, innovation_factor=12.0, innovation_history=16, innovation_prior=2e-3)


def plausibility() -> Plausibility:
    return Plausibility(POLICY, history=CONFIG.innovation_history)


def judged_along(count: int, *, poisoned: float, seed: int = 0) -> Iterator[tuple[Transitions, Version, bool, bool]]:
    """Each transition, the version in force after it, whether it is plausible, and whether the learner took it."""
    judge, learner = plausibility(), learner_on(POLICY, CONFIG)
    for window in windows(linear_stream(TRUTH, count, seed=seed, poisoned=poisoned), size=4, minimum=1):
        newest = window.transitions.features["state"].shape[0] - 1
        transition = Transitions(
            features={name: each[newest:] for name, each in window.transitions.features.items()},
            executed=window.transitions.executed[newest:],
            steps=window.transitions.steps[newest:],
            next_features={name: each[newest:] for name, each in window.transitions.next_features.items()},
        )
        version = learner.store.current
        plausible = judge.judge(transition, version, epoch=0, config=CONFIG)
        report = learner.adapt(window, epoch=0)
        yield transition, version, plausible, "innovation of no fresh sample" not in report.reason


@pytest.mark.parametrize(("poisoned", "refused"), [(0.0, 0.1), (0.5, 0.5)])
def test_where_nothing_is_late_it_agrees_with_the_learner(poisoned, refused):
    verdicts = [(plausible, taken) for _, _, plausible, taken in judged_along(80, poisoned=poisoned)]
    assert [plausible for plausible, _ in verdicts] == [taken for _, taken in verdicts]
    assert sum(not plausible for plausible, _ in verdicts) / len(verdicts) == pytest.approx(refused, abs=0.1)


def test_it_is_a_function_of_the_transitions_and_the_versions():
    run = list(judged_along(60, poisoned=0.5))
    again = plausibility()
    assert [again.judge(transition, version, epoch=0, config=CONFIG) for transition, version, _, _ in run] == [each[2] for each in run]


def test_it_begins_anew_with_every_epoch():
    judge, base = plausibility(), store_of(POLICY).base
    (transition,) = linear_stream(8.0 * BASE, 1, seed=1)
    assert not judge.judge(transition, base, epoch=0, config=CONFIG)
    for stranger in linear_stream(-20.0 * BASE, CONFIG.innovation_warmup, seed=2):
        judge.judge(stranger, base, epoch=0, config=CONFIG)
    assert judge.judge(transition, base, epoch=0, config=CONFIG)
    assert not judge.judge(transition, base, epoch=1, config=CONFIG)


def test_what_is_not_a_number_is_not_plausible():
    (transition,) = linear_stream(BASE, 1)
    transition.next_features["state"][:] = math.nan
    assert not plausibility().judge(transition, store_of(POLICY).base, epoch=0, config=CONFIG)


def test_with_factor_0_anything_is_plausible_and_nothing_is_computed():
    class Unasked(LinearPolicy):
        def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
            raise NotImplementedError

    (transition,) = linear_stream(BASE, 1)
    transition.next_features["state"][:] = math.nan
    judge = Plausibility(Unasked(), history=8)
    assert judge.judge(transition, store_of(POLICY).base, epoch=0, config=replace(CONFIG, innovation_factor=0.0))
