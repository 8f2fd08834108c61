"""A trained vision trunk on disk."""

import dataclasses
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ttt_ros.configuration import validated
from ttt_ros.errors import CheckpointError, ConfigurationError
from ttt_ros.policies.bounded_building import at_most
from ttt_ros.policies.sight import Sight, SightConfig
from ttt_ros.policies.tensor_file import seal, write_tensors

_HEADER_KEY = "sight"
_SEAL_KEY = "seal"

_ALLOWANCE = 10_000_000
"""Numbers that a Sight may hold beside those in its file: a grid of its images."""


def save_sight(sight: Sight, path: Path) -> None:
    """Writes the tensors of ``sight``, and its sizes into the header."""
    tensors, description = sight.state_dict(), json.dumps(dataclasses.asdict(sight.config))
    write_tensors(path, tensors, metadata={_HEADER_KEY: description, _SEAL_KEY: seal(tensors, description)})


def load_sight(path: Path) -> Sight:
    """Reads what ``save_sight`` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, altered, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get(_SEAL_KEY) != seal(tensors, metadata[_HEADER_KEY]):
            raise ValueError("it does not have the checksum that is written in it, so it was altered or is of an older release")
        config = validated(SightConfig, json.loads(metadata[_HEADER_KEY]), source=str(path))
        # The sizes are anybody's, those of the tensors are bounded by the file.
        with at_most(_ALLOWANCE + 2 * sum(tensor.numel() for tensor in tensors.values())):
            sight = Sight(config)
        sight.load_state_dict(tensors)
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise CheckpointError(f"{path} is not a trained Sight ({error}); train one anew") from None
    return sight
