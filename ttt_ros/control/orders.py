"""What the safeguard ordered last, and for how long that holds."""

from dataclasses import dataclass

from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode


@dataclass(frozen=True, kw_only=True)
class Order:
    """The safeguard's verdict as the policy's side needs it.

    Attributes:
        mode: no better mode is allowed.
        permit: whether weights may be committed.
        validity: seconds after receipt for which this holds.
        trusted_version: newest weights version that violated no rule.
        reasons: in words.
        silence: nobody gave this order; it is what holds without a word of the safeguard.
    """

    mode: Mode
    permit: bool
    validity: float
    trusted_version: int
    reasons: tuple[str, ...]
    silence: bool = False


class Orders:
    """Keeps the newest order; a silent safeguard means ``base``, except that hold and stop stay in force.

    After a silence one order is not enough: it takes a second one within the validity of the first, because the silence took
    as long to be noticed. All instants are nanoseconds.
    """

    def __init__(self) -> None:
        self._order: Order | None = None
        self._received = 0
        self._steady = False

    def receive(self, order: Order, now: int) -> None:
        """Takes an order at ``now``."""
        self._steady = self._order is not None and self._is_valid(now)
        self._order, self._received = order, now

    def in_force(self, now: int) -> Order:
        """What holds at ``now``."""
        if self._order is None:
            return _base("no safeguard has been heard; start the safeguard node")
        if self._order.mode >= Mode.HOLD:
            return self._order
        if not self._is_valid(now):
            silence = (now - self._received) / NANOSECONDS
            return _base(f"the safeguard is silent: age of its last state {silence:.2f} s above {self._order.validity:g} s")
        if not self._steady:
            return _base("the safeguard has been heard once since a silence; waiting for its next state")
        return self._order

    def _is_valid(self, now: int) -> bool:
        assert self._order is not None
        return 0 <= now - self._received <= round(self._order.validity * NANOSECONDS)


def _base(reason: str) -> Order:
    return Order(mode=Mode.BASE, permit=False, validity=0.0, trusted_version=0, reasons=(reason,), silence=True)
