from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.audiences import VIEWERS
from stream.core.memory import Shared
from stream.core.orders import expire_hold
from stream.core.rules import Rules
from stream.core.saved import heads, members, restore, rows
from stream.core.saved.frames import CorruptCheckpointError
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
    from stream.contract.events import RoomEvent
    from stream.core.room import Room

MEMBERS = msgspec.msgpack.Decoder(list[str])
Saved = dict[bytes, bytes]


def save(room: Room, saved: Saved) -> None:
    """One checkpoint of heads and members, as a compacted topic keeps it."""
    for key, value in [*members.member_records(room), heads.head_record(room)]:
        saved.pop(key, None)
        if value is not None:
            saved[key] = value


def restored(room: Room, saved: Saved, rules: Rules | None = None) -> Room:
    """The room from what was saved of it, and from its change logs so far (this empties them)."""
    shared = Shared()
    shared.clock_ms = room.shared.clock_ms
    key = heads.head_key(room.room_id)
    again = heads.room_of(key, saved[key], rules or room.rules, shared)
    blocks = [each for each in saved if each.startswith(b"b|")]
    for block in sorted(blocks, key=lambda each: (each.rpartition(b"|")[0], int(each.rpartition(b"|")[2]))):
        members.restore_members(again, block, saved[block])
    for windows in rows.window_entries(room):
        rows.restore_windows(again, windows)
    for each in rows.order_entries(room):
        rows.restore_order(again, each)
    for presence in rows.presence_entries(room):
        again.presence.restore(presence.sessions)
    for _ in restore.finish_restore(again, shared.clock_ms):
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
    room.first_offsets[:] = range(1, len(TOPICS) + 1)
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
        members.restore_members(again, key, value)
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


def test_what_a_room_has_lost_comes_back() -> None:
    room = full_room(Rules(signals_edition=2))
    saved: Saved = {}
    room.orders_displaced, room.lost = 2, True
    save(room, saved)
    again = restored(room, saved)
    assert (again.orders_displaced, again.lost) == (2, True)


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
    assert list(members.member_records(again)) == []
    assert list(rows.window_entries(again)) == []
    assert list(rows.order_entries(again)) == []
    assert list(rows.presence_entries(again)) == []
    assert not again.ids.new


@pytest.mark.parametrize("broken", [b"", b"\x02abcdef", b"\x01aaaa", b"\x01\x00\x00\x00\x00\x90"])
def test_a_head_that_cannot_be_read_is_refused_by_name(broken: bytes) -> None:
    with pytest.raises(CorruptCheckpointError, match=r"r\|room-9"):
        heads.room_of(b"r|room-9", broken, Rules(), Shared())
