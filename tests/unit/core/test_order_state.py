from __future__ import annotations

from msgspec import structs

from stream.core.order_state import OrderState, one_of_equal
from stream.core.rules import Rules
from stream.core.standing import PAID, PLACED
from tests.support.events import at, line, order


def test_lines_of_one_sku_of_one_sale_are_one_line() -> None:
    state = OrderState.of(order(lines=[line(2, amount=10), line(3, sku="k2"), line(5, amount=20), line(1, sale=None)]))
    assert state.lines == (("s1", "k1", 7), ("s1", "k2", 3))
    assert state.amount_minor == 10 + 100 + 20 + 100


def test_equal_values_are_one_object() -> None:
    first, second = ("s1", "k1", int("1")), ("s1", "k1", int("1"))
    assert first is not second
    assert one_of_equal(first) is one_of_equal(second)


def test_an_order_was_placed_its_own_hold_before_it_ends() -> None:
    state = OrderState.of(order())
    state.hold_until_ms = at(60)
    assert state.placed_ms(Rules(hold_ms=60_000)) == at(0)
    state.hold_ms = 20_000
    assert state.placed_ms(Rules(hold_ms=60_000)) == at(40)


def test_only_a_placed_order_that_is_not_paid_has_a_hold() -> None:
    found = []
    for mask, hold_until_ms in ((0, 0), (PLACED, at(60)), (PLACED | PAID, at(60))):
        state = OrderState.of(order())
        state.mask, state.hold_until_ms = mask, hold_until_ms
        found.append(state.has_hold)
    assert found == [False, True, False]


def test_an_order_learns_its_lines_and_its_device_from_the_first_record_with_lines() -> None:
    bare = structs.replace(order("cancelled"), lines=())
    state = OrderState.of(bare)
    assert (state.has_lines, state.lines, state.device_id) == (False, (), None)
    state.learn(order(lines=[line(2, amount=10), line(1, sale=None, amount=5)], device="d1"))
    assert (state.has_lines, state.lines, state.amount_minor, state.device_id) == (True, (("s1", "k1", 2),), 15, "d1")
    free = OrderState.of(order(lines=[line(1, sale=None, amount=0)]))
    assert free.has_lines


def test_the_device_of_a_first_record_without_lines_holds_until_one_with_lines_names_another() -> None:
    for later, holds in ((None, "d1"), ("d2", "d2")):
        state = OrderState.of(structs.replace(order("cancelled", device="d1"), lines=()))
        assert state.device_id == "d1"
        state.learn(order(device=later))
        assert state.device_id == holds
