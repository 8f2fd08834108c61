"""Where the configuration files that come with the package are."""

import importlib.resources
import sys
from pathlib import Path

from ttt_ros.errors import ConfigurationError


def shipped_configuration(name: str) -> Path:
    """The file ``name`` of the source tree's config folder, or of an installation's share folder.

    Raises:
        ConfigurationError: the package was installed without its configuration files.
    """
    package = Path(str(importlib.resources.files("ttt_ros")))
    candidates = (
        package.resolve().parent / "config" / name,
        *(parent / "share" / "ttt_ros" / "config" / name for parent in package.parents),
        Path(sys.prefix, "share", "ttt_ros", "config", name),
    )
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigurationError(f"'{name}' did not come with this installation; give the path of the repository's config/{name}")
