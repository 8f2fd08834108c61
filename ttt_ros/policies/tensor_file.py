"""Safetensors files that a reader never meets half of, and that show whether they were altered."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checksum import tensor_checksum

_FACTS = "facts"
_SEAL = "seal"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes ``tensors`` aside and renames: ``path`` is the old file or the whole new one, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, dict(metadata or {})))
    os.replace(aside, path)


def write_sealed(path: Path, tensors: Mapping[str, Tensor], *, facts: Mapping[str, Any]) -> None:
    """Writes ``tensors`` and ``facts`` (plain JSON values) with a checksum over both."""
    text = json.dumps(facts)
    write_tensors(path, tensors, metadata={_FACTS: text, _SEAL: _seal(text, tensors)})


def read_sealed(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Facts and tensors that ``write_sealed`` wrote.

    Nothing is allocated that the file does not hold: safetensors checks all sizes against that of the file.

    Raises:
        CheckpointError: the file cannot be read, or was altered.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error})") from None
    text = metadata.get(_FACTS, "")
    if metadata.get(_SEAL) != _seal(text, tensors):
        raise CheckpointError(f"{path} does not have the checksum that is written in it: it was altered, or written by something else")
    return parsed_json(text, source=path), tensors


def parsed_json(text: str, *, source: Path) -> dict[str, Any]:
    """The JSON object in the header of ``source``.

    Raises:
        CheckpointError: it is not JSON, or no object.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: the header is not JSON ({error}); get the file again") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{source}: the header is a JSON {type(values).__name__}, not an object; get the file again")
    return values


def _seal(text: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(f"{tensor_checksum(tensors)}\n{text}".encode()).hexdigest()
