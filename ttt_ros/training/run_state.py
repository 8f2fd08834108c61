"""How far a training run is, in memory and on disk, from where it goes on exactly."""

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.tensor_file import read_sealed, write_sealed

_OPTIMISER = "optimiser"


class RunState:
    """Modules and optimiser of one run, and what was done so far; one sealed safetensors file.

    Attributes:
        step: optimiser steps done.
        seconds: wall time that they took.
    """

    def __init__(
        self, path: Path, *, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, config: Mapping[str, Any]
    ) -> None:
        """Begins, or fills modules and optimiser from ``path`` if it is there.

        Args:
            config: of the whole run, plain JSON values.

        Raises:
            CheckpointError: the file cannot be read, was altered, or belongs to a run of another configuration.
        """
        self._path = path
        self._modules = modules
        self._optimiser = optimiser
        self._config = dict(config)
        self.step = 0
        self.seconds = 0.0
        if path.exists():
            self._load()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """What is done within is one step."""
        started = time.monotonic()
        yield
        self.seconds += time.monotonic() - started
        self.step += 1

    def save(self) -> None:
        """Writes the file; what was there stays whole until it is written."""
        tensors = {f"{prefix}.{name}": tensor for prefix, module in self._modules.items() for name, tensor in module.state_dict().items()}
        for number, slots in self._optimiser.state_dict()["state"].items():
            tensors |= {f"{_OPTIMISER}.{number}.{slot}": tensor for slot, tensor in slots.items()}
        write_sealed(self._path, tensors, facts={"step": self.step, "seconds": self.seconds, "config": self._config})

    def _load(self) -> None:
        try:
            facts, tensors = read_sealed(self._path)
            config, self.step, self.seconds = facts["config"], facts["step"], facts["seconds"]
            if config == self._config:
                self._fill(tensors)
        except (CheckpointError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the training state {self._path} does not fit this run ({error}); delete it to begin again") from None
        if config != self._config:
            raise CheckpointError(f"{self._path.parent} holds a run of another configuration; use another directory or delete it")

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        for prefix, module in self._modules.items():
            module.load_state_dict(_below(tensors, prefix))
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": _slots(_below(tensors, _OPTIMISER))})


def as_facts(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values."""
    facts: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return facts


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def _slots(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, slot = name.split(".")
        slots.setdefault(int(number), {})[slot] = tensor
    return slots
