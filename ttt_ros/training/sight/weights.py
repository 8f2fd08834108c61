"""A trained vision trunk on disk."""

import dataclasses
from pathlib import Path

from ttt_ros.configuration import validated
from ttt_ros.errors import CheckpointError, ConfigurationError
from ttt_ros.policies.bounded_building import at_most
from ttt_ros.policies.sight import Sight, SightConfig
from ttt_ros.policies.tensor_file import read_sealed, write_sealed

_ALLOWANCE = 10_000_000
"""Numbers that a Sight may hold beside those in its file: a grid of its images."""


def save_sight(sight: Sight, path: Path) -> None:
    """Writes the tensors of ``sight``, its sizes, and a checksum over both."""
    write_sealed(path, sight.state_dict(), facts=dataclasses.asdict(sight.config))


def load_sight(path: Path) -> Sight:
    """Reads what ``save_sight`` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, altered, or holds something else.
    """
    try:
        sizes, tensors = read_sealed(path)
        config = validated(SightConfig, sizes, source=str(path))
        # The sizes are anybody's, those of the tensors are bounded by the file.
        with at_most(_ALLOWANCE + 2 * sum(tensor.numel() for tensor in tensors.values())):
            sight = Sight(config)
        sight.load_state_dict(tensors)
    except (CheckpointError, ConfigurationError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a trained Sight ({error}); train one anew") from None
    return sight
