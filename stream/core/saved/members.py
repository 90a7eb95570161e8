"""The members of distinct counts: blocks of 64 in the order of their coming, or a sketch."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from stream.core.saved.frames import frame, unframe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.core.distinct import Distinct
    from stream.core.products import Product
    from stream.core.room import Room

BLOCK_MEMBERS = 64
SKETCH = b"s"
_members_decoder = msgspec.msgpack.Decoder(list[str])
_sketch_decoder = msgspec.msgpack.Decoder(bytes)


def _distincts(room: Room) -> Iterator[tuple[bytes, Distinct]]:
    room_key = b"b|" + room.room_id.encode()
    for index, audience in enumerate(room.audiences):
        yield b"%b|a%d|" % (room_key, index), audience.session
    for ledger in room.ledgers.values():
        yield b"%b|c,%b,%b|" % (room_key, ledger.sale_id.encode(), ledger.sku_id.encode()), ledger.carters
    if room.products is not None:
        for product in room.products.kept.values():
            yield from _distincts_of(room, product)


def _distincts_of(room: Room, product: Product) -> Iterator[tuple[bytes, Distinct]]:
    """Under keys that an older Snapup passes over."""
    for place, people in enumerate(product.people()):
        yield b"q|%b|%d,%b|" % (room.room_id.encode(), place, product.sku_id.encode()), people


def member_records(room: Room) -> Iterator[tuple[bytes, bytes | None]]:
    """Blocks of members that are new since the last call: every full one once, the last one until it is full."""
    for prefix, distinct in _distincts(room):
        if not distinct.changed:
            continue
        distinct.changed = False
        if distinct.sketch is not None:
            yield prefix + SKETCH, frame(distinct.encoded_sketch())
            yield from _block_tombstones(prefix, distinct)
            distinct.saved = 0
            continue
        first = distinct.saved // BLOCK_MEMBERS
        members = list(distinct.members) if first == 0 else _members_from(distinct, first * BLOCK_MEMBERS)
        for start in range(0, len(members), BLOCK_MEMBERS):
            yield prefix + b"%d" % (first + start // BLOCK_MEMBERS), frame(members[start : start + BLOCK_MEMBERS])
        distinct.saved = len(distinct.members)
    if room.products is not None:
        yield from _tombstones_of(room, room.products.take_dropped())


def _members_from(distinct: Distinct, start: int) -> list[str]:
    """The members from place `start`: walked from the end, so that the cost follows what is new."""
    newest = list(islice(reversed(distinct.members), len(distinct.members) - start))
    newest.reverse()
    return newest


def _block_tombstones(prefix: bytes, distinct: Distinct) -> Iterator[tuple[bytes, None]]:
    for block in range(-(-distinct.saved // BLOCK_MEMBERS)):
        yield prefix + b"%d" % block, None


def member_tombstones(room: Room) -> Iterator[tuple[bytes, None]]:
    """Returns tombstones of all members of a room."""
    for prefix, distinct in _distincts(room):
        yield from _block_tombstones(prefix, distinct)
        if distinct.sketch is not None:
            yield prefix + SKETCH, None
    if room.products is not None:
        yield from _tombstones_of(room, room.products.take_dropped())


def _tombstones_of(room: Room, products: Iterable[Product]) -> Iterator[tuple[bytes, None]]:
    for product in products:
        for prefix, people in _distincts_of(room, product):
            yield from _block_tombstones(prefix, people)
            if people.sketch is not None:
                yield prefix + SKETCH, None


def restore_members(room: Room, key: bytes, value: bytes) -> None:
    """One block of members, or a sketch. Blocks must come in order of their number."""
    log, _, kind, block = key.split(b"|")
    if log == b"q":
        if room.products is None:
            return
        place, _, sku = kind.decode().partition(",")
        distinct = room.products.restored(sku).people()[int(place)]
    elif kind.startswith(b"a"):
        audience_index = int(kind[1:])
        if audience_index >= len(room.audiences):
            return
        distinct = room.audiences[audience_index].session
    else:
        _, sale_id, sku_id = kind.decode().split(",")
        ledger = room.ledgers.get((sale_id, sku_id))
        if ledger is None:
            return
        distinct = ledger.carters
    if block == SKETCH:
        distinct.restore_sketch(unframe(key, value, _sketch_decoder))
    else:
        members: list[str] = unframe(key, value, _members_decoder)
        distinct.restore_members(members)
