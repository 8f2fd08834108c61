"""Telling people of a change of mode."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rclpy.node import Node

from ttt_ros.safeguard.ladder import Mode

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*([eE][-+]?\d+)?|nan|inf)")
_KINDS = 100
"""Reasons that are told apart; what a log line costs must not depend on what a sensor says."""


def in_words(mode: Mode, reasons: Sequence[str]) -> str:
    """The mode and why it is no better."""
    return f"mode {mode.label}" + (f": {'; '.join(reasons)}" if reasons else "")


class ModeLog:
    """Logs a change of mode with its reasons once; the same change for reasons that differ in numbers alone is counted from then on.

    The count is told when it has doubled, so that a mode that comes and goes is neither silent nor a flood.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mode: Mode | None = None
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each mode was entered, by mode and reasons with numbers left out."""
        return self._counts

    def entered(self, mode: Mode, reasons: Sequence[str]) -> bool:
        """Takes the mode in force; says whether it is a new one. Worse ones than adapting are logged as warnings."""
        if mode == self._mode:
            return False
        self._mode = mode
        words = in_words(mode, reasons)
        kind = _NUMBER.sub("#", words)
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = f"mode {mode.label}, other reasons"
        self._counts[kind] += 1
        count = self._counts[kind]
        if count & (count - 1) == 0:
            text = words if count == 1 else f"{words} ({count} times so far)"
            if mode == Mode.ADAPTING:
                self._node.get_logger().info(text)
            else:
                self._node.get_logger().warning(text)
        return True
