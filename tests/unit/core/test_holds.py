from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from stream.contract.overlay import SIGNALS_EDITION
from stream.core.holds import own_hold_ms
from stream.core.order_state import OrderState
from stream.core.rules import HOUR_MS, Rules
from stream.core.standing import EXPIRED, KEPT, PLACED
from tests.support.events import Log, at, fold_at_own_time, line, new_room, opened, order
from tests.support.rooms import restarted

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Sale

SECOND = Rules(signals_edition=SIGNALS_EDITION, contract_edition=2)


def kept(status: str = "placed", terms: str = "cash_on_delivery", order_id: str = "o1", s: float = 0) -> RoomEvent:
    return structs.replace(order(status, order_id, units=2, s=s), payment_terms=terms)


def held_for(seconds: float | None, offered: int = 10, sku: str = "k1", s: float = 0) -> RoomEvent:
    """An opening that says how long its orders hold."""
    hold_ms = None if seconds is None else int(seconds * 1_000)
    return structs.replace(opened(offered, sku=sku, s=s), hold_ms=hold_ms)


def sale_at(s: float, *events: RoomEvent, rules: Rules = SECOND) -> Sale:
    """The sale after records that came in this order, each at its own time or later, with the clock moving along."""
    log, now_s = Log(rules), 0.0
    for event in events:
        now_s = max(now_s, (event.event_time_ms - at(0)) / 1_000)
        log.tick(now_s)
        log.add(event, append_s=now_s)
    log.tick(s)
    return next(sale for sale in log.overlay().sales if sale.sku_id == "k1")


def stock(sale: Sale) -> tuple[int | None, int, int, int]:
    return sale.available, sale.held, sale.sold, sale.released


# -- cash on delivery, and a deposit -------------------------------------------------------------------------------
@pytest.mark.parametrize("terms", ["cash_on_delivery", "deposit"])
def test_units_that_are_paid_later_stay_held(terms: str) -> None:
    assert stock(sale_at(500, opened(10), kept(terms=terms))) == (8, 2, 0, 0)
    assert stock(sale_at(500, opened(10), order(units=2))) == (10, 0, 0, 2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("delivered", (8, 2, 0, 0)),
        ("payment_failed", (8, 2, 0, 0)),
        ("paid", (8, 0, 2, 0)),
        ("cancelled", (10, 0, 0, 2)),
    ],
)
def test_until_they_are_paid_or_the_order_is_undone(status: str, expected: tuple[int, ...]) -> None:
    assert stock(sale_at(500, opened(10), kept(), order(status, units=2, s=200))) == expected


def test_that_it_is_paid_later_may_be_said_at_any_time_and_by_any_record() -> None:
    for late in (kept(s=300), kept("shipped", s=300)):
        assert stock(sale_at(500, opened(10), order(units=2), late)) == (8, 2, 0, 0)
    for events in permutations([opened(10), order(units=2, s=1), kept("shipped", s=2)]):
        assert stock(sale_at(500, *events)) == (8, 2, 0, 0)


def test_a_record_that_says_only_how_it_is_paid_counts_once_and_reaches_no_status() -> None:
    log = Log(SECOND)
    log.add(opened(10), order(units=2), kept(), kept())
    assert (sum(log.fold.counters.applied), sum(log.fold.counters.duplicate)) == (3, 1)
    assert log.overlay().totals.orders.placed == 1


def test_units_come_back_before_their_order_is_forgotten() -> None:
    rules = structs.replace(SECOND, remember_orders_ms=4 * HOUR_MS, room_idle_ms=100 * HOUR_MS)
    assert rules.kept_hold_ms == 3 * HOUR_MS
    assert sale_at(3 * 3_600 - 1, opened(10), kept(), rules=rules).held == 2
    assert stock(sale_at(3 * 3_600, opened(10), kept(), rules=rules)) == (10, 0, 0, 2)
    assert stock(sale_at(20_000, opened(10), kept(), order("paid", units=2, s=19_000), rules=rules)) == (8, 0, 2, 0)
    assert structs.replace(rules, remember_orders_ms=60_000).kept_hold_ms == 30_000


def test_the_first_edition_of_signals_does_not_know_of_it() -> None:
    first = structs.replace(SECOND, signals_edition=1)
    assert stock(sale_at(500, held_for(1_000), kept(), rules=first)) == (10, 0, 0, 2)


def test_an_order_that_is_paid_in_another_room_is_another_order() -> None:
    log = Log(SECOND)
    log.add(opened(10), order(units=2, s=1), order("paid", units=2, s=2, room="r2"))
    log.tick(100)
    here, there = log.overlay("r1"), log.overlay("r2")
    assert [(each.totals.orders.placed, each.totals.orders.paid) for each in (here, there)] == [(1, 0), (1, 1)]
    assert [stock(sale) for sale in here.sales] == [(10, 0, 0, 2)]


# -- a sale's own hold ----------------------------------------------------------------------------------------------
def test_a_sale_says_how_long_its_orders_hold() -> None:
    for hold_s in (20, 300):
        events = [held_for(hold_s), order(units=2, s=1)]
        assert sale_at(hold_s, *events).held == 2
        assert stock(sale_at(hold_s + 1, *events)) == (10, 0, 0, 2)


def test_a_hold_that_ran_out_by_the_rules_goes_on_once_the_sale_says_so() -> None:
    events = [order(units=2, s=1), held_for(300, s=100)]
    assert stock(sale_at(99, order(units=2, s=1), opened(10))) == (10, 0, 0, 2)
    assert stock(sale_at(200, *events)) == (8, 2, 0, 0)
    assert stock(sale_at(301, *events)) == (10, 0, 0, 2)


def test_the_newest_opening_decides_and_without_a_hold_the_rules_do() -> None:
    events = [held_for(300, s=1), order(units=2, s=2), held_for(None, s=3)]
    for told in permutations(events):
        assert sale_at(61, *told).held == 2
        assert stock(sale_at(62, *told)) == (10, 0, 0, 2)


def test_an_order_of_several_sales_holds_for_the_longest() -> None:
    both = order(lines=[line(2), line(1, sku="k2")], s=1)
    assert sale_at(150, held_for(20), held_for(200, sku="k2"), both).held == 2
    assert sale_at(59, held_for(20), both, opened(10, sku="k2")).held == 2
    assert sale_at(61, held_for(20), both, opened(10, sku="k2")).held == 0


def test_a_short_hold_does_not_end_what_is_paid_on_delivery() -> None:
    assert sale_at(500, kept(), held_for(20, s=2)).held == 2


def test_what_is_due_moves_with_the_hold() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, opened(10), order(units=2))
    (ledger,) = room.ledgers.values()
    assert ledger.due == {at(60) // 1_000: 2}
    fold_at_own_time(room, held_for(20, s=1))
    assert ledger.due == {at(20) // 1_000: 2}
    fold_at_own_time(room, kept(s=2))
    assert ledger.due == {(at(0) + SECOND.kept_hold_ms) // 1_000: 2}
    fold_at_own_time(room, order("paid", units=2, s=3))
    assert ledger.due == {}


def test_the_hold_of_an_order_follows_from_what_is_known() -> None:
    room = new_room(SECOND)
    state = OrderState.of(order())
    assert own_hold_ms(room, state) == -1
    fold_at_own_time(room, held_for(20))
    assert own_hold_ms(room, state) == 20_000
    state.mask = PLACED | EXPIRED | KEPT
    assert own_hold_ms(room, state) == SECOND.kept_hold_ms


@pytest.mark.parametrize("said", [kept(s=2), held_for(300, s=2)], ids=["order", "sale"])
def test_a_restart_forgets_no_hold(said: RoomEvent) -> None:
    log, saved = Log(SECOND), dict[bytes, bytes | None]()
    log.add(opened(10), order(units=2, s=1))
    log.fold = restarted(log.fold, saved, SECOND)
    log.add(said)
    log.fold = restarted(log.fold, saved, SECOND)
    log.tick(250)
    (sale,) = log.overlay().sales
    assert stock(sale) == (8, 2, 0, 0)


def test_beyond_the_bound_an_order_that_may_hold_for_days_goes_and_its_units_are_free() -> None:
    rules = structs.replace(SECOND, remember_orders_max=10)
    log = Log(rules)
    log.add(opened(100), kept())
    for number in range(30):
        log.tick(1 + number)
        log.add(order("paid", f"p{number}", f"p{number}", s=1 + number))
    log.tick(40)
    log.fold.cut(1)
    assert "o1" not in log.fold.rooms["r1"].orders
    (sale,) = log.overlay().sales
    assert stock(sale) == (70, 0, 30, 2)
    log.add(order("paid", units=2, s=41))
    log.tick(42)
    (sale,) = log.overlay().sales
    assert stock(sale) == (68, 0, 32, 2)
