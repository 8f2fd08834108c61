"""The state of a training run on disk, from which it goes on exactly."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.tensor_file import read_sealed, write_sealed

_OPTIMISER = "optimiser"


def save_state(path: Path, *, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, facts: dict[str, Any]) -> None:
    """Writes the modules, the optimiser's tensors and ``facts`` (plain JSON values) to one sealed safetensors file."""
    tensors = {f"{prefix}.{name}": tensor for prefix, module in modules.items() for name, tensor in module.state_dict().items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}.{number}.{slot}": tensor for slot, tensor in slots.items()}
    write_sealed(path, tensors, facts=facts)


def load_state(path: Path, *, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Fills the modules and the optimiser from ``path`` and returns the facts.

    Raises:
        CheckpointError: the file cannot be read, was altered, or belongs to a run with other sizes.
    """
    try:
        facts, tensors = read_sealed(path)
        for prefix, module in modules.items():
            module.load_state_dict(_below(tensors, prefix))
        optimiser.load_state_dict(optimiser.state_dict() | {"state": _slots(_below(tensors, _OPTIMISER))})
    except (CheckpointError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the training state {path} does not fit this run ({error}); delete it to begin again") from None
    return facts


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def _slots(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, slot = name.split(".")
        slots.setdefault(int(number), {})[slot] = tensor
    return slots
