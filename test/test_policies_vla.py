"""What the built-in policy promises beyond the protocol."""

import dataclasses

import pytest
import torch
from example_policies import CONFIG, INSTRUCTIONS, SPECIFICATION, built_in_policy, observation, recurrent_policy, transition

from ttt_ros.errors import InstructionError, ObservationError, SpecificationError
from ttt_ros.policies.specification import ActionMeaning, CameraSpecification
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.policies.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(INSTRUCTIONS)


def untrained(**changes: object) -> VisionLanguageActionPolicy:
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, **{name: value for name, value in changes.items() if hasattr(CONFIG, name)})
    specification = dataclasses.replace(SPECIFICATION, **{name: value for name, value in changes.items() if hasattr(SPECIFICATION, name)})
    return VisionLanguageActionPolicy(config=config, specification=specification, vocabulary=VOCABULARY)


@pytest.mark.parametrize(("depth", "late"), [(2, 1), (4, 1), (6, 2), (8, 2), (12, 3)])
def test_the_last_quarter_of_the_blocks_carries_the_fast_mlps(depth: int, late: int) -> None:
    policy = untrained(depth=depth)
    assert policy.fast_modules() == tuple(f"late.{index}.fast" for index in range(late))
    assert len(policy.trunk) + len(policy.late) == depth


def test_only_mlps_adapt() -> None:
    names = {name.partition(".fast.")[2] for name in built_in_policy().base_fast_weights()}
    assert names == {"up.weight", "up.bias", "down.weight", "down.bias"}


def test_a_new_fast_mlp_changes_nothing_before_it_is_trained() -> None:
    policy = untrained()
    features = policy.encode(observation())
    zeros = {name: torch.zeros_like(weight) for name, weight in policy.base_fast_weights().items()}
    assert torch.equal(policy.act(features, policy.base_fast_weights()), policy.act(features, zeros))


def test_the_base_policy_acts_with_its_own_parameters() -> None:
    policy = built_in_policy()
    features = policy.encode(observation())
    assert torch.equal(policy.act(features, policy.base_fast_weights()), policy.act(features, policy.fast_parameters()))


def test_the_action_is_an_offset_from_the_observed_positions_scaled_per_step_and_joint() -> None:
    policy = built_in_policy()
    features, fast = policy.encode(observation()), policy.base_fast_weights()
    scale = torch.rand(SPECIFICATION.horizon, len(SPECIFICATION.joint_names))
    policy.action_scale.copy_(scale)
    expected = features["proprioception"][:, None] + policy.normalised_offsets(features, fast) * scale
    torch.testing.assert_close(policy.act(features, fast), expected)


def test_steps_that_were_not_executed_do_not_matter() -> None:
    policy, sample = built_in_policy(), transition(built_in_policy(), steps=2)
    before = policy.reconstruct(sample, policy.base_fast_weights())
    sample.executed[:, 2:] = 100.0
    after = policy.reconstruct(sample, policy.base_fast_weights())
    assert all(torch.equal(before[name].prediction, after[name].prediction) for name in before)


def test_the_reconstruction_target_is_the_change_in_units_of_its_scale() -> None:
    policy, sample = built_in_policy(), transition(built_in_policy())
    policy.position_change_scale.copy_(torch.tensor([0.1, 1.0, 10.0]))
    change = sample.next_features["proprioception"] - sample.features["proprioception"]
    target = policy.reconstruct(sample, policy.base_fast_weights())["proprioception"].target
    torch.testing.assert_close(target, change / torch.tensor([0.1, 1.0, 10.0]))


def test_the_summary_has_one_part_for_each_camera() -> None:
    policy, seen = built_in_policy(), observation()
    summary = policy.encode(seen)["summary"]
    assert summary.shape == (1, len(SPECIFICATION.cameras) * CONFIG.width)
    exchanged = dataclasses.replace(seen, images={"scene": seen.images["wrist"], "wrist": seen.images["scene"]})
    assert not torch.equal(policy.encode(exchanged)["summary"], summary)


def test_encode_refuses_an_unknown_word() -> None:
    with pytest.raises(InstructionError, match="green"):
        built_in_policy().encode(observation(instruction="touch the green cube"))


def test_encode_refuses_a_missing_camera_by_name() -> None:
    seen = observation()
    with pytest.raises(ObservationError, match="lacks the camera 'wrist'"):
        built_in_policy().encode(dataclasses.replace(seen, images={"scene": seen.images["scene"]}))


@pytest.mark.parametrize("image", [torch.zeros(16, 32, 3, dtype=torch.uint8), torch.zeros(32, 32, 3)])
def test_encode_refuses_an_image_of_another_size_or_type(image: torch.Tensor) -> None:
    seen = observation()
    with pytest.raises(ObservationError, match="image of camera 'wrist'"):
        built_in_policy().encode(dataclasses.replace(seen, images={**seen.images, "wrist": image}))


def test_encode_refuses_another_number_of_joints() -> None:
    with pytest.raises(ObservationError, match="3 joints"):
        built_in_policy().encode(dataclasses.replace(observation(), joint_positions=torch.zeros(4)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cameras": ()}, "at least one camera"),
        ({"cameras": (CameraSpecification(name="scene", height=30, width=32),)}, "patches of 16"),
        (
            {"cameras": (CameraSpecification(name="a", height=32, width=32), CameraSpecification(name="b", height=64, width=64))},
            "the same image size",
        ),
        ({"width": 15}, "2 heads"),
        ({"action_meaning": ActionMeaning.RELATIVE}, "absolute"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(SpecificationError, match=reason):
        untrained(**changes)


def test_a_memory_changes_what_the_policy_does_and_only_what_was_executed_enters_it() -> None:
    policy, sample = recurrent_policy(), transition(recurrent_policy(), steps=2)
    features, fast = sample.next_features, policy.base_fast_weights()
    memory = policy.remember(policy.begin(), sample)
    assert not torch.equal(policy.act(features, fast, memory), policy.act(features, fast))
    assert torch.equal(policy.act(features, fast, policy.begin()), policy.act(features, fast))
    sample.executed[:, 2:] = 100.0
    assert all(torch.equal(memory[name], kept) for name, kept in policy.remember(policy.begin(), sample).items())


def test_without_a_memory_nothing_is_remembered() -> None:
    policy = built_in_policy()
    assert not policy.remember(policy.begin(), transition(policy))


def test_the_default_sizes_are_those_that_the_documentation_states() -> None:
    cameras = tuple(CameraSpecification(name=name, height=96, width=96) for name in ("scene", "wrist"))
    specification = dataclasses.replace(SPECIFICATION, cameras=cameras, horizon=16, max_instruction_words=8)
    policy = VisionLanguageActionPolicy(config=VlaConfig(), specification=specification, vocabulary=VOCABULARY)
    assert 1.2e6 < sum(parameter.numel() for parameter in policy.parameters()) < 1.5e6
