"""A trained vision trunk on disk."""

import dataclasses
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ttt_ros.configuration import validated
from ttt_ros.errors import CheckpointError, ConfigurationError
from ttt_ros.policies.sight import Sight, SightConfig
from ttt_ros.policies.tensor_file import write_tensors

_HEADER_KEY = "sight"


def save_sight(sight: Sight, path: Path) -> None:
    """Writes the tensors of ``sight``, and its sizes into the header."""
    write_tensors(path, sight.state_dict(), metadata={_HEADER_KEY: json.dumps(dataclasses.asdict(sight.config))})


def load_sight(path: Path) -> Sight:
    """Reads what ``save_sight`` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            sizes = json.loads(file.metadata()[_HEADER_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = validated(SightConfig, sizes, source=str(path))
        # Without memory at first: the sizes are anybody's, those of the tensors are bounded by the file.
        with torch.device("meta"):
            Sight(config).load_state_dict(tensors, assign=True)
        sight = Sight(config)
        sight.load_state_dict(tensors)
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise CheckpointError(f"{path} is not a trained Sight ({error}); train one anew") from None
    return sight
