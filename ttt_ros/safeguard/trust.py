"""Which version of the weights can be relied on."""

from collections import deque

KEPT = 64
"""Versions remembered; the ring that weights can be restored from is shorter."""


class TrustedVersions:
    """Remembers the versions that were committed without violating a rule; version 0, the base, is always trusted."""

    def __init__(self) -> None:
        self._versions: deque[int] = deque(maxlen=KEPT)

    @property
    def newest(self) -> int:
        """The newest trusted version that still exists, 0 if there is none."""
        return self._versions[-1] if self._versions else 0

    def reported(self, version: int, *, committed: bool, clean: bool) -> None:
        """Takes one adaptation status.

        A version is judged by the window that made it alone: a later window that committed nothing tells of its input. A
        version lower than one before means that weights were restored, and what came after that version is gone.

        Args:
            version: of the weights in force after the window.
            committed: whether this window made that version.
            clean: whether none of its readings violated a rule.
        """
        while self._versions and (self._versions[-1] > version or (committed and self._versions[-1] == version)):
            self._versions.pop()
        if committed and clean:
            self._versions.append(version)
