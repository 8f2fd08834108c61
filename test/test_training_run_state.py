"""The state of a training run comes back exactly, or is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ttt_ros.errors import CheckpointError
from ttt_ros.training.run_state import RunState

CONFIG = {"learning_rate": 0.1}


def training() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A module and its optimiser after one step."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(3)).sum().backward()
    optimiser.step()
    return module, optimiser


def load(path: Path, *, config: Mapping[str, float] = CONFIG) -> RunState:
    module, optimiser = training()
    return RunState(path, modules={"policy": module}, optimiser=optimiser, config=config)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "state.safetensors"
    state = load(path)
    for _ in range(3):
        with state.counted():
            pass
    state.save()
    return path


def test_a_run_without_a_state_begins(tmp_path: Path) -> None:
    state = load(tmp_path / "state.safetensors")
    assert (state.step, state.seconds) == (0, 0.0)


def test_steps_and_seconds_come_back(saved: Path) -> None:
    state = load(saved)
    assert state.step == 3
    assert state.seconds > 0


def test_a_step_that_failed_is_not_counted(tmp_path: Path) -> None:
    state = load(tmp_path / "state.safetensors")
    with pytest.raises(RuntimeError), state.counted():
        raise RuntimeError
    assert state.step == 0


def test_a_run_of_another_configuration_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a run of another configuration"):
        load(saved, config={"learning_rate": 0.2})


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
