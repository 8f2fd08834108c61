"""A note beside generated files of what they were generated from, so that those of something else are not taken for them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttt_ros.errors import RecordingError


def claim(path: Path, facts: Mapping[str, Any]) -> None:
    """Writes ``facts`` (plain JSON values) to ``path``, or checks that the same are there.

    Raises:
        RecordingError: others are there, and the message names each that differs; or what is there cannot be read.
    """
    wanted = json.loads(json.dumps(facts))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(path.name + ".partial")
        aside.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        os.replace(aside, path)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordingError(f"{path} is not JSON ({error}); delete its directory and record anew") from None
    different = [f"{key} is {found.get(key)} there and {value} here" for key, value in wanted.items() if found.get(key) != value]
    if different:
        raise RecordingError(
            f"{path.parent} holds what another configuration made: {'; '.join(different)}; use another directory or delete it"
        )
