"""What orders do to their room; that many together do the same as one at a time: test_crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.events import Order
from stream.core.conflicts import Outcome
from stream.core.folds import fold_one
from stream.core.orders import expire_hold, fold_orders
from stream.core.rules import Rules
from tests.support.events import (
    T0_S,
    at,
    fold_at_own_time,
    line,
    new_room,
    order,
)

if TYPE_CHECKING:
    from stream.core.room import Room


# -- statuses ----------------------------------------------------------------------------------------------------------
def test_a_status_seen_before_is_a_duplicate_under_any_id() -> None:
    room = new_room()
    assert fold_one(room, order("paid"), at(0)) is Outcome.APPLIED
    assert fold_one(room, order("paid"), at(1)) is Outcome.DUPLICATE
    assert fold_one(room, order("placed"), at(2)) is Outcome.APPLIED
    assert fold_one(room, order("placed"), at(3)) is Outcome.DUPLICATE
    assert room.orders["o1"].hold_until_ms == at(2) + room.rules.hold_ms


# -- money -------------------------------------------------------------------------------------------------------------
def test_money_is_kept_three_ways_for_each_currency() -> None:
    room = new_room()
    fold_at_own_time(
        room,
        order("placed", "o1", amount=100),
        order("paid", "o1", amount=100),
        order("placed", "o2", amount=70),
        order("paid", "o3", amount=50),
        order("refunded", "o3", amount=50),
        order("paid", "o4", amount=7, currency="EUR"),
        order("cancelled", "o5", amount=9, currency="USD"),
    )
    assert room.money == {"CNY": [220, 150, 100], "EUR": [7, 7, 7], "USD": [0, 0, 0]}


# -- orders that look fake ---------------------------------------------------------------------------------------------
def suspects(room: Room) -> int:
    return room.ledgers["s1", "k1"].suspect_held


def test_from_the_fifth_unpaid_order_on_all_holds_of_a_user_are_suspect() -> None:
    room = new_room()
    for number in range(4):
        fold_at_own_time(room, order("placed", f"o{number}", units=2))
    assert suspects(room) == 0
    fold_at_own_time(room, order("placed", "o4", units=2))
    assert suspects(room) == 10
    fold_at_own_time(room, order("placed", "o5", units=1), order("placed", "x", "honest", 4))
    assert suspects(room) == 11


def test_paying_one_lifts_the_suspicion_from_all_and_the_next_unpaid_one_brings_it_back() -> None:
    room = new_room()
    for number in range(5):
        fold_at_own_time(room, order("placed", f"o{number}", units=2))
    fold_at_own_time(room, order("paid", "o0", units=2))
    assert suspects(room) == 0
    fold_at_own_time(room, order("placed", "o5", units=2))
    assert suspects(room) == 10


def test_a_cancelled_order_was_never_paid_and_an_order_paid_first_never_unpaid() -> None:
    room = new_room()
    for number in range(5):
        fold_at_own_time(room, order("paid", f"p{number}"), order("placed", f"p{number}"))
    assert room.unpaid == {}
    for number in range(4):
        fold_at_own_time(room, order("placed", f"o{number}"), order("cancelled", f"o{number}"))
    assert room.unpaid == {"u1": 4}
    fold_at_own_time(room, order("placed", "o4", units=3))
    assert suspects(room) == 3


def test_suspect_holds_that_run_out_are_no_longer_held_and_the_user_stays_suspect() -> None:
    room = new_room()
    for number in range(5):
        fold_at_own_time(room, order("placed", f"o{number}", units=2))
    for number in range(5):
        assert expire_hold(room, f"o{number}", at(60))
    assert suspects(room) == 0
    fold_at_own_time(room, order("placed", "o5", units=3))
    assert suspects(room) == 3


def test_the_velocity_ignores_what_suspects_order() -> None:
    room = new_room()
    for number in range(4):
        fold_at_own_time(room, order("placed", f"o{number}"))
    ledger = room.ledgers["s1", "k1"]
    assert sum(ledger.recent_units(T0_S)[-10:]) == 4
    for number in range(4, 30):
        fold_at_own_time(room, order("placed", f"o{number}"))
    assert sum(ledger.recent_units(T0_S)[-10:]) == 4
    assert ledger.held == 30


def test_every_ledger_of_a_user_is_suspect() -> None:
    room = new_room()
    for number in range(5):
        fold_at_own_time(room, order("placed", f"o{number}", sku=f"k{number % 2}"))
    assert {key: ledger.suspect_held for key, ledger in room.ledgers.items()} == {("s1", "k0"): 3, ("s1", "k1"): 2}


# -- the room's own pace -----------------------------------------------------------------------------------------------
def test_units_of_all_sales_make_the_room_s_pace_from_the_first_on() -> None:
    room = new_room()
    assert room.first_unit_ms == -1
    fold_at_own_time(room, order("placed", lines=[line(2), line(3, "s2"), line(9, None)], s=5.5))
    fold_at_own_time(room, order("placed", "o2", s=3.2), order("paid", "o2", s=9))
    assert room.unit_tally.counts == {T0_S + 5: 5, T0_S + 3: 1}
    assert room.first_unit_ms == at(3)
    fold_at_own_time(room, order("cancelled", s=7))
    assert room.unit_tally.counts[T0_S + 7] == -5


# -- feed --------------------------------------------------------------------------------------------------------------
def test_the_feed_shows_the_latest_payments_and_no_more_of_a_person_than_a_letter() -> None:
    room = new_room(Rules(feed_items=2))
    fold_at_own_time(room, order("placed", "o0"))
    for number in range(1, 4):
        fold_at_own_time(room, order("paid", f"o{number}", f"{number}-user", units=number, s=number))
    assert [(item.at_ms, item.who, item.sku_id, item.quantity) for item in room.feed] == [
        (at(2), "2***", "k1", 2),
        (at(3), "3***", "k1", 3),
    ]


# -- memory ------------------------------------------------------------------------------------------------------------
def test_what_is_equal_in_orders_is_in_memory_once() -> None:
    room = new_room()
    for status, order_id in (("placed", "order 1"), ("placed", "order 2"), ("paid", "order 1")):
        decoded = msgspec.json.decode(msgspec.json.encode(order(status, order_id)), type=Order)
        assert fold_orders(room, [decoded], [at(0)]) == [True]
    second, first = room.orders.values()
    assert (first.lines, first.currency) == ((("s1", "k1", 1),), "CNY")
    assert first.lines is second.lines
    assert first.currency is second.currency
    ids = [*room.orders, *room.changed_orders, *(order_id for _, _, order_id in room.shared.holds)]
    assert len(ids) == 6
    assert len(set(map(id, ids))) == 2
    ledger = room.ledgers["s1", "k1"]
    ledger.move("u2", 1, 1, T0_S, suspect=False)
    assert ledger.users["u2"] is ledger.users["u1"]
