"""Definitions of ROS messages for bags, known without ROS."""

from collections.abc import Mapping
from pathlib import Path

from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ttt_ros.errors import RecordingError

DEFAULT_DISTRIBUTION = "kilted"

_STORES = {"humble": Stores.ROS2_HUMBLE, "jazzy": Stores.ROS2_JAZZY, "kilted": Stores.ROS2_KILTED}


def message_types(*, message_packages: Mapping[str, Path], distribution: str = DEFAULT_DISTRIBUTION) -> Typestore:
    """The standard messages of a ROS distribution and those of own packages.

    Args:
        message_packages: for each package with own messages, the folder that holds its .msg files: ``msg`` in a source tree,
            ``share/<package>/msg`` in an installed workspace.
        distribution: name of the ROS distribution.

    Raises:
        RecordingError: the distribution is unknown, a folder has no .msg file, or a .msg file is malformed.
    """
    if distribution not in _STORES:
        raise RecordingError(f"ROS distribution {distribution!r} is unknown; use one of {', '.join(_STORES)}")
    types = get_typestore(_STORES[distribution])
    for package, directory in message_packages.items():
        files = sorted(directory.glob("*.msg"))
        if not files:
            raise RecordingError(f"{directory} has no .msg file of package {package}; name the folder that holds them")
        for file in files:
            _register(types, file, message_type=f"{package}/msg/{file.stem}")
    return types


def _register(types: Typestore, file: Path, *, message_type: str) -> None:
    try:
        types.register(get_types_from_msg(file.read_text(encoding="utf-8"), message_type))
    except (OSError, UnicodeDecodeError, TypesysError) as error:
        raise RecordingError(f"cannot read the message definition {file}: {error}; correct the file") from None
