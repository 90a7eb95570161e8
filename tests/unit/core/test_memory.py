from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.conflicts import Outcome
from stream.core.folds import fold_one
from stream.core.orders import expire_hold, forget_orders
from stream.core.rules import Rules
from tests.support.events import (
    at,
    cart,
    closed,
    extended,
    fold_at_own_time,
    like,
    new_room,
    opened,
    order,
    restocked,
)

if TYPE_CHECKING:
    from stream.core.room import Room


def test_ids_are_remembered_for_two_generations() -> None:
    room = new_room()
    fold_at_own_time(room, like(event_id="e1"))
    assert room.ids.begin_generation(1) == 0
    fold_at_own_time(room, like(event_id="e2"))
    assert fold_one(room, like(event_id="e1"), at(0)) is Outcome.DUPLICATE
    assert room.ids.begin_generation(2) == 1
    assert fold_one(room, like(event_id="e2"), at(0)) is Outcome.DUPLICATE
    assert fold_one(room, like(event_id="e1"), at(0)) is Outcome.APPLIED
    assert room.ids.generation == 2


def test_a_room_that_slept_through_a_generation_forgets_both() -> None:
    room = new_room()
    fold_at_own_time(room, like(event_id="e1"))
    room.ids.begin_generation(1)
    fold_at_own_time(room, like(event_id="e2"), like(event_id="e3"))
    assert room.ids.begin_generation(3) == 3
    assert room.ids.state() == (3, {}, {})


# -- bounds ------------------------------------------------------------------------------------------------------------
def test_beyond_the_bound_on_sales_nothing_new_is_kept_and_it_is_counted() -> None:
    room = new_room(Rules(sales_per_room_max=2))
    fold_at_own_time(room, opened(sku="k1"), cart(sku="k2"))
    assert room.sales_refused == 0
    for event in (opened(sku="k3"), restocked(sku="k3"), cart(sku="k3"), order("placed", sku="k3")):
        assert fold_one(room, event, at(0)) is Outcome.APPLIED
    assert room.sales_refused == 4
    assert list(room.ledgers) == [("s1", "k1"), ("s1", "k2")]
    assert room.money == {"CNY": [100, 0, 0]}
    fold_at_own_time(room, order("placed", "o2", sku="k1"))
    assert room.ledgers["s1", "k1"].held == 1


def test_beyond_the_bound_no_terms_are_kept_either() -> None:
    room = new_room(Rules(sales_per_room_max=1))
    fold_at_own_time(room, extended(900, "s1"), closed("s1", s=5))
    assert room.sales_refused == 0
    fold_at_own_time(room, extended(900, "s2"), closed("s2"))
    assert room.sales_refused == 2
    assert list(room.terms) == ["s1"]


def orders_at(room: Room, *seconds: float) -> None:
    for number, s in enumerate(seconds):
        room.shared.clock_ms = at(s)
        fold_at_own_time(room, order("placed", f"o{number}", f"u{number}", s=s))


def test_orders_are_forgotten_by_the_time_of_their_last_change() -> None:
    room = new_room()
    orders_at(room, 0, 1, 2)
    room.shared.clock_ms = at(3)
    fold_at_own_time(room, order("paid", "o0", "u0", s=3))
    assert forget_orders(room, at(1)) == 0
    assert forget_orders(room, at(2)) == 1
    assert list(room.orders) == ["o2", "o0"]
    assert forget_orders(room, at(3)) == 1
    assert forget_orders(room, at(3) + 1) == 1
    assert room.orders == {}


def test_a_hold_that_ran_out_is_a_change() -> None:
    room = new_room()
    orders_at(room, 0, 1)
    room.shared.clock_ms = at(60)
    assert expire_hold(room, "o0", at(60))
    assert list(room.orders) == ["o1", "o0"]
    assert list(room.changed_orders) == ["o1", "o0"]
    assert forget_orders(room, at(60)) == 1
    assert list(room.orders) == ["o0"]


def test_a_forgotten_order_leaves_totals_and_ledger_as_they_are() -> None:
    room = new_room()
    fold_at_own_time(room, opened(10), cart("u0"))
    orders_at(room, 0)
    fold_at_own_time(room, order("paid", "o0", "u0"))
    forget_orders(room, at(1))
    ledger = room.ledgers["s1", "k1"]
    assert (ledger.sold, ledger.available, ledger.users) == (1, 9, {})
    assert room.money == {"CNY": [100, 100, 100]}
    assert ledger.carters_without_order == 1


def test_an_unpaid_order_that_is_forgotten_no_longer_speaks_against_its_user() -> None:
    room = new_room()
    for number in range(5):
        fold_at_own_time(room, order("placed", f"o{number}"))
    assert room.ledgers["s1", "k1"].suspect_held == 5
    room.orders["o0"].changed_ms -= 1
    assert forget_orders(room, room.orders["o1"].changed_ms) == 1
    assert room.unpaid == {"u1": 4}
    assert room.ledgers["s1", "k1"].suspect_held == 0


def test_a_paid_order_that_is_forgotten_says_nothing_about_its_user() -> None:
    room = new_room()
    fold_at_own_time(room, order("paid", "p"), *(order("placed", f"o{number}") for number in range(5)))
    room.orders["p"].changed_ms -= 1
    assert forget_orders(room, room.orders["o1"].changed_ms) == 1
    assert "p" not in room.orders
    assert (room.unpaid, room.ledgers["s1", "k1"].suspect_held) == ({"u1": 5}, 5)


# -- time --------------------------------------------------------------------------------------------------------------
