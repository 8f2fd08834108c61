"""Writing safetensors files so that a reader never meets half of one."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from ttt_ros.policies.checksum import tensor_checksum


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes ``tensors`` aside and renames: ``path`` is the old file or the whole new one, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, dict(metadata or {})))
    os.replace(aside, path)


def seal(tensors: Mapping[str, Tensor], description: str) -> str:
    """SHA-256, hexadecimal, over the tensors and what the file says of them, to be kept beside both."""
    return hashlib.sha256(f"{tensor_checksum(tensors)}\n{description}".encode()).hexdigest()
