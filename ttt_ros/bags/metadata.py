"""The metadata.yaml of a bag, bounded like every YAML file from elsewhere."""

from pathlib import Path
from typing import Any

from ttt_ros.configuration import read_yaml
from ttt_ros.errors import ConfigurationError, RecordingError

_MAX_BYTES = 4 << 20
"""It describes every topic at length."""


def read_metadata(path: Path) -> Any:
    """Its values, which are not checked further.

    Raises:
        RecordingError: it cannot be read, is too large, or holds aliases that would write out to too many values.
    """
    try:
        return read_yaml(path, max_bytes=_MAX_BYTES)
    except ConfigurationError as error:
        raise RecordingError(f"the metadata of a bag is truncated or damaged: {error}; restore it with `ros2 bag reindex`") from None
