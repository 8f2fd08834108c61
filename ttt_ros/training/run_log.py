"""The log of a training run: a JSON line for each report, in a file and on the console."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


class RunLog:
    """``log.jsonl`` of one run."""

    def __init__(self, output: Path) -> None:
        """Goes on with the lines that ``output`` holds."""
        self._path = output / "log.jsonl"

    def note(self, step: int, facts: Mapping[str, Any]) -> None:
        """Adds a line, plain JSON values."""
        line = json.dumps({"step": step} | dict(facts))
        _log.info(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
