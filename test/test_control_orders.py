"""What the policy's side makes of the safeguard's orders and of its silence."""

import pytest

from ttt_ros.control.orders import Order, Orders
from ttt_ros.safeguard.ladder import Mode

SECOND = 1_000_000_000


def _order(mode: Mode = Mode.ADAPTING) -> Order:
    return Order(mode=mode, permit=mode == Mode.ADAPTING, validity=0.2, trusted_version=7, reasons=())


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


def test_the_reason_for_base_names_age_and_limit() -> None:
    orders = Orders()
    orders.receive(_order(), SECOND)
    assert orders.in_force(3 * SECOND).reasons == ("the safeguard is silent: age of its last state 2.00 s above 0.2 s",)
