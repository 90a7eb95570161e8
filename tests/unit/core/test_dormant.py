from __future__ import annotations

import pytest

from stream.core.counters import Counters
from stream.core.dormant import LOOK_MS, Dormant, Rising
from stream.core.folds import fold_one
from stream.core.memory import Memory, Shared
from stream.core.rules import Rules
from stream.core.saved.generations import Generations
from tests.support.events import at, new_room, opened, order

WEEK_MS = 7 * 86_400_000
RULES = Rules(remember_sales_ms=WEEK_MS, remember_orders_ms=WEEK_MS, hold_ms=60_000)


def dormant(rules: Rules = RULES) -> tuple[Dormant, Rising, Counters]:
    counters, rising = Counters(7), Rising()
    return Dormant(rules, Generations(rules), counters, rising), rising, counters


def memory_of(*events: object, s: float = 0, room_id: str = "r1") -> Memory:
    room = new_room(RULES, s)
    room.room_id = room_id
    for event in events:
        fold_one(room, event, event.event_time_ms)  # type: ignore[attr-defined,arg-type]
    return room.memory()


def test_what_rises_never_falls() -> None:
    rising = Rising()
    rising.ended(7, at(3))
    rising.ended(4, at(2))
    assert (rising.rev, rising.born_ms, rising.saved_rev) == (7, at(3), 0)
    rising.saved(7)
    rising.saved(5)
    (record,) = rising.record()
    assert list(rising.record()) == []
    again = Rising()
    again.load(record[1])
    assert again.state() == rising.state() == (7, at(3), False)
    assert again.rev == 7


def test_a_room_that_wakes_knows_its_sales_and_orders() -> None:
    rooms, _, _ = dormant()
    rooms.add(memory_of(opened(ends_s=None), order("paid")), at(0))
    found = rooms.take("r1", at(86_400))
    assert found is not None
    assert list(found.orders) == ["o1"]
    assert found.past["s1", "k1"].sold == 1
    assert rooms.take("r1", at(86_400)) is None


@pytest.mark.parametrize(("days", "known"), [(7, True), (7.001, False)])
def test_a_room_is_known_for_a_week(days: float, known: bool) -> None:  # noqa: FBT001 — what is expected
    rooms, rising, _ = dormant()
    rooms.add(memory_of(opened(ends_s=None)), at(0))
    assert (rooms.take("r1", at(days * 86_400)) is not None) == known
    assert rising.lost != known


def test_whoever_looks_through_forgets_the_same() -> None:
    rooms, rising, counters = dormant()
    rooms.add(memory_of(opened(ends_s=None)), at(0))
    rooms.look_through(at(0) + WEEK_MS)
    assert list(rooms.rooms) == ["r1"]
    rooms.look_through(at(0) + WEEK_MS + LOOK_MS)
    assert rooms.rooms == {}
    assert rising.lost
    assert counters.rooms_forgotten == 1
    assert list(rooms.gone) == ["r1"]


def test_a_room_is_known_for_as_long_as_an_order_of_it() -> None:
    rooms, _, _ = dormant()
    memory = memory_of(order("placed", sale=None), s=5)
    memory.shared.clock_ms = at(5)
    rooms.add(memory, at(5))
    memory.orders["o1"].changed_ms = at(3 * 86_400)
    assert rooms.take("r1", at(9 * 86_400)) is not None


def test_those_that_were_silent_for_longest_are_forgotten_first() -> None:
    rooms, rising, counters = dormant()
    for room_id, s in (("a", 30), ("b", 10), ("c", 20), ("d", 10)):
        rooms.add(memory_of(s=s, room_id=room_id), at(s))
    assert rooms.evict(3) == 3
    assert list(rooms.rooms) == ["a"]
    assert rooms.evict(3) == 1
    assert counters.rooms_displaced == 4
    assert rising.lost


def test_a_hold_runs_out_while_nobody_speaks() -> None:
    rooms, _, _ = dormant()
    rooms.add(memory_of(opened(ends_s=None), order("placed")), at(0))
    rooms.unsaved.clear()
    memory = rooms.rooms["r1"]
    ledger = memory.past["s1", "k1"]
    assert (ledger.held, ledger.available) == (1, 99)
    assert not rooms.expire_hold("r1", "o1", at(59))
    assert not rooms.expire_hold("r2", "o1", at(60))
    memory.shared = Shared()
    memory.shared.clock_ms = at(60)
    assert rooms.expire_hold("r1", "o1", at(60))
    assert (ledger.held, ledger.released, ledger.available) == (0, 1, 100)
    assert list(rooms.unsaved) == ["r1"]
    assert not rooms.expire_hold("r1", "o1", at(60))
