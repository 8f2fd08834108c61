"""DDS domains that no other test, test run or demonstration uses."""

import os
import socket
from itertools import count

_FIRST, _LAST = 1, 100  # the ports of higher domains overlap those that the kernel hands out
_PORT_BASE, _PORTS_PER_DOMAIN = 7400, 250  # of the RTPS specification
_attempts = count(os.getpid() * 7)


def free_domain() -> int:
    """A domain without a participant on this machine; two calls of one process give different ones."""
    for _ in range(_LAST):
        domain = _FIRST + next(_attempts) % _LAST
        if _is_free(domain):
            return domain
    raise RuntimeError(f"every DDS domain from {_FIRST} to {_LAST} is in use; end other ROS programs")


def _is_free(domain: int) -> bool:
    """Every participant binds the discovery port of its domain, shared with other participants alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", _PORT_BASE + _PORTS_PER_DOMAIN * domain))
        except OSError:
            return False
    return True
