"""The identity of what was read from a bag."""

import hashlib

from ttt_ros.bags.reader import BagMessage


class InputHash:
    """SHA-256 over topic, stamp and content of every message, in order; what was not read does not count."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, message: BagMessage) -> None:
        """Takes the next message."""
        self._hash.update(f"{message.topic}\0{message.stamp}\0{len(message.cdr)}\0".encode())
        self._hash.update(message.cdr)

    def hexdigest(self) -> str:
        """Over all that were taken."""
        return self._hash.hexdigest()
