"""The policy that remembers."""

import dataclasses

import numpy as np
import pytest
import torch
from memory_policies import random_features, random_transitions, small_config, small_memory_policy

from ttt_ros.errors import RecordingError, SpecificationError
from ttt_ros.policies.checkpoint import load_policy, save_policy
from ttt_ros.policies.memory.configuration import MemoryKind
from ttt_ros.policies.memory.movements import MovementBasis
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.transition import Transitions
from ttt_ros.simulation.deployment import CAMERA, IMAGE_SIZE
from ttt_ros.training.meta.desk_arm import SPECIFICATION, VOCABULARY

KINDS = [
    (MemoryKind.NONE, 0),
    (MemoryKind.NONE, 8),
    (MemoryKind.WINDOW, 0),
    (MemoryKind.WINDOW, 8),
    (MemoryKind.LSTM, 0),
    (MemoryKind.ATTENTION, 0),
]


def at(transitions: Transitions, index: int) -> Transitions:
    """One of the transitions of a run, with the runs as batch."""
    return Transitions(
        features={name: each[:, index] for name, each in transitions.features.items()},
        executed=transitions.executed[:, index],
        steps=transitions.steps[:, index],
        next_features={name: each[:, index] for name, each in transitions.next_features.items()},
    )


@pytest.mark.parametrize(("memory", "fast_width"), KINDS)
@torch.no_grad()
def test_a_run_at_once_gives_what_goal_by_goal_gives(memory, fast_width):
    policy = small_memory_policy(memory, fast_width=fast_width)
    run = random_transitions(2, 6)
    at_once = policy.act_along(run.features, run)
    content = policy.begin()
    for index in range(6):
        step = at(run, index)
        code = policy.act_code(step.features, policy.base_fast_weights(), content)
        torch.testing.assert_close(code, at_once[:, index], rtol=1e-4, atol=1e-5)
        content = policy.remember(content, step)


@pytest.mark.parametrize(("memory", "size"), [(MemoryKind.NONE, 0), (MemoryKind.WINDOW, 3), (MemoryKind.LSTM, 1)])
@torch.no_grad()
def test_a_memory_of_constant_cost_stops_growing(memory, size):
    policy = small_memory_policy(memory, fast_width=0)
    content, sizes = policy.begin(), []
    for index in range(8):
        content = policy.remember(content, random_transitions(1, seed=index))
        sizes.append(sum(each.numel() for each in content.values()))
    assert len(set(sizes[size:])) <= 1


@torch.no_grad()
def test_full_attention_keeps_every_transition():
    policy = small_memory_policy(MemoryKind.ATTENTION, fast_width=0)
    content = policy.begin()
    for index in range(5):
        content = policy.remember(content, random_transitions(1, seed=index))
    assert all(each.shape[1] == 5 for each in content.values())


@torch.no_grad()
def test_the_window_forgets_what_lies_further_back():
    policy = small_memory_policy(MemoryKind.WINDOW, fast_width=0)
    recent = [random_transitions(1, seed=seed) for seed in (1, 2, 3)]
    features = random_transitions(1, seed=9).features
    answers = []
    for first in (10, 11):
        content = policy.remember(policy.begin(), random_transitions(1, seed=first))
        for transition in recent:
            content = policy.remember(content, transition)
        answers.append(policy.act(features, {}, content))
    assert torch.equal(*answers)


@torch.no_grad()
def test_what_the_fast_weights_explain_is_taken_out_of_the_tokens():
    policy = small_memory_policy()
    content = policy.remember(policy.begin(), random_transitions(1))
    features = random_transitions(1, seed=5).features
    base = policy.base_fast_weights()
    changed = {name: weight + 0.5 for name, weight in base.items()}
    through_fast = policy.act(features, changed, content) - policy.act(features, changed)
    assert not torch.allclose(through_fast, policy.act(features, base, content) - policy.act(features, base))


def test_one_fast_matrix_for_each_of_a_batch_gives_what_one_by_one_gives():
    policy = small_memory_policy(MemoryKind.NONE)
    transitions = random_transitions(3)
    base = policy.base_fast_weights()["fast.down"]
    stacked = torch.stack([base, base + 0.1, base - 0.2])
    together = policy.act(transitions.features, {"fast.down": stacked})
    for index, matrix in enumerate(stacked):
        features = {name: each[index : index + 1] for name, each in transitions.features.items()}
        torch.testing.assert_close(policy.act(features, {"fast.down": matrix}), together[index : index + 1])


def test_a_transition_tells_something_if_the_hand_comes_into_view():
    policy = small_memory_policy()
    generator = torch.Generator().manual_seed(0)
    seen, unseen = (random_features(1, hand_seen=hand, generator=generator) for hand in (True, False))
    transition = random_transitions(1)
    for before, after, expected in ((unseen, seen, True), (unseen, unseen, False), (seen, seen, False), (seen, unseen, False)):
        assert bool(policy.informative(dataclasses.replace(transition, features=before, next_features=after))) is expected


def test_the_reconstruction_reads_the_same_inputs_as_the_fast_matrix():
    policy = small_memory_policy()
    transitions = random_transitions(4)
    fast = {name: weight.requires_grad_() for name, weight in policy.base_fast_weights().items()}
    found = policy.reconstruct(transitions, fast)["action"]
    upstream = torch.randn_like(found.prediction)
    (gradient,) = torch.autograd.grad((found.prediction * upstream).sum(), tuple(fast.values()))
    expected = upstream.T @ found.inputs["fast.down"]
    torch.testing.assert_close(gradient, expected)


def test_an_oracle_acts_on_what_it_is_told():
    policy = small_memory_policy(MemoryKind.NONE, fast_width=0, privileged=2)
    features = random_transitions(1).features
    told = [policy.act(features, {}, policy.told(policy.begin(), torch.tensor([[value, 0.0]]))) for value in (0.0, 1.0)]
    assert torch.equal(told[0], policy.act(features, {}))
    assert not torch.allclose(told[0], told[1])


def test_a_checkpoint_brings_the_policy_back_bit_for_bit(tmp_path):
    policy = small_memory_policy()
    save_policy(policy, tmp_path / "policy.safetensors", training={"seed": 0})
    loaded = load_policy(tmp_path / "policy.safetensors")
    assert isinstance(loaded, MemoryPolicy)
    assert loaded.config == policy.config
    assert loaded.checksum == policy.checksum


def test_an_observation_is_encoded_with_a_batch_of_one():
    policy = small_memory_policy()
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*IMAGE_SIZE, 3), dtype=np.uint8))
    observation = Observation(stamp=0, images={CAMERA: image}, joint_positions=torch.zeros(6), instruction="point at the red cube")
    features = policy.encode(observation)
    assert {name: len(each) for name, each in features.items()} == {"points": 1, "look": 1, "proprioception": 1, "words": 1}
    assert policy.act(features, policy.base_fast_weights()).shape == (1, SPECIFICATION.horizon, 6)


def test_movements_in_the_span_of_the_basis_come_back():
    torch.manual_seed(0)
    chunks = (torch.randn(50, 4) @ torch.randn(4, 30)).unflatten(1, (10, 3))
    basis = MovementBasis(horizon=10, joints=3, code=4, effects=2)
    assert basis.fit(chunks) < 1e-4
    codes = basis.codes(chunks)
    torch.testing.assert_close(codes.std(dim=0), torch.ones(4))
    torch.testing.assert_close(basis.chunks(codes), chunks, rtol=1e-4, atol=1e-4)


def fitted_basis(*, unseen: bool) -> MovementBasis:
    """Of three joints, of which the first two move what is seen, and the first and the third what is not seen, if there is such."""
    torch.manual_seed(0)
    basis = MovementBasis(horizon=10, joints=3, code=4, effects=2)
    basis.fit((torch.randn(50, 4) @ torch.randn(4, 30)).unflatten(1, (10, 3)))
    seen = torch.randn(200, 2, 3) * torch.tensor([1.0, 1.0, 0.0])
    beside = torch.tensor([2.0, 0.0, 1.0]).expand(200, 1, 3)
    basis.fit_effects(torch.cat([seen, beside], dim=1) if unseen else seen, seen=2)
    return basis


@pytest.mark.parametrize("unseen", [False, True])
def test_effects_are_what_the_end_of_a_movement_changes_in_what_is_seen(unseen):
    basis = fitted_basis(unseen=unseen)
    codes, aside = torch.randn(20, 4), torch.randn(20, 4)
    aside = aside - basis.effects(aside) @ basis.readout
    moved = (basis.chunks(codes + aside) - basis.chunks(codes))[:, -1]
    torch.testing.assert_close(moved[:, :2], torch.zeros(20, 2), rtol=0.0, atol=1e-4)
    assert moved[:, 2].abs().min() > 1e-3

    wanted = torch.randn(20, 2)
    torch.testing.assert_close(basis.effects(basis.with_effects(codes, wanted)), basis.effects(codes) + wanted)


def test_effects_are_brought_about_without_changing_what_is_not_seen():
    basis = fitted_basis(unseen=True)
    codes = torch.randn(20, 4)
    moved = (basis.chunks(basis.with_effects(codes, torch.randn(20, 2))) - basis.chunks(codes))[:, -1]
    assert moved[:, 0].abs().max() > 0.1
    torch.testing.assert_close(2.0 * moved[:, 0] + moved[:, 2], torch.zeros(20), rtol=0.0, atol=1e-4)


def test_where_everything_is_seen_effects_are_brought_about_as_they_are_read():
    basis = fitted_basis(unseen=False)
    torch.testing.assert_close(basis.drive, basis.readout)
    torch.testing.assert_close(basis.readout @ basis.readout.T, torch.eye(2))


def test_too_few_movements_for_the_effects_are_refused():
    with pytest.raises(RecordingError, match="1 movements cannot tell 3 effects apart"):
        MovementBasis(horizon=10, joints=3, code=4, effects=3).fit_effects(torch.ones(1, 2, 3), seen=2)


@torch.no_grad()
def test_fast_weights_change_the_effects_of_a_movement_and_nothing_else():
    policy = small_memory_policy()
    policy.movements.fit_effects(torch.randn(50, 3, len(SPECIFICATION.joint_names)), seen=2)
    assert (policy.movements.drive - policy.movements.readout).abs().max() > 0.01
    features, base = random_transitions(6).features, policy.base_fast_weights()
    other = {name: torch.randn_like(weight) for name, weight in base.items()}
    change = policy.act_code(features, other) - policy.act_code(features, base)
    effects = policy.movements.effects(change)
    assert effects.abs().max() > 0.1
    torch.testing.assert_close(change, policy.movements.with_effects(torch.zeros_like(change), effects))


@torch.no_grad()
def test_what_the_outcome_does_not_show_changes_no_prediction_error():
    """Else the policy would learn it from itself."""
    policy = small_memory_policy()
    transitions, base = random_transitions(5), policy.base_fast_weights()
    movements = policy.movements
    aside = torch.randn(5, policy.config.code)
    aside -= movements.effects(aside) @ movements.readout
    otherwise = dataclasses.replace(transitions, executed=movements.chunks(movements.codes(transitions.executed) + aside))
    target, other = (policy.reconstruct(each, base)["action"].target for each in (transitions, otherwise))
    torch.testing.assert_close(other, target, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"heads": 3}, "heads"),
        ({"effects": 1000}, "effects"),
        ({"code": 1000}, "code"),
        ({"hand": 4}, "hand"),
        ({"memory": MemoryKind.LSTM}, "fast weights"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, complaint):
    with pytest.raises(SpecificationError, match=complaint):
        MemoryPolicy(config=dataclasses.replace(small_config(), **change), specification=SPECIFICATION, vocabulary=VOCABULARY)
