"""What the safeguard ordered last, and for how long that holds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttt_ros.errors import MessageError
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import LATCHING, Mode

MAX_REASONS = 500
"""Twice the rules that a safeguard can have, as each has at most one demand and one for its start."""

MAX_REASON = 1000
"""Characters of one reason; the longest holds a signal's name, a joint's or a module's, and five numbers."""


_NOT_RESET = "the safeguard was started anew after it had ordered this; call its service ~/reset to go on"


@dataclass(frozen=True, kw_only=True)
class Order:
    """The safeguard's verdict as the policy's side needs it.

    Attributes:
        mode: no better mode is allowed.
        permit: whether weights may be committed.
        validity: seconds after receipt for which this holds.
        trusted_version: newest weights version that violated no rule.
        reasons: in words.
        reset: nanoseconds at which somebody last lifted the safeguard's latch; 0: nobody has since it was activated.
        silence: nobody gave this order; it is what holds without a word of the safeguard.
    """

    mode: Mode
    permit: bool
    validity: float
    trusted_version: int
    reasons: tuple[str, ...]
    reset: int = 0
    silence: bool = False


def received_order(
    *, mode: int, permit: bool, validity: float, trusted_version: int, reasons: Sequence[str], reset: int, max_validity: float
) -> Order:
    """An order as it was received, checked: what cannot be meant is not obeyed, and then the last good order holds until it expires.

    Args:
        mode: its number.
        max_validity: seconds; an order that held for longer would outlive the safeguard that gave it.

    Raises:
        MessageError: the mode is unknown, permit and mode contradict each other, the validity is out of range, or the reasons are too many
            or too long.
    """
    known = {each.value: each for each in Mode}
    if mode not in known:
        raise MessageError(
            f"the safeguard orders mode {mode}, which is none of {', '.join(f'{each.value} ({each.label})' for each in Mode)}; "
            "run safeguard and policy node from one release"
        )
    if permit and known[mode] != Mode.ADAPTING:
        raise MessageError(
            f"the safeguard permits adaptation in mode {known[mode].label}; it does so in adapting only, check who publishes"
        )
    if not (math.isfinite(validity) and 0 <= validity <= max_validity):
        raise MessageError(
            f"the safeguard's order is to hold for {validity:g} s, outside 0 to {max_validity:g} s; correct its permit_validity"
        )
    longest = max(map(len, reasons), default=0)
    if len(reasons) > MAX_REASONS or longest > MAX_REASON:
        raise MessageError(
            f"the safeguard gives {len(reasons)} reasons of up to {longest} characters, at most {MAX_REASONS} of {MAX_REASON} are taken; "
            "check who publishes"
        )
    return Order(mode=known[mode], permit=permit, validity=validity, trusted_version=trusted_version, reasons=tuple(reasons), reset=reset)


class Orders:
    """Keeps the newest order; a silent safeguard means ``base``, except that hold and stop stay in force.

    They do so until a person has lifted them by a reset, also if the safeguard that gave them has died and another one knows nothing of
    it. After a silence one order is not enough: it takes a second one within the validity of the first, because the silence took
    as long to be noticed. All instants are nanoseconds. One thread receives; another that asks at the same moment gets what held
    before, what holds now, or base.
    """

    def __init__(self) -> None:
        self._order: Order | None = None
        self._latch: Order | None = None
        self._received = 0
        self._steady = False

    def receive(self, order: Order, now: int) -> None:
        """Takes an order at ``now``."""
        self._steady = self._order is not None and self._is_valid(now)
        self._order, self._received = order, now
        if self._latch is None or order.mode >= self._latch.mode or order.reset not in (0, self._latch.reset):
            self._latch = order if order.mode >= LATCHING else None

    def in_force(self, now: int) -> Order:
        """What holds at ``now``."""
        if self._order is None:
            return _base("no safeguard has been heard; start the safeguard node")
        if self._latch is not None:
            return self._latch if self._latch is self._order else replace(self._latch, reasons=(_NOT_RESET, *self._latch.reasons))
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
