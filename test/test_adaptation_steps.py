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


@rule
@given(st.lists(st.floats(0.0, 100.0, width=32), min_size=4, max_size=4), st.floats(0.5, 100.0, width=32))
def test_an_innovation_is_the_square_over_the_variance_that_was_to_be_expected(inputs, precision):
    residuals, row = torch.tensor([[2.0, -1.0]]), torch.tensor([inputs])
    found = steps.innovations(residuals, {"b.up": precision * torch.eye(4)}, {"b.up": row})
    variance = 1.0 + float(row.square().sum()) / precision
    assert found.tolist()[0] == pytest.approx([4.0 / variance, 1.0 / variance], rel=1e-4)


def test_without_a_precision_an_innovation_is_the_square():
    found = steps.innovations(torch.tensor([[2.0], [math.nan]]), {}, {"b.up": torch.ones(2, 3)})
    torch.testing.assert_close(found, torch.tensor([[4.0], [math.nan]]), equal_nan=True)


def test_an_input_like_those_before_is_expected_to_be_predicted_better_than_a_new_one():
    prior = steps.prior_precision({"b.up": torch.ones(1, 2)}, ridge=1.0)
    seen = steps.informed(prior, {"b.up": torch.tensor([[3.0, 0.0]])}, torch.ones(1) > 0)
    familiar, new = steps.innovations(torch.ones(2, 1), seen, {"b.up": torch.tensor([[3.0, 0.0], [0.0, 3.0]])})
    assert familiar > new


@rule
@given(bases, st.floats(0.0, 1.0), st.floats(0.1, 10.0))
def test_weights_without_a_precision_go_back_by_the_whole_share(base, share, ridge):
    start = {name: weight + 1.0 for name, weight in base.items()}
    reminded = steps.reminded(start, base, {}, share=share, ridge=ridge)
    assert all(reminded[name].equal(weight) for name, weight in steps.pulled_back(start, base, share=share).items())


def test_a_direction_goes_back_the_more_the_less_the_samples_said_about_it():
    base, start = {"b.up": torch.zeros(1, 2)}, {"b.up": torch.ones(1, 2)}
    reminded = steps.reminded(start, base, {"b.up": torch.diag(torch.tensor([4.0, 400.0]))}, share=0.5, ridge=4.0)
    assert reminded["b.up"].tolist()[0] == pytest.approx([0.5, 0.995])


@rule
@given(st.integers(0, 1000), st.floats(0.01, 0.5), st.floats(0.5, 8.0))
def test_steps_with_a_fading_past_lead_to_the_ridge_regression_with_fading_weights(seed, share, ridge):
    """Recursive least squares with the past fading into the prior is, sample by sample, the solution of its normal equations."""
    generator = torch.Generator().manual_seed(seed)
    rows, targets = torch.randn(12, 3, generator=generator).double(), torch.randn(12, 1, generator=generator).double()
    base = {"b.up": torch.randn(1, 3, generator=generator).double()}
    weights, precision = base, steps.prior_precision({"b.up": rows}, ridge=ridge)
    prior, taken = precision, torch.ones(1) > 0
    moment = precision["b.up"] @ base["b.up"].mT
    for row, target in zip(rows.split(1), targets.split(1), strict=True):
        precision = steps.informed(steps.pulled_back(precision, prior, share=share), {"b.up": row}, taken)
        step = steps.preconditioned({"b.up": (weights["b.up"] @ row.mT - target).mT @ row}, precision, taken)
        reminded = steps.reminded(weights, base, precision, share=share, ridge=ridge)
        weights = {"b.up": reminded["b.up"] - step["b.up"]}
        moment = (1 - share) * moment + share * prior["b.up"] @ base["b.up"].mT + row.mT @ target
        torch.testing.assert_close(weights["b.up"].mT, torch.linalg.solve(precision["b.up"], moment))
