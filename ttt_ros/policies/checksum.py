"""The identity of a set of tensors, and of what is said of them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def tensor_checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, hexadecimal, over names, dtypes, shapes and bytes, in the order of the names.

    Two sets have the same checksum if and only if they are equal bit for bit; the device does not matter.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous().cpu()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def facts_checksum(facts: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal, over plain JSON values by name, whatever their order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
