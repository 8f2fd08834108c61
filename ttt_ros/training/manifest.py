"""A note beside generated files of what they were generated from, so that those of something else are not taken for them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttt_ros.errors import RecordingError


def claim(path: Path, facts: Mapping[str, Any]) -> None:
    """Writes ``facts`` (plain JSON values) to ``path``, or checks that the same are there.

    Raises:
        RecordingError: others are there; the message names each that differs.
    """
    wanted = json.loads(json.dumps(facts))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    different = [f"{key} is {found.get(key)} there and {value} here" for key, value in wanted.items() if found.get(key) != value]
    if different:
        raise RecordingError(
            f"{path.parent} holds what another configuration made: {'; '.join(different)}; use another directory or delete it"
        )
