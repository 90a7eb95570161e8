from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.rules import Rules
from stream.core.saved.entries import OrderEntry
from stream.core.saved.rows import order_entries, restore_order
from stream.core.suspects import NEVER_SEEN
from stream.core.suspicion import suspect
from tests.support.events import Log, fold_at_own_time, line, new_room, opened, order

if TYPE_CHECKING:
    from stream.contract.events import Order, RoomEvent

SECOND = Rules(signals_edition=2, contract_edition=2)
COAT, HAT, BAG = line(2, amount=200), line(1, sku="k2", amount=50), line(1, None, "k3", amount=7)


def told(log: Log, sku: str = "k1") -> tuple[int | None, int, int, int, int]:
    (sale,) = [each for each in log.overlay().sales if each.sku_id == sku]
    return sale.available, sale.held, sale.sold, sale.released, sale.gone


def offered(rules: Rules = SECOND) -> Log:
    """Ten coats and ten hats."""
    log = Log(rules)
    log.add(opened(10), opened(10, sku="k2"))
    return log


def test_until_it_is_paid_an_order_has_the_lines_of_its_greatest_revision_in_any_order() -> None:
    found = set()
    said: list[RoomEvent] = [
        order("placed", lines=[COAT, BAG], s=1),
        order("placed", lines=[COAT, HAT], revision=3, s=1),
        order("placed", lines=[HAT], revision=1, s=1),
        order("placed", lines=[COAT, HAT], revision=3, s=1),
    ]
    for arranged in permutations([opened(10), opened(10, sku="k2"), *said]):
        room = new_room(msgspec.structs.replace(SECOND, products_max=10))
        fold_at_own_time(room, *arranged)
        coats, hats = room.ledgers["s1", "k1"], room.ledgers["s1", "k2"]
        assert room.products is not None
        products = {each.sku_id: each.money[0].gmv_placed_minor for each in room.products.published() or ()}
        found.add((coats.held, hats.held, coats.released, hats.released, *room.money["CNY"], room.orders_placed))
        assert {sku: minor for sku, minor in products.items() if minor} == {"k1": 200, "k2": 50}
    assert found == {(2, 1, 0, 0, 250, 0, 0, 1)}


def test_what_was_paid_stands_whichever_revision_comes_before_or_after() -> None:
    said = [
        order("placed", lines=[COAT], s=1),
        order("placed", lines=[HAT], revision=9, s=1),
        order("paid", lines=[COAT, HAT], revision=4, s=1),
    ]
    for arranged in permutations(said):
        log = offered()
        log.add(*arranged)
        log.tick(2)
        (money,) = log.overlay().totals.money
        assert (told(log), told(log, "k2")) == ((8, 0, 2, 0, 0), (9, 0, 1, 0, 0))
        assert (money.gmv_placed_minor, money.gmv_paid_minor, money.gmv_net_minor) == (250, 250, 250)
        late = arranged.index(said[1]) > arranged.index(said[2])
        assert log.fold.counters.conflicts == ({"edited_after_payment": 1} if late else {})


def test_an_edit_after_payment_is_a_duplicate_that_is_counted_if_it_has_other_lines() -> None:
    log = offered()
    log.add(order("paid", lines=[COAT], revision=1, s=1))
    log.add(order("placed", lines=[COAT], revision=2, s=1), order("paid", lines=[COAT], revision=3, s=2))
    assert log.fold.counters.conflicts == {}
    log.add(order("placed", lines=[HAT], revision=4, s=3), order("paid", lines=[HAT], revision=5, s=3))
    log.add(order("shipped", lines=[HAT], revision=4, s=3))
    log.tick(4)
    assert log.fold.counters.conflicts == {"edited_after_payment": 3}
    assert log.fold.counters.duplicate[3] == 3
    assert told(log) == (8, 0, 2, 0, 0)


def test_of_one_revision_the_first_lines_hold_and_an_older_one_is_no_conflict() -> None:
    log = offered()
    log.add(order("placed", lines=[COAT], revision=2, s=1), order("placed", lines=[HAT], revision=2, s=1))
    log.add(order("placed", lines=[HAT], revision=1, s=1), order("placed", lines=[HAT], s=1))
    log.tick(2)
    assert log.fold.counters.conflicts == {"other_lines": 1}
    assert log.fold.counters.duplicate[3] == 3
    assert told(log) == (8, 2, 0, 0, 0)


def test_an_edit_does_not_hold_for_longer_and_of_an_order_that_ran_out_it_holds_nothing() -> None:
    log = offered()
    log.add(order("placed", lines=[COAT], s=0), order("placed", lines=[COAT, HAT], revision=1, s=50))
    log.tick(59)
    assert (told(log), told(log, "k2")) == ((8, 2, 0, 0, 0), (9, 1, 0, 0, 0))
    log.tick(61)
    assert (told(log), told(log, "k2")) == ((10, 0, 0, 2, 0), (10, 0, 0, 1, 0))
    log.add(order("placed", lines=[HAT], revision=2, s=70))
    log.tick(71)
    assert (told(log), told(log, "k2")) == ((10, 0, 0, 0, 0), (10, 0, 0, 1, 0))


@pytest.mark.parametrize(("edited_s", "held"), [(40, 2), (70, 0)], ids=["in-time", "run-out"])
def test_an_order_without_a_sale_may_come_to_have_one_and_holds_from_when_it_was_placed(
    edited_s: float, held: int
) -> None:
    log = offered()
    log.add(order("placed", lines=[BAG], s=0))
    log.tick(edited_s)
    log.add(order("placed", lines=[COAT], revision=1, s=edited_s))
    assert sum(log.fold.rooms["r1"].ledgers["s1", "k1"].taken.values()) == held
    log.tick(edited_s + 1)
    assert told(log) == (10 - held, held, 0, 2 - held, 0)
    log.tick(75)
    assert told(log) == (10, 0, 0, 2, 0)
    log.add(order("paid", lines=[COAT], revision=1, s=76))
    log.tick(77)
    assert told(log) == (8, 0, 2, 0, 0)


def test_the_longest_hold_of_the_sales_that_it_has_now_counts() -> None:
    log = Log(SECOND)
    log.add(opened(10), msgspec.structs.replace(opened(10, sku="k2"), hold_ms=200_000))
    log.add(order("placed", lines=[COAT], s=0))
    log.tick(61)
    assert told(log) == (10, 0, 0, 2, 0)
    log.add(order("placed", lines=[COAT, HAT], revision=1, s=62))
    log.tick(63)
    assert (told(log), told(log, "k2")) == ((8, 2, 0, 0, 0), (9, 1, 0, 0, 0))
    log.add(order("placed", lines=[COAT], revision=2, s=64))
    log.tick(65)
    assert (told(log), told(log, "k2")) == ((10, 0, 0, 2, 0), (10, 0, 0, 0, 0))


def test_an_edit_gives_back_and_takes_units_in_its_own_second() -> None:
    log = offered()
    log.add(order("placed", lines=[line(3)], s=1), order("placed", lines=[COAT, HAT], revision=1, s=5))
    coats, hats = (log.fold.rooms["r1"].ledgers["s1", sku] for sku in ("k1", "k2"))
    assert [*coats.recent.values()] == [3, -1]
    assert [*hats.recent.values()] == [1]
    assert [*coats.recent] == [min(coats.recent), min(coats.recent) + 4]


def test_an_order_that_an_edit_takes_out_of_every_sale_is_suspected_no_more_and_its_pace_is_known_again() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, opened(10), order("placed", lines=[COAT], s=1))
    ledger, known = room.ledgers["s1", "k1"], room.orders["o1"]
    suspect(room, known, NEVER_SEEN)
    assert (ledger.suspect_held, sum(ledger.taken.values())) == (2, 0)
    fold_at_own_time(room, order("placed", lines=[BAG], revision=1, s=5))
    assert (known.suspicion, ledger.suspect_held) == (0, 0)
    assert (sum(ledger.taken.values()), sum(ledger.returned.values())) == (2, 2)


def test_after_a_restart_it_is_known_what_an_order_did_to_the_pace_of_lines_that_it_has_no_more() -> None:
    log = offered()
    log.add(order("placed", lines=[line(3)], s=1), order("placed", lines=[HAT], revision=1, s=5))
    known = log.fold.rooms["r1"]
    (entry,) = order_entries(known)
    later = new_room(SECOND)
    restore_order(later, msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=OrderEntry))
    moves = [(key, net) for key, _, net, _, _ in later.parts["o1"].moves]
    assert moves == [(("s1", "k1"), 3), (("s1", "k1"), -3), (("s1", "k2"), 1)]
    assert later.parts["o1"].moves == known.parts["o1"].moves
    assert (later.orders["o1"].revision, later.orders["o1"].lines) == (1, (("s1", "k2", 1),))


def test_an_event_id_is_a_repetition_if_its_revision_is_known_and_a_conflict_else() -> None:
    log = offered()
    first = order("placed", lines=[COAT], revision=1, event_id="e", s=1)
    edited = order("placed", lines=[HAT], revision=2, event_id="e", s=1)
    log.add(first, first, edited)
    assert (log.fold.counters.duplicate[3], log.fold.counters.conflicts) == (1, {"event_id_conflict": 1})
    log.add_slice(*[first] * 20, edited)
    assert log.fold.counters.conflicts == {"event_id_conflict": 2}


def test_under_the_first_edition_of_signals_the_first_lines_hold() -> None:
    log = offered(msgspec.structs.replace(SECOND, signals_edition=1))
    log.add(order("placed", lines=[COAT], s=1), order("placed", lines=[HAT], revision=1, s=1))
    log.tick(2)
    assert told(log) == (8, 2, 0, 0, 0)
    assert log.fold.counters.conflicts == {"other_lines": 1}
    assert log.fold.cut(1).version == 1


def test_from_the_first_revision_on_an_older_snapup_does_not_go_on_with_the_checkpoint() -> None:
    log = offered()
    log.add(order("placed", lines=[COAT], revision=0, s=1))
    assert log.fold.cut(1).version == 1
    log.add(order("placed", lines=[COAT], revision=1, s=1))
    assert log.fold.cut(2).version == 2


def test_a_cancel_that_is_read_first_says_which_lines_it_had_and_the_greatest_revision_counts() -> None:
    said: list[Order] = [
        msgspec.structs.replace(order("cancelled", s=1), lines=()),
        order("cancelled", lines=[COAT, HAT], revision=2, s=1),
        order("placed", lines=[COAT], revision=1, s=1),
    ]
    for arranged in permutations(said):
        log = offered()
        log.add(*arranged)
        log.tick(2)
        assert (told(log), told(log, "k2")) == ((10, 0, 0, 2, 0), (10, 0, 0, 1, 0))
