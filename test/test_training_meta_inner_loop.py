"""The inner loop of meta-training is the update of the run-time learner."""

import pytest
import torch
from memory_policies import random_transitions, small_memory_policy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.policies.transition import Transitions
from ttt_ros.training.meta.configuration import Order
from ttt_ros.training.meta.inner_loop import InnerLoop

DEPLOYMENTS, GOALS = 2, 6


def config(**changes: float) -> AdaptationConfig:
    values = {"window": 3, "minimum_samples": 1, "clip_norm": 1e6, "gradient_limit": 1e6, "drift_limit": 10.0, "probe_limit": 6.3} | changes
    return AdaptationConfig(objectives={"action": 1.0}, gate_factor=1e6, **values)


def part(transitions: Transitions, deployments: int | slice, goals: slice) -> Transitions:
    return Transitions(
        features={name: each[deployments, goals] for name, each in transitions.features.items()},
        executed=transitions.executed[deployments, goals],
        steps=transitions.steps[deployments, goals],
        next_features={name: each[deployments, goals] for name, each in transitions.next_features.items()},
    )


@pytest.mark.parametrize("order", [Order.FIRST, Order.SECOND])
@pytest.mark.parametrize(
    "adaptation",
    [
        config(ridge=1.0, learning_rate=0.7, pull_back=0.02),
        config(ridge=0.0, learning_rate=0.05, pull_back=0.01),
        config(ridge=1.0, learning_rate=1.0, clip_norm=0.3, drift_limit=0.4),
        config(ridge=0.5, learning_rate=0.5, trim_factor=1.2),
    ],
    ids=["preconditioned", "plain", "clipped and projected", "trimmed"],
)
def test_the_inner_loop_takes_the_steps_of_the_learner(order, adaptation):
    policy = small_memory_policy()
    run = random_transitions(DEPLOYMENTS, GOALS)
    inner = InnerLoop(policy, policy.fast_parameters(), adaptation, order=order)
    state = inner.begin(DEPLOYMENTS)
    for goal in range(GOALS):
        state = inner.step(state, part(run, slice(None), slice(max(0, goal + 1 - adaptation.window), goal + 1)))
    for deployment in range(DEPLOYMENTS):
        expected = learned_at_run_time(policy, adaptation, run, deployment)
        torch.testing.assert_close(state.weights["fast.down"][deployment], expected, rtol=2e-3, atol=2e-5)


def learned_at_run_time(policy, adaptation: AdaptationConfig, run: Transitions, deployment: int) -> torch.Tensor:
    store = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=4)
    learner = Learner(policy, adaptation, store)
    window = TransitionWindow(size=adaptation.window, minimum=adaptation.minimum_samples)
    for goal in range(GOALS):
        report = learner.adapt(window.push(part(run, deployment, slice(goal, goal + 1)), stamp=goal), epoch=0)
        assert report.committed, report.reason
    return store.current.weights["fast.down"]


def test_second_order_reaches_what_first_order_leaves_out():
    policy = small_memory_policy()
    run = random_transitions(DEPLOYMENTS, GOALS)
    found = {}
    for order in (Order.FIRST, Order.SECOND):
        policy.zero_grad()
        inner = InnerLoop(policy, policy.fast_parameters(), config(ridge=1.0, learning_rate=0.5), order=order)
        state = inner.step(inner.begin(DEPLOYMENTS), part(run, slice(None), slice(0, 3)))
        state.weights["fast.down"].square().sum().backward()
        found[order] = policy.reached[-1].bias.grad
    assert found[Order.FIRST] is None
    assert found[Order.SECOND].abs().max() > 0


def test_the_gradient_through_the_updates_is_that_of_finite_differences():
    policy = small_memory_policy().double()
    run = random_transitions(1, 3)
    run = Transitions(
        features={name: each.double() if each.is_floating_point() else each for name, each in run.features.items()},
        executed=run.executed.double(),
        steps=run.steps,
        next_features={name: each.double() if each.is_floating_point() else each for name, each in run.next_features.items()},
    )

    def outcome() -> torch.Tensor:
        inner = InnerLoop(policy, policy.fast_parameters(), config(ridge=1.0, learning_rate=0.5), order=Order.SECOND)
        state = inner.begin(1)
        for goal in range(3):
            state = inner.step(state, part(run, slice(None), slice(0, goal + 1)))
        return state.weights["fast.down"].square().sum()

    outcome().backward()
    weight = policy.up.bias
    slope, small = float(weight.grad[0]), 1e-5
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            weight[0] += sign * small
            values.append(float(outcome()))
            weight[0] -= sign * small
    assert slope == pytest.approx((values[0] - values[1]) / (2 * small), rel=1e-4)
