"""A sealed file of tensors comes back as it was written, or not at all."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.tensor_file import read_sealed, write_sealed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    write_sealed(path, {"weight": torch.arange(6.0)}, facts={"step": 3})
    return path


def test_facts_and_tensors_come_back(path: Path) -> None:
    facts, tensors = read_sealed(path)
    assert facts == {"step": 3}
    assert torch.equal(tensors["weight"], torch.arange(6.0))


@pytest.mark.parametrize("place", [-1, -20])
def test_an_altered_byte_is_refused(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="altered"):
        read_sealed(path)


def test_altered_facts_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'step\\": 3', b'step\\": 4'))
    with pytest.raises(CheckpointError, match="altered"):
        read_sealed(path)


def test_a_file_without_a_seal_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", metadata={"state": json.dumps({"step": 3})})
    with pytest.raises(CheckpointError, match="does not have the checksum"):
        read_sealed(tmp_path / "foreign")


@pytest.mark.parametrize("contents", [b"", b"not safetensors", b"\xff" * 64])
def test_another_file_is_refused(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "state").write_bytes(contents)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_sealed(tmp_path / "state")
