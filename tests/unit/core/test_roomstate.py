from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core import roomstate
from stream.core.audiences import VIEWERS
from stream.core.changelog import BLOCK_MEMBERS, ENTRY_ITEMS, CorruptCheckpointError, unframe
from stream.core.folds import fold_one
from stream.core.memory import Shared
from stream.core.orders import expire_hold
from stream.core.rules import Rules
from stream.core.snapshot import Moment, overlay_of
from tests.support.events import (
    at,
    cart,
    closed,
    comment,
    enter,
    extended,
    fold_at_own_time,
    leave,
    like,
    new_room,
    opened,
    order,
    restocked,
)
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.events import RoomEvent
    from stream.core.room import Room

MEMBERS = msgspec.msgpack.Decoder(list[str])
Saved = dict[bytes, bytes]


def save(room: Room, saved: Saved) -> None:
    """One checkpoint of heads and members, as a compacted topic keeps it."""
    for key, value in [*roomstate.member_records(room), roomstate.head_record(room)]:
        saved.pop(key, None)
        if value is not None:
            saved[key] = value


def restored(room: Room, saved: Saved, rules: Rules | None = None) -> Room:
    """The room from what was saved of it, and from its change logs so far (this empties them)."""
    shared = Shared()
    shared.clock_ms = room.shared.clock_ms
    key = roomstate.head_key(room.room_id)
    again = roomstate.room_of(key, saved[key], rules or room.rules, shared)
    blocks = [each for each in saved if each.startswith(b"b|")]
    for block in sorted(blocks, key=lambda each: (each.rpartition(b"|")[0], int(each.rpartition(b"|")[2]))):
        roomstate.restore_members(again, block, saved[block])
    for windows in roomstate.window_entries(room):
        roomstate.restore_windows(again, windows)
    for each in roomstate.order_entries(room):
        roomstate.restore_order(again, each)
    for presence in roomstate.presence_entries(room):
        again.presence.restore(presence.sessions)
    for _ in roomstate.finish_restore(again, shared.clock_ms):
        pass
    return again


def document(room: Room) -> bytes:
    now_ms = room.shared.clock_ms
    room.advance(now_ms)
    moment = Moment(
        as_of_ms=now_ms,
        stale_after_ms=now_ms,
        source="tick",
        lag_ms=0,
        epoch=1,
        partition=0,
        topics=TOPICS,
        positions=[9] * len(TOPICS),
    )
    return msgspec.json.encode(overlay_of(room, moment))


def full_room(rules: Rules | None = None) -> Room:
    room = new_room(rules)
    room.first_offsets[:] = [1, 2, 3, 4, 5, 6, 7]
    fold_at_own_time(
        room,
        opened(30, limit=1, restock_s=400),
        restocked(4, "s1", "k1", s=1),
        opened(10, "s2", "k9", ends_s=50),
        extended(700, "s2"),
        closed("s2", s=20),
        cart("lonely", "never-opened"),
        *(enter(f"u{number}") for number in range(100)),
        *(leave(f"u{number}", s=2) for number in range(10)),
        *(cart(f"u{number}") for number in range(20)),
        *(order("placed", f"o{number}", f"u{number}", 2) for number in range(6)),
        *(order("placed", f"x{number}", "brush") for number in range(6)),
        order("paid", "o1", "u1", 2, s=5),
        order("refunded", "o1", "u1", 2, s=6),
        order("paid", "o2", "u2", 2, s=6),
        order("cancelled", "o3", "u3", 2, s=6),
        order("paid", "o9", "u9", currency="EUR", amount=7),
        comment("u1"),
        like("u2", 44),
    )
    room.shared.clock_ms = at(65)
    assert expire_hold(room, "o4", at(60))
    document(room)  # its urgency has been looked at
    room.rev, room.last_append_ms = 17, at(6)
    return room


# -- the whole ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("exact_max", [65_536, 50])
def test_a_restored_room_shows_the_same_to_the_byte(exact_max: int) -> None:
    room = full_room(Rules(distinct_exact_max=exact_max))
    saved: Saved = {}
    save(room, saved)
    blocks = {key: value for key, value in saved.items() if not key.endswith(b"|s")}
    sketches = {key: value for key, value in saved.items() if key.endswith(b"|s")}
    assert bool(sketches) == (exact_max == 50)
    again = restored(room, blocks) if not sketches else restored_with_sketches(room, blocks, sketches)
    assert document(again) == document(room)
    for now_s in (70, 300, 320, 1_900, 15_000):
        room.shared.clock_ms = again.shared.clock_ms = at(now_s)
        assert document(again) == document(room)


def restored_with_sketches(room: Room, blocks: Saved, sketches: Saved) -> Room:
    again = restored(room, blocks)
    for key, value in sketches.items():
        roomstate.restore_members(again, key, value)
    return again


def test_a_restored_room_goes_on_the_same() -> None:
    room = full_room()
    saved: Saved = {}
    save(room, saved)
    again = restored(room, saved)
    events: list[RoomEvent] = [
        order("paid", "o0", "u0", 2, s=66),
        order("paid", "o5", "u5", 2, s=66),
        order("refunded", "o2", "u2", 2, s=66),
        order("placed", "x9", "brush", s=66),
        order("paid", "x0", "brush", s=66),
        cart("u0", s=66),
        enter("u3", s=66),
        leave("u50", s=66),
        enter("newcomer", s=66),
        opened(40, limit=3, s=66),
        like("u2", 6, s=66),
    ]
    fold_at_own_time(room, *events)
    fold_at_own_time(again, *events)
    assert document(again) == document(room)
    assert list(again.orders) == list(room.orders)
    assert again.unpaid == room.unpaid
    for key, ledger in room.ledgers.items():
        assert again.ledgers[key].users == ledger.users
        assert again.ledgers[key].suspect_held == ledger.suspect_held
    assert list(again.audiences[VIEWERS].session.members) == list(room.audiences[VIEWERS].session.members)


def test_everything_in_a_head_comes_back() -> None:
    room = full_room()
    saved: Saved = {}
    room.sales_refused = 3
    save(room, saved)
    again = restored(room, saved)
    for name in (
        "born_ms",
        "touched_ms",
        "rev",
        "likes",
        "comments",
        "cart_adds",
        "views",
        "orders_placed",
        "orders_paid",
        "orders_cancelled",
        "orders_refunded",
        "money",
        "first_offsets",
        "first_unit_ms",
        "feed",
        "sales_refused",
        "last_append_ms",
        "unpaid",
    ):
        assert getattr(again, name) == getattr(room, name), name
    assert {key: (terms.extended_to_ms, terms.closed_at_ms) for key, terms in again.terms.items()} == {
        "s2": (at(700), at(20))
    }
    for key, ledger in room.ledgers.items():
        for name in Restorable:
            assert getattr(again.ledgers[key], name) == getattr(ledger, name), (key, name)
    assert again.urgencies == room.urgencies


Restorable = (
    "opened",
    "limit",
    "restocked",
    "restock_planned",
    "held",
    "sold",
    "released",
    "over_limit",
    "suspect_held",
    "recent",
    "bought",
    "users",
    "carters_with_order",
)


def test_restored_state_is_not_written_again_until_it_changes() -> None:
    room = full_room()
    saved: Saved = {}
    save(room, saved)
    again = restored(room, saved)
    assert list(roomstate.member_records(again)) == []
    assert list(roomstate.window_entries(again)) == []
    assert list(roomstate.order_entries(again)) == []
    assert list(roomstate.presence_entries(again)) == []
    assert not again.ids.new


@pytest.mark.parametrize("broken", [b"", b"\x02abcdef", b"\x01aaaa", b"\x01\x00\x00\x00\x00\x90"])
def test_a_head_that_cannot_be_read_is_refused_by_name(broken: bytes) -> None:
    with pytest.raises(CorruptCheckpointError, match=r"r\|room-9"):
        roomstate.room_of(b"r|room-9", broken, Rules(), Shared())


# -- blocks of members -------------------------------------------------------------------------------------------------
def viewers(room: Room, first: int, last: int) -> None:
    fold_at_own_time(room, *(enter(f"u{number}") for number in range(first, last)))


def blocks(records: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, list[str] | None]:
    return {key: None if value is None else unframe(key, value, MEMBERS) for key, value in records}


def people(first: int, last: int) -> list[str]:
    return [f"u{number}" for number in range(first, last)]


def test_a_full_block_is_written_once_and_the_last_one_until_it_is_full() -> None:
    room = new_room()
    viewers(room, 0, 70)
    assert blocks(roomstate.member_records(room)) == {b"b|r1|a0|0": people(0, 64), b"b|r1|a0|1": people(64, 70)}
    assert list(roomstate.member_records(room)) == []
    viewers(room, 70, 80)
    assert blocks(roomstate.member_records(room)) == {b"b|r1|a0|1": people(64, 80)}
    viewers(room, 80, 200)
    assert blocks(roomstate.member_records(room)) == {
        b"b|r1|a0|1": people(64, 128),
        b"b|r1|a0|2": people(128, 192),
        b"b|r1|a0|3": people(192, 200),
    }


def test_a_block_that_is_just_full_is_not_written_again() -> None:
    room = new_room()
    viewers(room, 0, BLOCK_MEMBERS)
    assert list(blocks(roomstate.member_records(room))) == [b"b|r1|a0|0"]
    viewers(room, BLOCK_MEMBERS, BLOCK_MEMBERS + 1)
    assert list(blocks(roomstate.member_records(room))) == [b"b|r1|a0|1"]


def test_people_seen_before_write_no_block() -> None:
    room = new_room()
    viewers(room, 0, 10)
    list(roomstate.member_records(room))
    viewers(room, 0, 10)
    assert list(roomstate.member_records(room)) == []


def test_each_ledger_has_blocks_of_its_own() -> None:
    room = new_room()
    fold_at_own_time(room, cart("u1", "s1", "k1"), cart("u2", "s1", "k2"))
    found = blocks(roomstate.member_records(room))
    assert found[b"b|r1|c,s1,k1|0"] == ["u1"]
    assert found[b"b|r1|c,s1,k2|0"] == ["u2"]


def test_blocks_become_a_sketch_once_and_are_deleted() -> None:
    room = new_room(Rules(distinct_exact_max=130))
    viewers(room, 0, 130)
    assert len(blocks(roomstate.member_records(room))) == 3
    viewers(room, 130, 131)
    records = list(roomstate.member_records(room))
    assert [(key, value is None) for key, value in records] == [
        (b"b|r1|a0|s", False),
        (b"b|r1|a0|0", True),
        (b"b|r1|a0|1", True),
        (b"b|r1|a0|2", True),
    ]
    viewers(room, 131, 140)
    assert [key for key, _ in roomstate.member_records(room)] == [b"b|r1|a0|s"]


def test_a_block_of_a_ledger_that_is_gone_is_passed_over() -> None:
    room = new_room()
    fold_at_own_time(room, cart("u1"))
    ((key, value),) = [record for record in roomstate.member_records(room) if b"|c," in record[0]]
    assert value is not None
    other = new_room()
    roomstate.restore_members(other, key, value)
    assert other.ledgers == {}


def test_the_end_of_a_room_deletes_every_key_it_ever_had() -> None:
    for exact_max in (1_000, 100):
        room = new_room(Rules(distinct_exact_max=exact_max))
        written: set[bytes] = set()
        for first in range(0, 200, 50):
            viewers(room, first, first + 50)
            fold_at_own_time(room, *(cart(f"u{number}") for number in range(first, first + 50)))
            for key, value in [*roomstate.member_records(room), roomstate.head_record(room)]:
                (written.discard if value is None else written.add)(key)
        deleted = list(roomstate.tombstones(room))
        assert {key for key, _ in deleted} == written
        assert {value for _, value in deleted} == {None}
        assert len(deleted) == len(written)


# -- change logs -------------------------------------------------------------------------------------------------------
def test_windows_that_did_not_change_write_nothing() -> None:
    room = new_room()
    assert list(roomstate.window_entries(room)) == []
    fold_at_own_time(room, opened())
    assert list(roomstate.window_entries(room)) == []
    fold_at_own_time(room, leave("u1"))
    assert list(roomstate.window_entries(room)) == []


@pytest.mark.parametrize("event", [enter(), like(), order("placed"), order("paid", currency="EUR")])
def test_windows_that_changed_are_written_once(event: RoomEvent) -> None:
    room = new_room()
    fold_one(room, event, at(0))
    assert len(list(roomstate.window_entries(room))) == 1
    assert list(roomstate.window_entries(room)) == []


def test_a_tally_alone_that_changed_is_written() -> None:
    """A hold that runs out moves units and nobody."""
    room = new_room()
    fold_at_own_time(room, order("placed"))
    list(roomstate.window_entries(room))
    expire_hold(room, "o1", at(60))
    (entry,) = roomstate.window_entries(room)
    assert entry.tallies[3] == {at(60) // 1_000: -1}


def test_many_people_are_split_over_entries_and_sums_are_said_once() -> None:
    room = new_room()
    count = 2 * ENTRY_ITEMS + 10
    viewers(room, 0, count)
    fold_at_own_time(room, order("paid", user="u1"))
    entries = list(roomstate.window_entries(room))
    assert len(entries) == 3
    assert [len(entry.audiences[VIEWERS]) for entry in entries] == [ENTRY_ITEMS, ENTRY_ITEMS, 10]
    assert [entry.tallies[2] for entry in entries] == [{at(0) // 1_000: count}, {}, {}]
    assert [entry.minor for entry in entries] == [{"CNY": {at(0) // 1_000: 100}}, {}, {}]
    assert [len(entry.sessions) for entry in roomstate.presence_entries(room)] == [ENTRY_ITEMS, ENTRY_ITEMS, 10]
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
    assert [(entry.order_id, entry.mask) for entry in roomstate.order_entries(room)] == [("o2", 1), ("o1", 3)]
    assert list(roomstate.order_entries(room)) == []
    fold_at_own_time(room, order("cancelled", "o2"))
    assert [(entry.order_id, entry.mask) for entry in roomstate.order_entries(room)] == [("o2", 5)]


def test_a_restored_order_lies_where_its_last_change_put_it() -> None:
    room, again = new_room(), new_room()
    for event in (order("placed", "o1"), order("placed", "o2"), order("paid", "o1")):
        fold_at_own_time(room, event)
        for entry in roomstate.order_entries(room):
            roomstate.restore_order(again, entry)
    assert list(again.orders) == list(room.orders) == ["o2", "o1"]
    assert again.orders["o1"].lines == room.orders["o1"].lines
