from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.rules import Rules
from stream.core.standing import (
    BACK,
    CANCELLED,
    EXPIRED,
    GONE,
    PAID,
    PLACED,
    REFUNDED,
    STANDINGS,
    STANDS_BY,
    STATUS_SETS,
    TRANSITIONS,
    bits_of,
    is_gone,
    is_held,
    is_placed,
    is_released,
    is_sold,
)
from tests.support.events import Log, fold_at_own_time, new_room, opened, order

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent

SECOND = Rules(signals_edition=2, contract_edition=2)


# -- what a set of statuses means --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mask", "placed", "held", "sold", "released"),
    [
        (0, False, False, False, False),
        (PLACED, True, True, False, False),
        (PLACED | EXPIRED, True, False, False, True),
        (PAID, True, False, True, False),
        (PLACED | PAID, True, False, True, False),
        (PLACED | PAID | EXPIRED, True, False, True, False),
        (CANCELLED, False, False, False, False),
        (REFUNDED, False, False, False, False),
        (CANCELLED | REFUNDED, False, False, False, False),
        (PLACED | CANCELLED, True, False, False, True),
        (PLACED | CANCELLED | EXPIRED, True, False, False, True),
        (PLACED | REFUNDED, True, False, False, True),
        (PAID | CANCELLED, True, False, False, True),
        (PAID | REFUNDED, True, False, False, True),
        (PLACED | PAID | CANCELLED, True, False, False, True),
        (PLACED | PAID | REFUNDED, True, False, False, True),
        (PLACED | PAID | CANCELLED | REFUNDED | EXPIRED, True, False, False, True),
    ],
)
def test_a_set_of_statuses_says_what_an_order_does(
    mask: int,
    placed: bool,  # noqa: FBT001 — a table
    held: bool,  # noqa: FBT001
    sold: bool,  # noqa: FBT001
    released: bool,  # noqa: FBT001
) -> None:
    assert (is_placed(mask), is_held(mask), is_sold(mask), is_released(mask)) == (placed, held, sold, released)


@pytest.mark.parametrize("mask", range(STATUS_SETS))
def test_an_order_is_in_one_place_at_most(mask: int) -> None:
    assert is_held(mask) + is_sold(mask) + is_released(mask) + is_gone(mask) == is_placed(mask)


@pytest.mark.parametrize(
    ("mask", "gone"),
    [
        (PAID | REFUNDED | GONE, True),
        (PLACED | CANCELLED | GONE, True),
        (PLACED | EXPIRED | CANCELLED | GONE, True),
        (PAID | REFUNDED | GONE | BACK, False),
        (PAID | REFUNDED | BACK, False),
        (PAID | REFUNDED, False),
        (REFUNDED | GONE, False),
        (PAID | GONE, False),
    ],
)
def test_units_are_gone_of_what_was_placed_and_undone_unless_they_came_back(mask: int, gone: bool) -> None:  # noqa: FBT001
    assert is_gone(mask) == gone
    assert STANDINGS[mask].gone == gone


def test_a_step_is_the_difference_of_two_standings() -> None:
    for before, steps in enumerate(TRANSITIONS):
        for after, step in steps.items():
            assert [*step] == [now - was for was, now in zip(STANDINGS[before], STANDINGS[after], strict=True)]


def test_what_a_record_says_of_the_units_counts_with_an_undoing_and_from_the_second_edition_on() -> None:
    for said, bit in ((None, 0), (True, BACK), (False, GONE)):
        assert bits_of(order("refunded", restock=said), second_signals=True) == REFUNDED | bit
        assert bits_of(order("cancelled", restock=said), second_signals=True) == CANCELLED | bit
        assert bits_of(order("paid", restock=said), second_signals=True) == PAID
        assert bits_of(order("refunded", restock=said), second_signals=False) == REFUNDED


# -- case D5: a sold-out item is refunded and not returned ---------------------------------------------------------
@pytest.mark.parametrize(
    ("edition", "restock", "left", "gone"), [(1, False, 1, 0), (2, None, 1, 0), (2, True, 1, 0), (2, False, 0, 1)]
)
def test_a_refund_says_whether_the_unit_is_for_sale_again(
    edition: int,
    restock: bool | None,  # noqa: FBT001 — a table
    left: int,
    gone: int,
) -> None:
    log = Log(Rules(signals_edition=edition, contract_edition=2))
    log.add(opened(1), order("paid", s=1), order("refunded", restock=restock, s=2))
    log.tick(3)
    (sale,) = log.overlay().sales
    assert (sale.available, sale.sold, sale.gone, sale.released) == (left, 0, gone, 1 - gone)
    said = {claim.claim: claim for claim in log.overlay().claims}
    if gone:
        assert said["sold_out"].inputs == {"offered": 1, "restocked": 0, "held": 0, "sold": 0, "oversold": 0, "gone": 1}
        assert sale.velocity.units == 1  # nothing has come back
    else:
        assert "sold_out" not in said


def test_a_unit_that_comes_back_later_is_for_sale_from_then_on() -> None:
    log = Log(SECOND)
    log.add(opened(2), order("paid", s=1), order("refunded", restock=False, s=2))
    log.tick(2)
    assert (log.overlay().sales[0].available, log.overlay().sales[0].gone) == (1, 1)
    log.add(order("refunded", restock=True, s=30))
    log.tick(30)
    overlay = log.overlay()
    assert (overlay.sales[0].available, overlay.sales[0].gone, overlay.sales[0].velocity.units) == (2, 0, -1)
    assert overlay.totals.orders.refunded == 1
    assert log.fold.counters.duplicate[3] == 0
    log.add(order("refunded", restock=False, s=31), order("refunded", restock=True, s=32), order("refunded", s=33))
    assert log.fold.counters.duplicate[3] == 3
    assert log.overlay().sales[0].available == 2


@pytest.mark.parametrize("said", [(None, False), (False, True), (None, False, True), (None, True)])
def test_what_is_said_of_the_units_counts_in_any_order(said: tuple[bool | None, ...]) -> None:
    undone = [order("refunded" if at % 2 else "cancelled", units=2, restock=each) for at, each in enumerate(said)]
    found = set()
    events: list[RoomEvent] = [opened(5), order("placed", units=2), order("paid", units=2), *undone]
    for arranged in permutations(events):
        room = new_room(SECOND)
        fold_at_own_time(room, *arranged)
        ledger = room.ledgers["s1", "k1"]
        assert ledger.available is not None
        assert ledger.available + ledger.held + ledger.sold + ledger.gone == 5
        found.add((ledger.available, ledger.gone, ledger.released, ledger.sold))
    assert found == {(3, 2, 0, 0) if True not in said else (5, 0, 2, 0)}


def test_a_used_event_id_that_says_something_new_of_the_units_is_a_conflict() -> None:
    log = Log(SECOND)
    log.add(opened(1), order("paid"), order("refunded", restock=False, event_id="e"))
    log.add(order("refunded", restock=False, event_id="e"), order("refunded", restock=True, event_id="e"))
    assert log.fold.counters.duplicate[3] == 1
    assert log.fold.counters.conflicts == {"event_id_conflict": 1}


def test_a_checkpoint_that_holds_gone_units_says_so_and_is_read_again() -> None:
    log = Log(SECOND)
    log.add(opened(3), order("paid", s=1))
    assert log.fold.cut(1).version == 1
    log.add(order("refunded", restock=False, s=2))
    cut = log.fold.cut(1)
    assert cut.version == 2


# -- statuses that are counted and move nothing ----------------------------------------------------------------------
LATER = ("shipped", "delivered", "completed", "payment_failed")


def test_later_statuses_are_bits_on_which_no_standing_depends() -> None:
    bits = [bits_of(order(status), second_signals=True) for status in LATER]
    assert len({*bits}) == len(LATER)
    assert not any(bit & STANDS_BY for bit in bits)


def test_later_statuses_are_counted_once_and_move_nothing() -> None:
    log = Log(SECOND)
    log.add(opened(5), order("placed", units=2), order("paid", units=2, s=1))
    log.tick(2)
    before = log.overlay()
    assert b"shipped" not in msgspec.json.encode(before)
    log.add(*[order(status, units=2, s=3) for status in (*LATER, *LATER)])
    log.tick(3)
    after = log.overlay()
    told = after.totals.orders
    assert (told.shipped, told.delivered, told.completed, told.payment_failed) == (1, 1, 1, 1)
    assert log.fold.counters.duplicate[3] == 4
    assert after.totals.money == before.totals.money
    assert (after.sales[0].available, after.sales[0].sold, after.sales[0].held) == (3, 2, 0)


def test_a_cancel_without_lines_undoes_its_order_in_any_order() -> None:
    cancel = msgspec.structs.replace(order("cancelled"), lines=())
    found = set()
    events: list[RoomEvent] = [opened(5), order("placed", units=2), order("paid", units=2), cancel]
    for arranged in permutations(events):
        room = new_room(SECOND)
        fold_at_own_time(room, *arranged)
        ledger = room.ledgers["s1", "k1"]
        found.add((ledger.available, ledger.sold, ledger.released, *room.money["CNY"], room.orders_cancelled))
    assert found == {(5, 0, 2, 100, 100, 0, 1)}
