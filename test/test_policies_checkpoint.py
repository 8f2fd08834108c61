"""Checkpoints on disk, and the check of a policy against a robot."""

import dataclasses
import json
import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from example_policies import SPECIFICATION, built_in_policy, observation
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ttt_ros.errors import CheckpointError, SpecificationError
from ttt_ros.policies.checkpoint import check_specification, load_policy, read_header, save_policy, sealed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.safetensors"
    save_policy(built_in_policy(), path, training={"seed": 3})
    return path


def rewrite(
    path: Path, *, tensors: Callable[[dict[str, Tensor]], object] = bool, header: Callable[[dict[str, object]], object] = bool
) -> None:
    """Changes a checkpoint in place without mending the checksum of its tensors."""
    with safe_open(path, framework="pt") as file:
        contents = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["ttt_ros"])
    tensors(contents)
    header(facts)
    save_file(contents, path, metadata={"ttt_ros": json.dumps(sealed(facts))})


def test_a_loaded_policy_acts_as_the_saved_one_bit_for_bit(path: Path) -> None:
    saved, loaded = built_in_policy(), load_policy(path)
    assert loaded.checksum == saved.checksum == read_header(path).checksum
    assert (loaded.config, loaded.specification, loaded.vocabulary) == (saved.config, saved.specification, saved.vocabulary)
    chunks = [policy.act(policy.encode(observation()), policy.base_fast_weights()) for policy in (saved, loaded)]
    assert torch.equal(*chunks)


def test_a_loaded_policy_is_ready_to_serve(path: Path) -> None:
    loaded = load_policy(path)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_the_facts_of_training_are_kept(path: Path) -> None:
    assert read_header(path).training == {"seed": 3}


def test_saving_leaves_nothing_beside_the_file(path: Path) -> None:
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere"):
        load_policy(tmp_path / "nowhere")


@pytest.mark.parametrize("contents", [b"", b"not a checkpoint", b"\x80\x04\x95 pickled"])
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_policy(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_policy(path)


def test_one_altered_bit_of_a_weight_is_refused(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[-5] ^= 1
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match="altered"):
        load_policy(path)


@pytest.mark.parametrize(("written", "altered"), [("absolute", "relative"), ('"wrist"', '"front"'), ('"seed"', '"need"')])
def test_a_header_that_was_altered_and_still_fits_is_refused(path: Path, written: str, altered: str) -> None:
    with safe_open(path, framework="pt") as file:
        contents = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()["ttt_ros"]
    assert written in facts
    save_file(contents, path, metadata={"ttt_ros": facts.replace(written, altered)})
    for read in (read_header, load_policy):
        with pytest.raises(CheckpointError, match="the header does not have the checksum that was written with it"):
            read(path)


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of ttt_ros"):
        load_policy(path)


def test_another_format_version_is_refused(path: Path) -> None:
    rewrite(path, header=lambda header: header.update(format_version=99))
    with pytest.raises(CheckpointError, match="format version 99"):
        load_policy(path)


@pytest.mark.parametrize("kind", ["diffusion", ["vision_language_action"], {}, None, 7])
def test_another_kind_of_policy_is_refused(path: Path, kind: object) -> None:
    rewrite(path, header=lambda header: header.update(kind=kind))
    with pytest.raises(CheckpointError, match=re.escape(f"kind {kind!r}")):
        load_policy(path)


def test_an_unknown_key_in_the_header_is_refused(path: Path) -> None:
    rewrite(path, header=lambda header: header.update(surprise=1))
    with pytest.raises(CheckpointError, match="surprise"):
        load_policy(path)


def test_a_missing_tensor_is_refused_by_name(path: Path) -> None:
    rewrite(path, tensors=lambda tensors: tensors.pop("action_head.bias"))
    with pytest.raises(CheckpointError, match=r"missing tensors: action_head\.bias"):
        load_policy(path)


def test_an_unknown_tensor_is_refused_by_name(path: Path) -> None:
    rewrite(path, tensors=lambda tensors: tensors.update(extra=torch.zeros(1)))
    with pytest.raises(CheckpointError, match="unknown tensors: extra"):
        load_policy(path)


@pytest.mark.parametrize("other", [torch.zeros(2), torch.zeros(3, dtype=torch.float64)])
def test_a_tensor_of_another_shape_or_type_is_refused_by_name(path: Path, other: Tensor) -> None:
    rewrite(path, tensors=lambda tensors: tensors.update({"action_head.bias": other}))
    with pytest.raises(CheckpointError, match=r"tensor 'action_head\.bias' is"):
        load_policy(path)


def test_a_weight_that_is_not_finite_is_refused_by_name_even_if_it_was_saved_so(tmp_path: Path) -> None:
    policy = built_in_policy()
    policy.state_dict()["action_head.bias"][0] = torch.nan
    save_policy(policy, tmp_path / "policy.safetensors", training={})
    with pytest.raises(CheckpointError, match=r"'action_head\.bias' holds values that are not finite"):
        load_policy(tmp_path / "policy.safetensors")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_cuda_device_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(CheckpointError, match="use 'cpu'"):
        load_policy(path, device="cuda")


def test_an_unknown_device_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="'quantum' is unknown"):
        load_policy(path, device="quantum")


def test_a_robot_that_has_all_and_more_fits() -> None:
    joints, cameras = ["gripper", "wrist", "elbow", "shoulder"], {"wrist", "scene", "rear"}
    check_specification(SPECIFICATION, joint_names=joints, cameras=cameras, control_rate=20.0)


def test_every_mismatch_with_the_robot_is_listed() -> None:
    with pytest.raises(SpecificationError) as refused:
        check_specification(SPECIFICATION, joint_names=["shoulder"], cameras=["scene"], control_rate=50.0)
    for part in ("lacks the joints elbow, wrist", "lacks the cameras wrist", "needs a control rate of 20 Hz, not 50 Hz"):
        assert part in str(refused.value)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 0.0])
def test_a_senseless_control_rate_does_not_fit(rate: float) -> None:
    with pytest.raises(SpecificationError, match="control rate"):
        check_specification(SPECIFICATION, joint_names=SPECIFICATION.joint_names, cameras=["scene", "wrist"], control_rate=rate)


def test_a_checkpoint_whose_sizes_contradict_its_specification_is_refused(path: Path) -> None:
    rewrite(path, header=lambda header: header.update(specification=dataclasses.asdict(SPECIFICATION) | {"cameras": []}))
    with pytest.raises(CheckpointError, match="at least one camera"):
        load_policy(path)


@pytest.mark.parametrize(
    ("size", "value"),
    [("width", 1 << 20), ("mlp_width", 1 << 20), ("depth", 256), ("width", 1 << 62), ("depth", 10**9), ("key_points", -1), ("heads", 3)],
)
def test_sizes_in_the_header_that_are_not_those_of_the_tensors_allocate_nothing(path: Path, size: str, value: int) -> None:
    rewrite(path, header=lambda header: header["config"].update({size: value}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError):
        load_policy(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB; the sizes ask for tens of GiB


@pytest.mark.parametrize(
    ("field", "value"), [("horizon", 1 << 40), ("horizon", 0), ("period", 0.0), ("joint_names", []), ("max_instruction_words", 10**9)]
)
def test_a_specification_that_no_robot_can_meet_is_refused_by_its_key(path: Path, field: str, value: object) -> None:
    rewrite(path, header=lambda header: header["specification"].update({field: value}))
    with pytest.raises(CheckpointError, match=rf"specification\.{field}"):
        load_policy(path)


def test_a_header_nested_too_deeply_to_be_read_is_refused(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, metadata={"ttt_ros": "[" * 100_000})
    with pytest.raises(CheckpointError, match="the header is not JSON"):
        load_policy(path)
