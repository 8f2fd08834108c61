"""Each step of the update does what its name says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.adaptation import steps
from ttt_ros.errors import AdaptationError

MODULES = {"a": ("a.up", "a.down"), "b": ("b.up",)}
rule = settings(deadline=None, derandomize=True)
finite = st.floats(-1e3, 1e3, width=32)


def tensors(values: list[float]) -> dict[str, torch.Tensor]:
    up, down, other = torch.tensor(values, dtype=torch.float32).split(2)
    return {"a.up": up, "a.down": down, "b.up": other}


weights = st.lists(finite, min_size=6, max_size=6).map(tensors)
bases = st.lists(st.floats(0.5, 2.0, width=32), min_size=6, max_size=6).map(tensors)


def test_parameters_are_grouped_by_the_module_that_names_them():
    assert steps.parameters_by_module(["a.up", "a.down", "ab.up"], ["a", "ab"]) == {"a": ("a.up", "a.down"), "ab": ("ab.up",)}


@pytest.mark.parametrize(
    ("names", "modules", "complaint"),
    [
        (["a.up"], ["a", "b"], "'b' has no fast parameter"),
        (["a.up", "c.up"], ["a"], "'c.up' belongs to 0"),
        (["a.b.up"], ["a", "a.b"], "'a.b.up' belongs to 2"),
    ],
)
def test_parameters_that_fit_no_module_are_refused(names, modules, complaint):
    with pytest.raises(AdaptationError, match=complaint):
        steps.parameters_by_module(names, modules)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([1.0, 2.0, 3.0, 100.0], [True, True, True, False]),
        ([1.0, 1.0, 50.0, 60.0], [True, True, False, False]),
        ([1.0, math.nan, 2.0, math.inf], [True, False, True, False]),
        ([math.nan, math.inf], [False, False]),
        ([3e38, 3e38, math.inf], [True, True, False]),
        ([0.0, 0.0, 0.0], [True, True, True]),
        ([5.0], [True]),
    ],
)
def test_the_trim_keeps_finite_errors_up_to_the_factor_times_their_median(errors, expected):
    assert steps.kept(torch.tensor(errors), factor=6.0).tolist() == expected


@rule
@given(st.lists(st.floats(0.0, 1e6, width=32), min_size=1, max_size=16))
def test_the_trim_always_keeps_at_least_half_of_finite_errors(errors):
    assert steps.kept(torch.tensor(errors, dtype=torch.float32), factor=1.0).sum() >= len(errors) / 2


def test_a_parameter_that_the_loss_ignores_has_a_zero_gradient():
    shadow = steps.shadow({"used": torch.ones(2), "unused": torch.ones(3)})
    gradients = steps.gradients((2.0 * shadow["used"]).sum(), shadow)
    assert gradients["used"].tolist() == [2.0, 2.0]
    assert gradients["unused"].tolist() == [0.0, 0.0, 0.0]


@rule
@given(weights, st.floats(1e-2, 1e3))
def test_clipping_bounds_the_norm_and_keeps_the_direction(gradient, limit):
    before = steps.norm(gradient.values())
    clipped = steps.clipped(gradient, norm=before, limit=limit)
    assert float(steps.norm(clipped.values())) <= limit * (1 + 1e-5)
    if before <= limit:
        assert all(clipped[name].equal(gradient[name]) for name in gradient)
    dot = sum(float((clipped[name].double() * gradient[name].double()).sum()) for name in gradient)
    assert dot == pytest.approx(float(steps.norm(clipped.values())) * float(before), rel=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_equal_those_of_the_optimiser_in_torch(momentum):
    generator = torch.Generator().manual_seed(0)
    current = {"mlp.up": torch.randn(4, 3, generator=generator)}
    parameter = torch.nn.Parameter(current["mlp.up"].clone())
    optimiser = torch.optim.SGD([parameter], lr=0.1, momentum=momentum)
    buffers = {}
    for _ in range(5):
        gradient = {"mlp.up": torch.randn(4, 3, generator=generator)}
        parameter.grad = gradient["mlp.up"].clone()
        optimiser.step()
        buffers = steps.accumulated(buffers, gradient, factor=momentum)
        current = steps.stepped(current, buffers, learning_rate=0.1)
    torch.testing.assert_close(current["mlp.up"], parameter.detach())


@rule
@given(weights, bases)
def test_the_pull_back_alone_leads_to_the_base(start, base):
    current = start
    for _ in range(200):
        current = steps.pulled_back(current, base, share=0.1)
    for name in base:
        torch.testing.assert_close(current[name], base[name], rtol=1e-4, atol=1e-4)


@rule
@given(weights, bases, st.floats(1e-4, 10.0))
def test_projected_weights_never_drift_beyond_the_limit(start, base, limit):
    norms = steps.base_norms(base, MODULES)
    drifts = steps.drifts(start, base, norms, MODULES)
    projected = steps.projected(start, base, drifts, MODULES, limit=limit)
    after = steps.drifts(projected, base, norms, MODULES)
    for module, names in MODULES.items():
        if drifts[module] <= limit:
            assert all(projected[name].equal(start[name]) for name in names)
        expected = min(float(drifts[module]), limit)
        assert float(after[module]) == pytest.approx(expected, rel=1e-4, abs=1e-6)  # the weights are float32


@rule
@given(weights, bases)
def test_the_total_drift_follows_from_that_of_the_modules(start, base):
    norms = steps.base_norms(base, MODULES)
    drifts = {module: float(drift) for module, drift in steps.drifts(start, base, norms, MODULES).items()}
    direct = float(steps.distance(start, base, base) / steps.norm(base.values()))
    assert steps.total_drift(drifts, norms) == pytest.approx(direct, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_a_base_without_a_usable_norm_is_refused(value):
    with pytest.raises(AdaptationError, match="drift relative to it cannot be bounded"):
        steps.base_norms({"b.up": torch.full((2,), value)}, {"b": ("b.up",)})


def test_an_update_can_be_differentiated_through():
    start = torch.tensor([3.0, 4.0], requires_grad=True)
    base = {"b.up": torch.tensor([1.0, 1.0])}
    modules = {"b": ("b.up",)}
    gradient = steps.clipped({"b.up": 2.0 * start}, norm=steps.norm([2.0 * start]), limit=1.0)
    stepped = steps.pulled_back(steps.stepped({"b.up": start}, gradient, learning_rate=0.5), base, share=0.01)
    drifts = steps.drifts(stepped, base, steps.base_norms(base, modules), modules)
    steps.projected(stepped, base, drifts, modules, limit=0.5)["b.up"].sum().backward()
    assert start.grad is not None
    assert start.grad.isfinite().all()
    assert start.grad.abs().sum() > 0
