"""What the arms did in one condition, kept on disk so that an evaluation that was broken off goes on where it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation.recordings.stream import Arm, Stream
from ttt_ros.policies.tensor_file import write_tensors

_NO_CHANGE = "no_change"
_FIGURES = tuple(field.name for field in fields(Stream))


@dataclass(frozen=True, kw_only=True)
class Result:
    """One condition: the stream of each arm, and the prediction loss of predicting no change (``stream.no_change``)."""

    arms: Mapping[Arm, Stream]
    no_change: NDArray[np.float64]


def mean_result(results: Sequence[Result]) -> Result:
    """The mean over conditions, frame by frame."""
    return Result(
        arms={
            arm: Stream(**{name: np.mean([getattr(each.arms[arm], name) for each in results], axis=0) for name in _FIGURES}) for arm in Arm
        },
        no_change=np.mean([result.no_change for result in results], axis=0),
    )


def save_result(path: Path, result: Result) -> None:
    """Writes ``result``; the file is whole or not there.

    Raises:
        RecordingError: it cannot be written.
    """
    arrays = {f"{arm.value}.{name}": getattr(stream, name) for arm, stream in result.arms.items() for name in _FIGURES}
    tensors = {name: torch.as_tensor(array, dtype=torch.float64) for name, array in (arrays | {_NO_CHANGE: result.no_change}).items()}
    try:
        write_tensors(path, tensors)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}; check the folder and the space left on the disk") from None


def load_result(path: Path) -> Result:
    """Reads what ``save_result`` wrote.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        arrays = {name: tensor.numpy() for name, tensor in load_file(path).items()}
        return Result(
            arms={arm: _stream({name: arrays[f"{arm.value}.{name}"] for name in _FIGURES}) for arm in Arm},
            no_change=arrays[_NO_CHANGE],
        )
    except (SafetensorError, OSError, KeyError) as error:
        raise RecordingError(f"{path} cannot be read ({error}); delete it to evaluate that condition again") from None


def _stream(figures: Mapping[str, Any]) -> Stream:
    return Stream(**figures)
