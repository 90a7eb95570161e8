from __future__ import annotations

from stream.core.audiences import BUYERS, CARTED_BUYERS, PAYERS
from stream.core.order_sums import count_paid, count_placed, count_units, feed
from stream.core.rules import Rules
from tests.support.events import T0_S, cart, fold_at_own_time, new_room, order

SECOND = Rules(signals_edition=2, contract_edition=2, feed_items=2)


def test_orders_of_a_stranger_count_and_the_stranger_nowhere() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, cart("u1"))
    count_placed(room, [("u1", T0_S), ("u2", T0_S), ("-", T0_S), ("u1", T0_S + 1)])
    count_paid(room, [("u1", T0_S), ("-", T0_S)], {("CNY", T0_S): 300})
    assert (room.orders_placed, room.orders_paid) == (4, 2)
    assert [*room.audiences[BUYERS].session.members] == ["u1", "u2"]
    assert [*room.audiences[CARTED_BUYERS].session.members] == ["u1"]
    assert [*room.audiences[PAYERS].session.members] == ["u1"]


def test_the_feed_keeps_the_last_ones_and_a_letter_of_each_name() -> None:
    room = new_room(SECOND)
    feed(room, [(order("paid", user=user, sku=user), 1_000 * at) for at, user in enumerate(("anna", "ben", "-"))])
    assert [(each.who, each.sku_id, each.at_ms) for each in room.feed] == [("b***", "ben", 1_000), ("***", "-", 2_000)]


def test_the_first_second_with_units_is_remembered_whenever_it_comes() -> None:
    room = new_room(SECOND)
    count_units(room, {T0_S + 5: 2})
    count_units(room, {T0_S + 3: -1, T0_S + 9: 4})
    assert room.first_unit_ms == (T0_S + 3) * 1_000
