"""The state of a training run comes back exactly, or is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ttt_ros.errors import CheckpointError
from ttt_ros.training.run_state import load_state, save_state

FACTS = {"step": 3}


def training() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A module and its optimiser after one step."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(3)).sum().backward()
    optimiser.step()
    return module, optimiser


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    module, optimiser = training()
    save_state(tmp_path / "state.safetensors", modules={"policy": module}, optimiser=optimiser, facts=FACTS)
    return tmp_path / "state.safetensors"


def load(path: Path) -> object:
    module, optimiser = training()
    return load_state(path, modules={"policy": module}, optimiser=optimiser)


def test_the_facts_come_back(saved: Path) -> None:
    assert load(saved) == FACTS


def test_one_altered_bit_is_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not have the checksum that is written in it"):
        load(saved)


@pytest.mark.parametrize("change", [{"facts": json.dumps({"step": 4})}, {"seal": ""}, {"seal": None}, {"facts": None}, {"facts": "["}])
def test_altered_facts_are_refused(saved: Path, change: dict[str, str | None]) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, saved, metadata={key: value for key, value in (metadata | change).items() if value is not None})
    with pytest.raises(CheckpointError, match=r"the training state .* does not fit this run"):
        load(saved)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"pickled")
    with pytest.raises(CheckpointError, match="delete it to begin again"):
        load(tmp_path / "state.safetensors")
