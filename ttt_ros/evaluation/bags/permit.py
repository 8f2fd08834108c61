"""The safeguard's word in an evaluation, where no safeguard process runs."""

from ttt_ros.control.orders import Order
from ttt_ros.safeguard.ladder import Mode

VALIDITY = 1e6
"""Seconds: longer than any bag, so that a gap in it does not read as a silent safeguard."""


def permit(*, adapts: bool) -> Order:
    """The order that is given before every tick, offline and in the stepped replay: adapt, or act with the weights as they are."""
    mode = Mode.ADAPTING if adapts else Mode.FROZEN
    return Order(mode=mode, permit=adapts, validity=VALIDITY, trusted_version=0, reasons=())
