from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import Order, PartLine
from stream.core.rules import Rules
from stream.core.suspicion import suspect
from tests.support.events import Log, fold_at_own_time, line, new_room, opened, order

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent

SECOND = Rules(signals_edition=2, contract_edition=2)
FEW = msgspec.structs.replace(SECOND, order_parts_max=2)


def part(
    part_id: str = "p1",
    units: int = 1,
    amount: int = 0,
    status: str = "refunded",
    *,
    sku: str = "k1",
    restock: bool | None = None,
    s: float = 5,
    event_id: str = "",
    order_id: str = "o1",
) -> Order:
    """A part of an order of one line, without the order's own lines."""
    of_order = order(status, order_id, restock=restock, s=s, event_id=event_id)
    taken = (PartLine(sku_id=sku, sale_id="s1", quantity=units, amount_minor=amount),)
    return msgspec.structs.replace(of_order, lines=(), part_id=part_id, part_lines=taken)


def told(log: Log) -> tuple[int | None, int, int, int, int]:
    (sale,) = log.overlay().sales
    return sale.available, sale.held, sale.sold, sale.released, sale.gone


def net(log: Log) -> tuple[int, int, int]:
    (money,) = log.overlay().totals.money
    return money.gmv_placed_minor, money.gmv_paid_minor, money.gmv_net_minor


def three() -> Log:
    """Three units of ten, paid for with 300."""
    log = Log(SECOND)
    log.add(opened(10), order("paid", units=3, amount=300, s=1))
    return log


@pytest.mark.parametrize(
    ("units", "amount", "restock", "ledger", "left"),
    [
        (1, 100, None, (8, 0, 2, 1, 0), 200),
        (1, 100, True, (8, 0, 2, 1, 0), 200),
        (1, 100, False, (7, 0, 2, 0, 1), 200),
        (0, 40, None, (7, 0, 3, 0, 0), 260),
        (2, 0, None, (9, 0, 1, 2, 0), 300),
        (9, 999, None, (10, 0, 0, 3, 0), 0),
    ],
    ids=["returned", "said-to-be-back", "kept-by-the-buyer", "money-alone", "units-alone", "more-than-there-is"],
)
def test_a_part_takes_units_and_money_out_each_for_itself(
    units: int,
    amount: int,
    restock: bool | None,  # noqa: FBT001 — a table
    ledger: tuple[int, ...],
    left: int,
) -> None:
    log = three()
    log.add(part(units=units, amount=amount, restock=restock))
    log.tick(6)
    assert told(log) == ledger
    assert net(log) == (300, 300, left)
    orders = log.overlay().totals.orders
    assert (orders.placed, orders.paid, orders.refunded, orders.partly_undone) == (1, 1, 0, 1)


def test_units_of_a_hold_are_released_by_a_part_and_the_rest_runs_out() -> None:
    log = Log(SECOND)
    log.add(opened(10), order("placed", units=3, s=1), part(status="cancelled", s=2))
    log.tick(3)
    assert told(log) == (8, 2, 0, 1, 0)
    log.tick(70)
    assert told(log) == (10, 0, 0, 3, 0)


def test_parts_add_up_and_of_no_line_more_is_taken_than_it_has() -> None:
    log = three()
    log.add(part("p1", 1, 100), part("p2", 1, 100, restock=False), part("p3", 2, 200, restock=False))
    log.tick(6)
    assert told(log) == (8, 0, 0, 1, 2)
    assert net(log)[2] == 0
    assert log.overlay().totals.orders.partly_undone == 1


def test_a_line_that_the_order_does_not_have_takes_nothing_but_money() -> None:
    log = three()
    log.add(part(sku="k9", units=1, amount=50))
    log.tick(6)
    assert told(log) == (7, 0, 3, 0, 0)
    assert net(log)[2] == 250


@pytest.mark.parametrize(
    ("restock", "after"), [(None, (9, 0, 0, 2, 1)), (False, (7, 0, 0, 0, 3)), (True, (10, 0, 0, 3, 0))]
)
def test_the_whole_refund_takes_the_rest_and_may_bring_back_what_was_gone(
    restock: bool | None,  # noqa: FBT001 — a table
    after: tuple[int, ...],
) -> None:
    log = three()
    log.add(part(restock=False, amount=100), order("refunded", units=3, amount=300, restock=restock, s=6))
    log.tick(7)
    assert told(log) == after
    assert net(log)[2] == 0


def test_what_came_back_with_a_part_stays_back_when_the_rest_is_gone() -> None:
    log = three()
    log.add(part(amount=100), order("refunded", units=3, amount=300, restock=False, s=6))
    log.tick(7)
    assert told(log) == (8, 0, 0, 1, 2)


def test_a_part_said_again_is_a_duplicate_and_of_two_words_the_greater_counts_in_any_order() -> None:
    words = [part(amount=100), part(amount=150), part(amount=150, restock=False), part(amount=150, restock=True)]
    found = set()
    events: list[RoomEvent] = [opened(5), order("paid", units=2, amount=200), *words]
    for arranged in permutations(events):
        room = new_room(SECOND)
        fold_at_own_time(room, *arranged)
        ledger = room.ledgers["s1", "k1"]
        found.add((ledger.available, ledger.sold, ledger.gone, ledger.released, *room.money["CNY"]))
    assert found == {(4, 1, 0, 1, 200, 200, 50)}
    log = three()
    log.add(part(amount=100), part(amount=100), part(amount=90))
    assert log.fold.counters.duplicate[3] == 2
    log.add(part(amount=100, restock=False))
    log.tick(6)
    assert told(log) == (7, 0, 2, 0, 1)
    log.add(part(amount=100, restock=True))
    log.tick(6)
    assert told(log) == (8, 0, 2, 1, 0)
    assert log.fold.counters.duplicate[3] == 2


def test_beyond_the_bound_the_parts_with_the_least_ids_count_and_the_others_are_noted() -> None:
    found = set()
    for arranged in permutations(["p1", "p2", "p3", "p4"]):
        log = Log(FEW)
        log.add(opened(10), order("paid", units=5, amount=500, s=1))
        log.add(*[part(part_id, 1, 10 * int(part_id[1])) for part_id in arranged])
        log.tick(6)
        found.add((told(log), net(log)))
        assert log.fold.counters.conflicts == {"parts_beyond": 2}
    assert found == {((7, 0, 3, 2, 0), (500, 500, 470))}


def test_an_event_id_is_a_repetition_if_its_part_is_known_and_a_conflict_else() -> None:
    log = three()
    log.add(part(amount=10, event_id="e"), part(amount=10, event_id="e"), part(amount=20))
    log.add(part(amount=10, event_id="e"))
    assert log.fold.counters.duplicate[3] == 2
    log.add(part("p2", amount=10, event_id="e"), part(amount=30, event_id="e"))
    assert log.fold.counters.conflicts == {"event_id_conflict": 2}
    assert net(log)[2] == 280


def test_a_part_before_its_order_waits_for_it_and_may_bring_its_lines() -> None:
    late = Log(SECOND)
    late.add(opened(10), part(amount=100, s=1), order("paid", units=3, amount=300, s=2))
    first = Log(SECOND)
    with_lines = msgspec.structs.replace(part(amount=100, s=1), lines=(line(3, amount=300),))
    first.add(opened(10), with_lines, order("paid", units=3, amount=300, s=2))
    for log in (late, first):
        log.tick(3)
        assert (told(log), net(log)) == ((8, 0, 2, 1, 0), (300, 300, 200))


def test_bought_counts_an_order_until_no_unit_of_it_is_left() -> None:
    log = three()
    ledger = log.fold.rooms["r1"].ledgers["s1", "k1"]
    found = []
    for part_id in ("p1", "p2", "p3", "p4"):
        log.add(part(part_id, 1))
        found.append(ledger.bought_recently(log.fold.clock_ms, 300_000))
    assert found == [(2, 1), (1, 1), (0, 0), (0, 0)]
    log.add(order("refunded", units=3, amount=300, s=6))
    assert ledger.bought_recently(log.fold.clock_ms, 300_000) == (0, 0)


def test_a_suspected_order_leaves_the_pace_with_its_parts_and_comes_back_with_them() -> None:
    log = Log(SECOND)
    log.add(opened(20), order("paid", units=3, amount=300, s=1), part(units=1, s=2))
    log.add(order("paid", "o2", units=2, s=3), part("p1", 2, s=3, order_id="o2"))
    room = log.fold.rooms["r1"]
    ledger = room.ledgers["s1", "k1"]

    def pace() -> tuple[object, ...]:
        return (
            ledger.bought_recently(log.fold.clock_ms, 300_000),
            sum(ledger.recent.values()),
            sum(ledger.taken.values()),
            sum(ledger.returned.values()),
            ledger.suspect_held,
        )

    before = pace()
    assert before == ((2, 1), 2, 5, 3, 0)
    for order_id in ("o1", "o2"):
        suspect(room, room.orders[order_id], 1)
    assert pace() == ((0, 0), 0, 0, 0, 2)
    assert ledger.suspicions == {0: [1, 2]}
    log.add(part("p2", 1, s=4))
    assert pace() == ((0, 0), 0, 0, 0, 1)
    for order_id in ("o1", "o2"):
        suspect(room, room.orders[order_id], 0)
    assert pace() == ((1, 1), 1, 5, 4, 0)


def test_the_first_edition_takes_a_record_with_a_part_for_the_whole_order() -> None:
    log = Log(Rules(contract_edition=2))
    whole = msgspec.structs.replace(part(), lines=(line(3, amount=300),))
    log.add(opened(10), order("paid", units=3, amount=300, s=1), whole)
    log.tick(6)
    assert told(log) == (10, 0, 0, 3, 0)
    assert log.overlay().totals.orders.refunded == 1


def test_a_checkpoint_with_parts_says_so_and_one_without_keeps_its_bytes() -> None:
    log = three()
    assert log.fold.cut(1).version == 1
    log.add(part())
    assert log.fold.cut(1).version == 2


def test_an_order_that_is_forgotten_takes_its_parts_along() -> None:
    log = Log(msgspec.structs.replace(SECOND, remember_orders_ms=60_000))
    log.add(opened(10), order("paid", units=3, s=1), part(s=2))
    room = log.fold.rooms["r1"]
    assert [*room.parts] == ["o1"]
    log.tick(100)
    log.add(order("paid", "o2", s=100))
    assert not room.parts
    assert told(log) == (7, 0, 3, 1, 0)


def test_a_part_counts_in_the_round_in_which_its_order_was_placed() -> None:
    log = Log(SECOND)
    log.add(opened(10, s=0), order("paid", units=3, amount=300, s=1), part("p1", 1, restock=False, s=2))
    log.add(opened(5, starts_s=20, s=20))
    log.tick(21)
    (sale,) = log.overlay().sales
    assert (sale.available, sale.sold, sale.gone) == (5, 0, 0)
    assert sale.former is not None
    assert (sale.former.sold, sale.former.gone) == (2, 1)
    log.add(part("p2", 1, s=22))
    log.tick(23)
    (sale,) = log.overlay().sales
    assert sale.former is not None
    assert (sale.available, sale.former.sold, sale.former.gone) == (5, 1, 1)


def test_a_part_in_the_next_session_takes_from_its_net_what_an_earlier_one_sold() -> None:
    log = Log(msgspec.structs.replace(SECOND, remember_sales_ms=10**9, remember_orders_ms=10**9))
    log.add(opened(10, ends_s=10**6), order("paid", units=3, amount=300, s=1), part("p1", 1, 100, s=2))
    log.tick(50_000)
    log.add(part("p1", 1, 100, s=50_000))
    assert not log.fold.rooms
    log.add(part("p2", 1, 50, s=50_001))
    log.tick(50_002)
    assert told(log) == (9, 0, 1, 2, 0)
    assert net(log) == (0, 0, -50)
    assert log.overlay().totals.orders.partly_undone == 0


def test_the_lines_of_an_order_with_parts_are_those_that_were_ordered() -> None:
    log = Log(SECOND)
    log.add(opened(10), order("placed", units=3, s=1), part("p1", 1, s=2), order("paid", units=3, s=3))
    assert not log.fold.counters.conflicts
    log.add(msgspec.structs.replace(part("p2", 1, s=4), lines=(line(2),)))
    assert log.fold.counters.conflicts == {"other_lines": 1}


def test_parts_in_one_slice_with_a_used_event_id_are_judged_one_by_one() -> None:
    log = three()
    said = [part("p1", amount=10, event_id="e"), part("p2", amount=20), part("p3", amount=30), part("p3", amount=30)]
    log.add_slice(*said, part("p4", amount=40, event_id="e"), part("p1", amount=10, event_id="e"))
    assert log.fold.counters.conflicts == {"event_id_conflict": 1}
    assert log.fold.counters.duplicate[3] == 2
    assert net(log)[2] == 240


def test_a_round_that_is_heard_of_later_has_what_its_orders_and_their_parts_took() -> None:
    log = Log(SECOND)
    log.add(opened(10, s=0), order("paid", units=3, s=25), part("p1", 1, restock=False, s=26), part("p2", 1, s=26))
    log.add(opened(5, starts_s=20, s=20), append_s=27)
    log.tick(28)
    (sale,) = log.overlay().sales
    assert (sale.available, sale.sold, sale.gone) == (3, 1, 1)
    assert sale.former is not None
    assert (sale.former.held, sale.former.sold, sale.former.gone) == (0, 0, 0)
