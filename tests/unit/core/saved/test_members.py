from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.core.rules import Rules
from stream.core.saved import heads, members
from stream.core.saved.frames import unframe
from stream.core.saved.members import BLOCK_MEMBERS
from tests.support.events import cart, enter, fold_at_own_time, new_room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.core.room import Room

MEMBERS = msgspec.msgpack.Decoder(list[str])


def viewers(room: Room, first: int, last: int) -> None:
    fold_at_own_time(room, *(enter(f"u{number}") for number in range(first, last)))


def blocks(records: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, list[str] | None]:
    return {key: None if value is None else unframe(key, value, MEMBERS) for key, value in records}


def people(first: int, last: int) -> list[str]:
    return [f"u{number}" for number in range(first, last)]


def test_a_full_block_is_written_once_and_the_last_one_until_it_is_full() -> None:
    room = new_room()
    viewers(room, 0, 70)
    assert blocks(members.member_records(room)) == {b"b|r1|a0|0": people(0, 64), b"b|r1|a0|1": people(64, 70)}
    assert list(members.member_records(room)) == []
    viewers(room, 70, 80)
    assert blocks(members.member_records(room)) == {b"b|r1|a0|1": people(64, 80)}
    viewers(room, 80, 200)
    assert blocks(members.member_records(room)) == {
        b"b|r1|a0|1": people(64, 128),
        b"b|r1|a0|2": people(128, 192),
        b"b|r1|a0|3": people(192, 200),
    }


def test_a_block_that_is_just_full_is_not_written_again() -> None:
    room = new_room()
    viewers(room, 0, BLOCK_MEMBERS)
    assert list(blocks(members.member_records(room))) == [b"b|r1|a0|0"]
    viewers(room, BLOCK_MEMBERS, BLOCK_MEMBERS + 1)
    assert list(blocks(members.member_records(room))) == [b"b|r1|a0|1"]


def test_people_seen_before_write_no_block() -> None:
    room = new_room()
    viewers(room, 0, 10)
    list(members.member_records(room))
    viewers(room, 0, 10)
    assert list(members.member_records(room)) == []


def test_each_ledger_has_blocks_of_its_own() -> None:
    room = new_room()
    fold_at_own_time(room, cart("u1", "s1", "k1"), cart("u2", "s1", "k2"))
    found = blocks(members.member_records(room))
    assert found[b"b|r1|c,s1,k1|0"] == ["u1"]
    assert found[b"b|r1|c,s1,k2|0"] == ["u2"]


def test_blocks_become_a_sketch_once_and_are_deleted() -> None:
    room = new_room(Rules(distinct_exact_max=130))
    viewers(room, 0, 130)
    assert len(blocks(members.member_records(room))) == 3
    viewers(room, 130, 131)
    records = list(members.member_records(room))
    assert [(key, value is None) for key, value in records] == [
        (b"b|r1|a0|s", False),
        (b"b|r1|a0|0", True),
        (b"b|r1|a0|1", True),
        (b"b|r1|a0|2", True),
    ]
    viewers(room, 131, 140)
    assert [key for key, _ in members.member_records(room)] == [b"b|r1|a0|s"]


def test_a_block_of_a_ledger_that_is_gone_is_passed_over() -> None:
    room = new_room()
    fold_at_own_time(room, cart("u1"))
    ((key, value),) = [record for record in members.member_records(room) if b"|c," in record[0]]
    assert value is not None
    other = new_room()
    members.restore_members(other, key, value)
    assert other.ledgers == {}


def test_the_end_of_a_room_deletes_every_key_it_ever_had() -> None:
    for exact_max in (1_000, 100):
        room = new_room(Rules(distinct_exact_max=exact_max))
        written: set[bytes] = set()
        for first in range(0, 200, 50):
            viewers(room, first, first + 50)
            fold_at_own_time(room, *(cart(f"u{number}") for number in range(first, first + 50)))
            for key, value in [*members.member_records(room), heads.head_record(room)]:
                (written.discard if value is None else written.add)(key)
        deleted = list(heads.tombstones(room))
        assert {key for key, _ in deleted} == written
        assert {value for _, value in deleted} == {None}
        assert len(deleted) == len(written)
