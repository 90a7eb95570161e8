from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.overlay import FormerRounds
from stream.core.folds import fold_one
from stream.core.order_state import OrderState
from stream.core.rounds import begin_round, is_former
from stream.core.rules import Rules
from stream.core.words import FIRST_ROUND, opening, rounds_of
from tests.support.events import Log, at, closed, extended, new_room, opened, order, restocked

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Sale

SECOND = Rules(signals_edition=2, contract_edition=2)
FIRST = Rules(signals_edition=1, contract_edition=2)


def sold(count: int, s: float, name: str = "o") -> list[RoomEvent]:
    return [order("paid", f"{name}{number}", f"u{name}{number}", s=s) for number in range(count)]


def sale_after(*events: RoomEvent, rules: Rules = SECOND, s: float = 100) -> Sale:
    log = Log(rules)
    for event in events:
        log.add(event, append_s=max(event.event_time_ms / 1_000 - at(0) / 1_000, 0))
    log.tick(s)
    (sale,) = log.overlay().sales
    return sale


# -- case D7: a second round under one sale id ----------------------------------------------------------------------
@pytest.mark.parametrize("end", [[closed(s=30)], []], ids=["closed", "only sold out"])
def test_a_second_round_has_what_is_offered_anew(end: list[RoomEvent]) -> None:
    events = [opened(10), *sold(10, 5), *end, opened(10, starts_s=60, s=60), *sold(2, 70, "p")]
    first = sale_after(*events, rules=FIRST)
    assert (first.available, first.sold) == (0, 12)
    sale = sale_after(*events)
    assert (sale.status, sale.offered, sale.available, sale.sold, sale.oversold) == ("open", 10, 8, 2, 0)
    assert sale.former == FormerRounds(rounds=1, restocked=0, held=0, sold=10, gone=0)
    assert (sale.corrections, sale.sell_through) == ([], 0.2)


def test_the_document_claims_what_the_round_has() -> None:
    log = Log(SECOND)
    log.add(opened(10), *sold(10, 5))
    log.tick(20)
    assert {claim.claim for claim in log.overlay().claims} >= {"sold_out"}
    log.add(opened(5, starts_s=60, s=60), *sold(4, 61, "p"))
    log.tick(62)
    (left,) = [claim for claim in log.overlay().claims if claim.claim == "stock_left"]
    assert left.value == 1
    assert left.inputs == {"offered": 5, "restocked": 0, "held": 0, "sold": 4, "oversold": 0, "gone": 0}
    assert log.overlay().totals.orders.paid == 14


def test_what_happens_to_an_order_of_a_former_round_changes_nothing_in_this_one() -> None:
    refunds = [order("refunded", "o0", "uo0", s=80), order("refunded", "o1", "uo1", restock=False, s=80)]
    sale = sale_after(opened(10), *sold(3, 5), opened(10, starts_s=60, s=60), *refunds)
    assert (sale.available, sale.velocity.units) == (10, 0)
    assert sale.former == FormerRounds(1, restocked=0, held=0, sold=1, gone=1)


def test_a_restock_belongs_to_the_round_in_which_it_was_said() -> None:
    sale = sale_after(opened(10), restocked(5, s=20), opened(10, starts_s=60, s=60), restocked(3, s=70))
    assert (sale.restocked, sale.available) == (3, 13)
    assert sale.former == FormerRounds(1, restocked=5, held=0, sold=0, gone=0)


def test_the_same_start_is_a_correction_and_so_is_a_start_put_off_in_time() -> None:
    assert sale_after(opened(10), *sold(10, 5), closed(s=30), opened(10, s=60)).former is None
    put_off = sale_after(opened(10, starts_s=50, s=0), opened(10, starts_s=90, s=40))
    assert (put_off.former, put_off.status) == (None, "open")


def test_rounds_come_out_the_same_in_any_order_of_arrival() -> None:
    late: list[RoomEvent] = [
        order("placed", "o0", "u0", s=5),
        order("paid", "o0", "u0", s=62),
        order("paid", "p0", "u1", s=70),
    ]
    words: list[RoomEvent] = [opened(10), opened(4, starts_s=60, s=60), restocked(2, s=3)]
    found = []
    for arranged in permutations(late + words):
        log = Log(SECOND)
        log.tick(59)
        log.add(*arranged, append_s=75)
        log.tick(75)
        found += log.overlay().sales
    assert len({(sale.available, sale.sold, sale.restocked, str(sale.former)) for sale in found}) == 1
    assert (found[0].available, found[0].sold) == (3, 1)
    assert found[0].former == FormerRounds(1, restocked=2, held=0, sold=1, gone=0)


def test_a_third_round_and_a_start_that_is_corrected() -> None:
    openings = [opened(1), opened(2, starts_s=20, s=20), opened(3, starts_s=40, s=40), opened(3, starts_s=45, s=39)]
    assert rounds_of(tuple(opening(each) for each in openings[:1])) == FIRST_ROUND
    assert rounds_of(tuple(opening(each) for each in openings[:3])) == (3, at(40))
    moved = [openings[0], openings[1], opened(2, starts_s=15, s=30)]
    assert rounds_of(tuple(opening(each) for each in moved)) == (2, at(15))


def test_an_extension_and_a_close_are_of_the_round_that_goes_on() -> None:
    again = opened(5, starts_s=60, ends_s=300, s=60)
    events: list[RoomEvent] = [opened(5, ends_s=20), extended(30, s=10), closed(s=15), again]
    sale = sale_after(*events)
    assert (sale.status, sale.ends_at_ms, sale.extended, sale.corrections) == ("open", at(300), False, [])


def test_orders_that_nobody_remembers_are_of_former_rounds() -> None:
    room = new_room(SECOND)
    for event in (opened(9), *sold(3, 1)):
        fold_one(room, event, event.event_time_ms)
    ledger = room.ledgers["s1", "k1"]
    del room.orders["o0"]
    ledger.round_from_ms = at(0)
    begin_round(room, ledger)
    assert ledger.former == [0, 1, 0]
    ledger.round_from_ms = -1
    begin_round(room, ledger)
    assert ledger.former == [0, 0, 0]


def test_an_order_is_former_by_when_it_was_placed() -> None:
    ledger = new_room(SECOND).ledger("s1", "k1")
    assert ledger is not None
    state = OrderState("o", "u", "CNY", 1, (), hold_until_ms=at(100))
    assert not is_former(ledger, state, SECOND)
    ledger.round_from_ms = at(41)
    assert is_former(ledger, state, SECOND)
    ledger.round_from_ms = at(40)
    assert not is_former(ledger, state, SECOND)


def test_an_owner_with_another_hold_knows_when_orders_were_placed() -> None:
    """By its own hold the orders of the first round would seem to be placed a minute later, in the second one."""
    log = Log(SECOND)
    log.add(opened(10), *sold(4, 5), *[order("placed", "held", "u", s=5)])
    log.tick(6)
    cut = log.fold.cut(1)
    taken = Log(msgspec.structs.replace(SECOND, hold_ms=2_000))
    for key, value in cut.records:
        if value is not None:
            taken.fold.load(key, value)
    taken.fold.loaded(list(cut.positions), cut.clock_ms)
    taken.add(opened(10, starts_s=30, s=30), *sold(1, 31, "p"))
    taken.tick(32)
    (sale,) = taken.overlay().sales
    assert (sale.available, sale.sold) == (9, 1)
    assert sale.former == FormerRounds(rounds=1, restocked=0, held=1, sold=4, gone=0)
