"""What the policy's side makes of the safeguard's orders and of its silence."""

import math

import pytest

from ttt_ros.control.orders import MAX_REASON, MAX_REASONS, Order, Orders, received_order
from ttt_ros.errors import MessageError
from ttt_ros.safeguard.ladder import Mode

SECOND = 1_000_000_000


def _order(mode: Mode = Mode.ADAPTING, *, reset: int = 0) -> Order:
    return Order(mode=mode, permit=mode == Mode.ADAPTING, validity=0.2, trusted_version=7, reasons=(), reset=reset)


def test_without_any_order_the_mode_is_base_and_nothing_is_permitted() -> None:
    order = Orders().in_force(SECOND)
    assert (order.mode, order.permit) == (Mode.BASE, False)
    assert "start the safeguard node" in order.reasons[0]


def test_one_order_after_a_silence_is_not_enough_and_a_second_in_time_is() -> None:
    orders = Orders()
    orders.receive(_order(), SECOND)
    assert orders.in_force(SECOND).mode == Mode.BASE
    orders.receive(_order(), SECOND + SECOND // 10)
    assert orders.in_force(SECOND + SECOND // 10) == _order()


def test_a_second_order_that_comes_too_late_does_not_end_the_silence() -> None:
    orders = Orders()
    orders.receive(_order(), SECOND)
    orders.receive(_order(), SECOND + SECOND // 2)
    assert orders.in_force(SECOND + SECOND // 2).mode == Mode.BASE


@pytest.mark.parametrize(("age", "mode"), [(0.2, Mode.ADAPTING), (0.201, Mode.BASE)])
def test_an_order_holds_exactly_for_its_validity(age: float, mode: Mode) -> None:
    orders = Orders()
    orders.receive(_order(), SECOND)
    orders.receive(_order(), SECOND)
    assert orders.in_force(SECOND + round(age * SECOND)).mode == mode


def test_an_order_from_the_future_does_not_hold() -> None:
    orders = Orders()
    orders.receive(_order(), 5 * SECOND)
    orders.receive(_order(), 5 * SECOND)
    assert orders.in_force(SECOND).mode == Mode.BASE


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.STOP])
def test_hold_and_stop_stay_in_force_when_the_safeguard_falls_silent(mode: Mode) -> None:
    orders = Orders()
    orders.receive(_order(mode), SECOND)
    assert orders.in_force(1000 * SECOND).mode == mode


@pytest.mark.parametrize("before", [0, 5 * SECOND])
@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.STOP])
def test_hold_and_stop_outlive_the_safeguard_that_ordered_them_until_the_next_one_is_reset(mode: Mode, before: int) -> None:
    orders = Orders()
    orders.receive(_order(mode, reset=before), 10 * SECOND)
    for _ in range(3):
        orders.receive(_order(), 11 * SECOND)
    held = orders.in_force(11 * SECOND)
    assert (held.mode, held.permit) == (mode, False)
    assert "was started anew" in held.reasons[0]
    assert "~/reset" in held.reasons[0]
    for _ in range(2):
        orders.receive(_order(reset=12 * SECOND), 12 * SECOND)
    assert orders.in_force(12 * SECOND).mode == Mode.ADAPTING


def test_without_a_reset_stop_does_not_become_hold() -> None:
    orders = Orders()
    orders.receive(_order(Mode.STOP), SECOND)
    orders.receive(_order(Mode.HOLD), SECOND)
    assert orders.in_force(SECOND).mode == Mode.STOP


def test_a_reset_that_lifted_an_earlier_hold_does_not_lift_the_next_one() -> None:
    orders = Orders()
    orders.receive(_order(Mode.HOLD, reset=5 * SECOND), 10 * SECOND)
    orders.receive(_order(reset=5 * SECOND), 11 * SECOND)
    assert orders.in_force(11 * SECOND).mode == Mode.HOLD


def test_the_reason_for_base_names_age_and_limit() -> None:
    orders = Orders()
    orders.receive(_order(), SECOND)
    assert orders.in_force(3 * SECOND).reasons == ("the safeguard is silent: age of its last state 2.00 s above 0.2 s",)


def _received(**changes: object) -> Order:
    fields = {"mode": 0, "permit": True, "validity": 0.2, "trusted_version": 7, "reasons": [], "reset": 0, "max_validity": 10.0}
    return received_order(**(fields | changes))


def test_an_order_that_a_safeguard_can_have_given_is_taken_as_it_is() -> None:
    assert _received() == _order()
    assert _received(mode=4, permit=False, validity=10.0, reasons=["x" * MAX_REASON] * MAX_REASONS).mode == Mode.STOP


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": 77}, r"orders mode 77, which is none of 0 \(adapting\), .* 4 \(stop\); run safeguard and policy node from one release"),
        ({"mode": 2}, "permits adaptation in mode base; it does so in adapting only"),
        ({"validity": math.nan}, "is to hold for nan s, outside 0 to 10 s"),
        ({"validity": math.inf}, "is to hold for inf s, outside 0 to 10 s"),
        ({"validity": -0.1}, "is to hold for -0.1 s, outside 0 to 10 s"),
        ({"validity": 10.1}, "is to hold for 10.1 s, outside 0 to 10 s; correct its permit_validity"),
        ({"reasons": [""] * (MAX_REASONS + 1)}, "gives 501 reasons of up to 0 characters, at most 500 of 1000 are taken"),
        ({"reasons": ["x" * (MAX_REASON + 1)]}, "gives 1 reasons of up to 1001 characters"),
    ],
)
def test_an_order_that_no_safeguard_can_have_meant_is_refused_in_words(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        _received(**changes)
