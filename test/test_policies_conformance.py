"""What must hold for every policy, tested on the built-in one and on a foreign module behind the adapter."""

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from example_policies import INSTRUCTIONS, SPECIFICATION, adapted_policy, built_in_policy, observation, recurrent_policy, transition

from ttt_ros.errors import InstructionError
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, concatenated

POLICIES: dict[str, Callable[..., Policy]] = {"built-in": built_in_policy, "recurrent": recurrent_policy, "adapted": adapted_policy}


@pytest.fixture(params=POLICIES)
def make(request: pytest.FixtureRequest) -> Callable[..., Policy]:
    return POLICIES[request.param]


@pytest.fixture
def policy(make: Callable[..., Policy]) -> Policy:
    return make()


def moved(policy: Policy, *, by: float = 0.3) -> FastWeights:
    generator = torch.Generator().manual_seed(7)
    return {name: weight + by * torch.randn(weight.shape, generator=generator) for name, weight in policy.base_fast_weights().items()}


def test_a_chunk_has_the_shape_and_type_of_the_specification(policy: Policy) -> None:
    chunk = policy.act(policy.encode(observation()), policy.base_fast_weights())
    assert chunk.shape == (1, SPECIFICATION.horizon, len(SPECIFICATION.joint_names))
    assert chunk.dtype == torch.float32
    assert chunk.isfinite().all()


def test_the_same_seed_gives_the_same_policy_bit_for_bit(make: Callable[..., Policy]) -> None:
    one, other = make(), make()
    assert one.checksum == other.checksum
    features = one.encode(observation())
    assert torch.equal(one.act(features, one.base_fast_weights()), other.act(other.encode(observation()), other.base_fast_weights()))


def test_policies_with_other_parameters_have_another_checksum(make: Callable[..., Policy]) -> None:
    assert make(seed=0).checksum != make(seed=1).checksum


def test_acting_with_other_fast_weights_leaves_version_0_bit_for_bit(policy: Policy) -> None:
    features, base = policy.encode(observation()), policy.base_fast_weights()
    before = policy.act(features, base)
    assert not torch.equal(policy.act(features, moved(policy)), before)
    assert torch.equal(policy.act(features, policy.base_fast_weights()), before)


def test_base_fast_weights_are_fresh_float32_copies(policy: Policy) -> None:
    first = policy.base_fast_weights()
    for weight in first.values():
        assert weight.dtype == torch.float32
        assert not weight.requires_grad
        weight.zero_()
    assert any(weight.any() for weight in policy.base_fast_weights().values())


def test_every_fast_parameter_belongs_to_a_named_module(policy: Policy) -> None:
    prefixes = tuple(f"{name}." for name in policy.fast_modules())
    assert prefixes
    assert all(name.startswith(prefixes) for name in policy.base_fast_weights())


def test_features_carry_no_graph_but_can_be_read_in_another_threads_backward_pass(policy: Policy) -> None:
    sample = transition(policy)
    assert not any(tensor.requires_grad or tensor.is_inference() for tensor in sample.features.values())
    gradients: list[torch.Tensor] = []

    def adapt() -> None:
        fast = {name: weight.requires_grad_() for name, weight in policy.base_fast_weights().items()}
        loss = sum(((each.prediction - each.target) ** 2).mean() for each in policy.reconstruct(sample, fast).values())
        gradients.extend(torch.autograd.grad(loss, list(fast.values())))

    thread = threading.Thread(target=adapt)
    thread.start()
    thread.join()
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)


def test_features_do_not_depend_on_the_fast_weights(policy: Policy) -> None:
    before = policy.encode(observation())
    policy.act(before, moved(policy))
    after = policy.encode(observation())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_gradient_reaches_the_fast_weights_through_the_action(policy: Policy) -> None:
    fast = {name: weight.requires_grad_() for name, weight in policy.base_fast_weights().items()}
    gradients = torch.autograd.grad(policy.act(policy.encode(observation()), fast).square().sum(), list(fast.values()))
    assert any(gradient.any() for gradient in gradients)


def test_reconstructions_are_float32_pairs_of_one_shape_and_their_targets_need_no_gradient(policy: Policy) -> None:
    fast = {name: weight.requires_grad_() for name, weight in policy.base_fast_weights().items()}
    batch = concatenated([transition(policy, seed=seed) for seed in range(3)])
    reconstructions = policy.reconstruct(batch, fast)
    assert reconstructions.keys() == {"features", "proprioception"}
    for each in reconstructions.values():
        assert each.prediction.shape == each.target.shape
        assert len(each.prediction) == len(batch)
        assert each.prediction.dtype == each.target.dtype == torch.float32
        assert each.prediction.requires_grad
        assert not each.target.requires_grad


def test_a_batch_gives_what_its_samples_give_alone(policy: Policy) -> None:
    samples, fast = [transition(policy, seed=seed, steps=1 + seed) for seed in range(3)], moved(policy)
    together = policy.reconstruct(concatenated(samples), fast)
    for index, sample in enumerate(samples):
        for name, alone in policy.reconstruct(sample, fast).items():
            torch.testing.assert_close(together[name].prediction[index : index + 1], alone.prediction, atol=1e-5, rtol=1e-4)


def test_the_outcome_depends_on_what_was_executed(policy: Policy) -> None:
    sample, fast = transition(policy, steps=4), policy.base_fast_weights()
    other = transition(policy, steps=4)
    other.executed.add_(0.5)
    one, two = policy.reconstruct(sample, fast), policy.reconstruct(other, fast)
    assert not torch.equal(one["proprioception"].prediction, two["proprioception"].prediction)


@pytest.fixture
def eager_thread_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_thread_switches")
def test_threads_with_different_fast_weights_do_not_disturb_each_other(policy: Policy) -> None:
    features = policy.encode(observation())
    versions = [policy.base_fast_weights(), moved(policy)]
    expected = [policy.act(features, fast) for fast in versions]
    wrong: list[int] = []

    def act(index: int) -> None:
        if any(not torch.equal(policy.act(features, versions[index]), expected[index]) for _ in range(100)):
            wrong.append(index)

    threads = [threading.Thread(target=act, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_known_instruction_is_accepted_and_an_unknown_one_refused_by_name(policy: Policy) -> None:
    policy.check_instruction(INSTRUCTIONS[1])
    with pytest.raises(InstructionError, match="juggle"):
        policy.check_instruction("juggle the red cube")


def test_the_instruction_reaches_the_action(policy: Policy) -> None:
    fast = policy.base_fast_weights()
    chunks = [policy.act(policy.encode(observation(instruction=instruction)), fast) for instruction in INSTRUCTIONS]
    assert not torch.equal(*chunks)
