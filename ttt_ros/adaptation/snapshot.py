"""A version of the fast weights on disk, bound to the base that it was adapted from."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.versions import Version
from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checksum import facts_checksum, tensor_checksum
from ttt_ros.policies.tensor_file import write_tensors
from ttt_ros.policies.transition import FastWeights

_FORMAT = "ttt_ros fast weights 2"
_WEIGHTS = "weights."
_MOMENTUM = "momentum."
_PRECISION = "precision."
_NOTE = "note."

Value = TypeVar("Value")

_MOST_BYTES = 4 << 30
"""Of a file that is read at all; fast weights are a small part of a policy."""

_DIGITS = 18
"""Of a version's number, which is sent as 64 bits."""

_ROUNDING = 1e-5
"""By how much the drift of weights on the limit may come out above it: they were rounded to float32."""


def save(version: Version, path: Path, *, base_checksum: str, notes: Mapping[str, str] = MappingProxyType({})) -> None:
    """Writes ``version`` to a safetensors file; ``path`` is never half a file.

    Args:
        base_checksum: ``Policy.checksum`` of the policy that was adapted.
        notes: anything else to be known of it, for ``read_notes``.

    Raises:
        CheckpointError: the file cannot be written.
    """
    tensors = {_WEIGHTS + name: tensor for name, tensor in version.weights.items()}
    tensors |= {_MOMENTUM + name: tensor for name, tensor in version.momentum.items()}
    tensors |= {_PRECISION + name: tensor for name, tensor in version.precision.items()}
    metadata = {
        "format": _FORMAT,
        "base_checksum": base_checksum,
        "number": str(version.number),
        "weights_checksum": version.checksum,
        "momentum_checksum": tensor_checksum(version.momentum),
        "precision_checksum": tensor_checksum(version.precision),
        **{_NOTE + name: note for name, note in notes.items()},
    }
    metadata["seal"] = facts_checksum(metadata)
    try:
        write_tensors(path, tensors, metadata=metadata)
    except OSError as error:
        raise CheckpointError(f"cannot write snapshot {path}: {error}") from None


def load(path: Path, *, base: Version, base_checksum: str, drift_limit: float) -> Version:
    """Reads a version back; commit it to a store to put it in force.

    Args:
        base: version 0 of the store, which says what names, shapes and modules are right.
        base_checksum: ``Policy.checksum`` of the policy that is to be adapted.
        drift_limit: largest ||w - w0|| / ||w0|| of a module that is accepted.

    Raises:
        CheckpointError: the file is missing, damaged, altered, of another base or shape, not finite or too far from the base.
    """
    metadata, tensors = _read(path, device=next(iter(base.weights.values())).device)
    weights, momentum, precision = (_part(tensors, part) for part in (_WEIGHTS, _MOMENTUM, _PRECISION))
    found = [tensor_checksum(part) for part in (weights, momentum, precision)]
    if found != [metadata.get(f"{part}_checksum") for part in ("weights", "momentum", "precision")]:
        raise CheckpointError(f"snapshot {path} was altered: its tensors do not have the checksums that were written with them")
    if metadata.get("base_checksum") != base_checksum:
        raise CheckpointError(
            f"snapshot {path} was adapted from base {metadata.get('base_checksum')!s:.12}, this policy is {base_checksum:.12}; "
            "fast weights fit their own base only, so start without the snapshot"
        )
    number = metadata.get("number", "")
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS):
        raise CheckpointError(f"snapshot {path} says that it is version {number!r:.40}, which is no number; start without it")
    _check_fit(path, weights, base.weights)
    if momentum:
        _check_fit(path, momentum, base.weights)
    _check_precision(path, precision, base.weights)
    modules = steps.parameters_by_module(base.weights, base.drift_per_module)
    norms = steps.base_norms(base.weights, modules)
    drifts = {name: float(drift) for name, drift in steps.drifts(weights, base.weights, norms, modules).items()}
    if max(drifts.values()) > drift_limit + _ROUNDING:
        raise CheckpointError(f"snapshot {path} is further from the base than drift_limit {drift_limit:.4g}: {drifts}; start without it")
    return Version(
        number=int(number),
        weights=weights,
        momentum=momentum,
        precision=precision,
        checksum=metadata["weights_checksum"],
        drift_total=steps.total_drift(drifts, norms),
        drift_per_module=drifts,
    )


def read_notes(path: Path) -> dict[str, str]:
    """What was noted when the snapshot at ``path`` was saved.

    Raises:
        CheckpointError: the file is missing, damaged, altered or no snapshot.
    """
    metadata, _ = _read(path, device=torch.device("cpu"))
    return _part(metadata, _NOTE)


def _read(path: Path, *, device: torch.device) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The description, which is as it was written, and the tensors, which are yet to be checked."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise CheckpointError(f"snapshot {path} has {size} bytes, at most {_MOST_BYTES} are read; start without it")
        with safe_open(path, framework="pt", device=str(device)) as file:
            names = file.keys()
            metadata, tensors = dict(file.metadata() or {}), {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read snapshot {path}: {error}") from None
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is not a snapshot of fast weights: its format is {metadata.get('format')}, not '{_FORMAT}'")
    if metadata.pop("seal", None) != facts_checksum(metadata):
        raise CheckpointError(f"snapshot {path} was altered: its description does not have the checksum that was written with it")
    return metadata, tensors


def _part(named: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _check_fit(path: Path, tensors: FastWeights, base: FastWeights) -> None:
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    wanted = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in base.items()}
    if found != wanted:
        differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise CheckpointError(f"snapshot {path} does not fit the policy's fast weights; missing, unknown or of another shape: {differing}")
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"snapshot {path} holds values that are not finite in {broken}")


def _check_precision(path: Path, precision: FastWeights, base: FastWeights) -> None:
    for name, tensor in precision.items():
        columns = base[name].shape[-1] if name in base else 0
        fits = tuple(tensor.shape) == (columns, columns) and tensor.dtype == base[name].dtype
        if not fits or not tensor.isfinite().all():
            raise CheckpointError(f"snapshot {path} holds a precision of '{name}' that is not finite or not of {columns} by {columns}")
