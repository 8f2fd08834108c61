"""Which parameters of a foreign module may adapt."""

import pytest
import torch
from example_policies import adapt, foreign_module, observation
from torch import nn

from ttt_ros.errors import AdaptationError


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("norm.weight", "a norm"),
        ("late.norm1.*", "a norm"),
        ("instruction_embedding.weight", "an embedding"),
        ("late.self_attn.out_proj.weight", "attention"),
        ("action_head.*", "the action head"),
        ("*", "a norm"),
    ],
)
def test_a_pattern_that_matches_what_must_not_adapt_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(AdaptationError, match=reason):
        adapt(foreign_module(), fast_patterns=("late.linear*", pattern))


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (nn.MultiheadAttention(4, 2), "attention"),
        (nn.LayerNorm(4), "a norm"),
        (nn.BatchNorm2d(4), "a norm"),
        (nn.GroupNorm(2, 4), "a norm"),
        (nn.Embedding(3, 4), "an embedding"),
        (nn.EmbeddingBag(3, 4), "an embedding"),
    ],
)
def test_what_must_not_adapt_is_recognised_by_its_type_whatever_its_name(part: nn.Module, reason: str) -> None:
    module = nn.ModuleDict({"mlp": nn.Linear(4, 4), "part": part, "action_head": nn.Linear(4, 4)})
    with pytest.raises(AdaptationError, match=f"part.* is {reason}"):
        adapt(module, fast_patterns=("mlp.*", "part.*"))


@pytest.mark.parametrize(("name", "reason"), [("cross_attention", "attention"), ("PatchEmbed", "an embedding"), ("my_norm", "a norm")])
def test_what_must_not_adapt_is_recognised_by_its_name_whatever_its_type(name: str, reason: str) -> None:
    module = nn.ModuleDict({"mlp": nn.Linear(4, 4), name: nn.Linear(4, 4), "action_head": nn.Linear(4, 4)})
    with pytest.raises(AdaptationError, match=f"{name}.* is {reason}"):
        adapt(module, fast_patterns=("mlp.*", f"{name}.*"))


@pytest.mark.parametrize("patterns", [(), ("late.linear*", "missing.*")])
def test_a_pattern_that_matches_nothing_is_refused(patterns: tuple[str, ...]) -> None:
    with pytest.raises(AdaptationError, match="no parameter matches"):
        adapt(foreign_module(), fast_patterns=patterns)


def test_integer_weights_are_refused() -> None:
    module = foreign_module()
    module.late.linear1.weight = torch.nn.Parameter(torch.zeros(24, 16, dtype=torch.int8), requires_grad=False)
    with pytest.raises(AdaptationError, match=r"torch\.int8, not floating point"):
        adapt(module, fast_patterns=("late.linear*",))


def test_an_unknown_action_head_is_refused() -> None:
    with pytest.raises(AdaptationError, match="no submodule 'head'"):
        adapt(foreign_module(), fast_patterns=("late.linear*",), action_head="head")


def test_the_module_is_frozen_and_never_changed() -> None:
    module = foreign_module()
    policy = adapt(module, fast_patterns=("late.linear*",))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    fast = {name: weight + 1 for name, weight in policy.base_fast_weights().items()}
    policy.act(policy.encode(observation()), fast)
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_the_fast_weights_of_a_module_in_half_precision_are_float32_and_give_its_own_actions() -> None:
    module = foreign_module()
    module.late.to(torch.bfloat16)
    module.norm.to(torch.bfloat16)
    module.action_head.to(torch.bfloat16)
    policy = adapt(module, fast_patterns=("late.linear*",))
    fast = policy.base_fast_weights()
    features = {"tokens": torch.randn(1, 5, 16).to(torch.bfloat16), "joints": torch.zeros(1, 3)}
    assert {weight.dtype for weight in fast.values()} == {torch.float32}
    assert torch.equal(policy.act(features, fast), 0.1 * module.action_head(module.read(features["tokens"])).unflatten(1, (4, 3)))
