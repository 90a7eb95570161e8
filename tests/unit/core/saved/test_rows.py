from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.core.audiences import VIEWERS
from stream.core.folds import fold_one
from stream.core.orders import expire_hold
from stream.core.saved import rows
from stream.core.saved.entries import ENTRY_ITEMS
from tests.support.events import at, enter, fold_at_own_time, leave, like, new_room, opened, order

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent


def test_windows_that_did_not_change_write_nothing() -> None:
    room = new_room()
    assert list(rows.window_entries(room)) == []
    fold_at_own_time(room, opened())
    assert list(rows.window_entries(room)) == []
    fold_at_own_time(room, leave("u1"))
    assert list(rows.window_entries(room)) == []


@pytest.mark.parametrize("event", [enter(), like(), order("placed"), order("paid", currency="EUR")])
def test_windows_that_changed_are_written_once(event: RoomEvent) -> None:
    room = new_room()
    fold_one(room, event, at(0))
    assert len(list(rows.window_entries(room))) == 1
    assert list(rows.window_entries(room)) == []


def test_a_tally_alone_that_changed_is_written() -> None:
    """A hold that runs out moves units and nobody."""
    room = new_room()
    fold_at_own_time(room, order("placed"))
    list(rows.window_entries(room))
    expire_hold(room, "o1", at(60))
    (entry,) = rows.window_entries(room)
    assert entry.tallies[3] == {at(60) // 1_000: -1}


def test_many_people_are_split_over_entries_and_sums_are_said_once() -> None:
    room = new_room()
    count = 2 * ENTRY_ITEMS + 10
    fold_at_own_time(room, *(enter(f"u{number}") for number in range(count)))
    fold_at_own_time(room, order("paid", user="u1"))
    entries = list(rows.window_entries(room))
    assert len(entries) == 3
    assert [len(entry.audiences[VIEWERS]) for entry in entries] == [ENTRY_ITEMS, ENTRY_ITEMS, 10]
    assert [entry.tallies[2] for entry in entries] == [{at(0) // 1_000: count}, {}, {}]
    assert [entry.minor for entry in entries] == [{"CNY": {at(0) // 1_000: 100}}, {}, {}]
    assert [len(entry.sessions) for entry in rows.presence_entries(room)] == [ENTRY_ITEMS, ENTRY_ITEMS, 10]
    assert [len(entry.ids) for entry in room.ids.entries(room.room_id, room.known_ms)] == [ENTRY_ITEMS, ENTRY_ITEMS, 11]
    assert list(room.ids.entries(room.room_id, room.known_ms)) == []


def test_ids_are_written_under_the_generation_in_which_they_are_remembered() -> None:
    room = new_room()
    fold_at_own_time(room, like(event_id="e1"))
    room.ids.begin_generation(4)
    fold_at_own_time(room, like(event_id="e2"))
    entries = room.ids.entries(room.room_id, room.known_ms)
    assert [(entry.generation, entry.ids) for entry in entries] == [(4, ["e1", "e2"])]


def test_an_order_is_written_as_it_is_now_in_the_order_of_last_changes() -> None:
    room = new_room()
    fold_at_own_time(room, order("placed", "o1"), order("placed", "o2"), order("paid", "o1"))
    assert [(entry.order_id, entry.mask) for entry in rows.order_entries(room)] == [("o2", 1), ("o1", 3)]
    assert list(rows.order_entries(room)) == []
    fold_at_own_time(room, order("cancelled", "o2"))
    assert [(entry.order_id, entry.mask) for entry in rows.order_entries(room)] == [("o2", 5)]


def test_a_restored_order_lies_where_its_last_change_put_it() -> None:
    room, again = new_room(), new_room()
    for event in (order("placed", "o1"), order("placed", "o2"), order("paid", "o1")):
        fold_at_own_time(room, event)
        for entry in rows.order_entries(room):
            rows.restore_order(again, entry)
    assert list(again.orders) == list(room.orders) == ["o2", "o1"]
    assert again.orders["o1"].lines == room.orders["o1"].lines
