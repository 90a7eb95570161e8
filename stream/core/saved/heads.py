"""The heads of rooms: all that is small, written whole when the room changed.

In a session that is the room's head; between two sessions it is what the room still knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Because, FeedItem
from stream.core.memory import Memory
from stream.core.room import Room
from stream.core.saved.frames import frame, unframe
from stream.core.saved.growth import AUDIENCES_1, TOPICS_1, fitted, grown, grown_row
from stream.core.saved.ledgers import LedgerHead, SavedWord, ledger_head, ledger_of
from stream.core.saved.mechanics import mechanic_tombstones
from stream.core.saved.members import member_tombstones
from stream.core.terms import SaleTerms
from stream.core.urgency import UrgencyState
from stream.core.words import CLOSED, EXTENDED, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.memory import Shared
    from stream.core.rules import Rules

VISITS = TOPIC_NAMES.index("visits")


class ProductHead(msgspec.Struct, array_like=True):
    """One product of a room but for its people."""

    sku_id: str
    named: int
    money: dict[str, list[int]]


class Head(msgspec.Struct, array_like=True):
    """A room's small, absolute part.

    New fields of this and of the others go to the end, with a default: older records then still decode, and a record
    that uses none of them keeps its bytes (`growth.grown_row`).
    """

    fields_1: ClassVar[int] = 19

    born_ms: int
    touched_ms: int
    rev: int
    likes: int
    comments: int
    cart_adds: int
    views: int
    orders: tuple[int, int, int, int]
    money: dict[str, list[int]]
    first_offsets: list[int]
    first_unit_ms: int
    bits: list[int]
    feed: list[tuple[int, str, str, int]]
    ledgers: list[LedgerHead]
    terms: dict[str, tuple[int, int]]
    urgencies: list[tuple[str, str, str, int, int, list[tuple[str, float, float]]]]
    sales_refused: int
    last_append_ms: int
    awake_until_ms: int = -1
    known_ms: int | None = None  # as born_ms
    show_id: str | None = None
    later: bool = False
    past: list[LedgerHead] = []
    said_ms: dict[str, int] = {}
    misplaced: bool = False
    departures: tuple[int, int, int, int, int, int] | None = None
    words: dict[str, list[SavedWord]] = {}  # by key of terms
    point_due_ms: int = -1
    sources: dict[str, int] = {}
    views_beyond: int = 0
    orders_later: dict[int, int] = {}  # bit of a status → orders
    products: list[ProductHead] | None = None  # None: nobody counts them, or somebody did not since the beginning
    products_beyond: int = 0
    orders_displaced: int = 0
    lost: bool = False


class MemoryHead(msgspec.Struct, array_like=True):
    """What a room knows between two sessions. Terms: extended to, closed at, said at."""

    fields_1: ClassVar[int] = 5

    known_ms: int
    born_ms: int
    touched_ms: int
    past: list[LedgerHead]
    terms: dict[str, tuple[int, int, int]]
    words: dict[str, list[SavedWord]] = {}
    sales_refused: int = 0
    orders_displaced: int = 0
    lost: bool = False


_memory_decoder = msgspec.msgpack.Decoder(MemoryHead)
head_decoder = msgspec.msgpack.Decoder(Head)


def head_key(room_id: str) -> bytes:
    """Key of a room's head."""
    return b"r|" + room_id.encode()


def memory_key(room_id: str) -> bytes:
    """Key of what a room knows between two sessions."""
    return b"k|" + room_id.encode()


def memory_record(memory: Memory) -> tuple[bytes, bytes]:
    """What a room knows between two sessions, but for its orders and event ids."""
    head = MemoryHead(
        memory.known_ms,
        memory.born_ms,
        memory.touched_ms,
        [ledger_head(ledger, memory.rules) for ledger in memory.past.values()],
        _saved_terms(memory),
        _saved_words(memory),
    )
    if memory.rules.second_signals:
        head.sales_refused, head.orders_displaced = memory.sales_refused, memory.orders_displaced
        head.lost = memory.lost
    return memory_key(memory.room_id), frame(grown_row(head))


def _saved_terms(memory: Memory) -> dict[str, tuple[int, int, int]]:
    return {
        sale_id: (terms.extended_to_ms, terms.closed_at_ms, terms.said_ms) for sale_id, terms in memory.terms.items()
    }


def _saved_words(memory: Memory) -> dict[str, list[SavedWord]]:
    """What was said of whole sales and of single SKUs; under the first edition nobody asks."""
    if not memory.rules.second_signals:
        return {}
    return {key: [*terms.words] for key, terms in memory.terms.items() if terms.words}


def _terms_of(aggregates: tuple[int, ...], words: list[SavedWord]) -> SaleTerms:
    """Terms as they were saved; words that an older worker did not keep were said when it last heard of the sale."""
    terms = SaleTerms(*aggregates)
    terms.words = tuple([Word(*word) for word in words])
    if not words:
        if terms.extended_to_ms >= 0:
            terms.words += (Word(terms.said_ms, "", EXTENDED, terms.extended_to_ms),)
        if terms.closed_at_ms >= 0:
            terms.words += (Word(terms.said_ms, "", CLOSED, terms.closed_at_ms),)
    return terms


def head_record(room: Room) -> tuple[bytes, bytes]:
    """The room's head."""
    head = Head(
        room.born_ms,
        room.touched_ms,
        room.rev,
        room.likes,
        room.comments,
        room.cart_adds,
        room.views,
        (room.orders_placed, room.orders_paid, room.orders_cancelled, room.orders_refunded),
        room.money,
        grown(room.first_offsets, TOPICS_1, -1),
        room.first_unit_ms,
        grown([audience.bits for audience in room.audiences], AUDIENCES_1, 0),
        [(item.at_ms, item.who, item.sku_id, item.quantity) for item in room.feed],
        [ledger_head(ledger, room.rules) for ledger in room.ledgers.values()],
        {sale_id: (terms.extended_to_ms, terms.closed_at_ms) for sale_id, terms in room.terms.items()},
        [
            (
                *key,
                urgency.level,
                urgency.since_ms,
                urgency.below_since_ms,
                [(why.rule, why.value, why.threshold) for why in urgency.because],
            )
            for key, urgency in room.urgencies.items()
        ],
        room.sales_refused,
        room.last_append_ms,
        room.awake_until_ms,
        *_beyond_session(room),
    )
    if room.rules.second_signals:
        head.departures = room.presence.saved_departures()
        head.words = _saved_words(room)
        head.orders_later = room.orders_later
        head.orders_displaced, head.lost = room.orders_displaced, room.lost
    if room.rules.history_step_ms:
        head.point_due_ms = room.point_due_ms
    head.sources, head.views_beyond = room.sources, room.views_beyond
    if (products := room.products) is not None and products.counted:
        head.products = [ProductHead(each.sku_id, each.named, each.money) for each in products.kept.values()]
        head.products_beyond = products.beyond
    return head_key(room.room_id), frame(grown_row(head))


def _beyond_session(room: Room) -> Iterator[Any]:
    """Fields of a head that are new where rooms are remembered beyond their sessions; elsewhere none."""
    if room.rules.remembers_rooms:
        yield None if room.known_ms == room.born_ms else room.known_ms
        yield room.show_id
        yield room.later
        yield [ledger_head(ledger, room.rules) for ledger in room.past.values()]
        yield {key: terms.said_ms for key, terms in room.terms.items() if terms.said_ms >= 0}
        yield room.misplaced


def tombstones(room: Room) -> Iterator[tuple[bytes, None]]:
    """Everything keyed by a room that has ended."""
    yield head_key(room.room_id), None
    yield from mechanic_tombstones(room)
    yield from member_tombstones(room)


# -- restore -----------------------------------------------------------------------------------------------------------
def room_of(key: bytes, value: bytes, rules: Rules, shared: Shared) -> Room:
    """A room from its head; members and change logs follow."""
    head = unframe(key, value, head_decoder)
    room = Room(key[2:].decode(), rules, shared, head.born_ms)
    room.touched_ms, room.last_append_ms = head.touched_ms, head.last_append_ms
    room.awake_until_ms = head.awake_until_ms
    room.rev = room.rev_saved = head.rev
    room.likes, room.comments, room.cart_adds, room.views = head.likes, head.comments, head.cart_adds, head.views
    room.orders_placed, room.orders_paid, room.orders_cancelled, room.orders_refunded = head.orders
    room.orders_later = head.orders_later
    room.money = head.money
    room.first_offsets = fitted(head.first_offsets, len(TOPIC_NAMES), -1)
    room.first_unit_ms = head.first_unit_ms
    room.feed = [FeedItem("order", *item) for item in head.feed]
    room.sales_refused, room.orders_displaced, room.lost = head.sales_refused, head.orders_displaced, head.lost
    for audience, bits in zip(room.audiences, head.bits, strict=False):  # of another version fewer, or more
        audience.bits = bits
    for each in head.ledgers:
        ledger = ledger_of(each, rules)
        room.ledgers[ledger.sale_id, ledger.sku_id] = ledger
    for key_of, terms in head.terms.items():
        room.terms[key_of] = _terms_of((*terms, head.said_ms.get(key_of, -1)), head.words.get(key_of, []))
    room.known_ms = head.born_ms if head.known_ms is None else head.known_ms
    room.show_id, room.later = head.show_id, head.later
    room.misplaced = head.misplaced
    room.point_due_ms = head.point_due_ms
    room.sources, room.views_beyond = head.sources, head.views_beyond
    if room.products is not None:
        saved = None if head.products is None else [(each.sku_id, each.named, each.money) for each in head.products]
        room.products.restore(saved, head.products_beyond)
    has_visits = rules.second_signals and room.first_offsets[VISITS] >= 0
    room.presence.restore_departures(head.departures, shared.clock_ms if has_visits else -1)
    _restore_past(room, head.past)
    for sale_id, sku_id, level, since_ms, below_since_ms, because in head.urgencies:
        urgency = msgspec.convert(
            {"level": level, "since_ms": since_ms, "below_since_ms": below_since_ms}, UrgencyState
        )
        urgency.because = [Because(*why) for why in because]
        room.urgencies[sale_id, sku_id] = urgency
    return room


def memory_of(key: bytes, value: bytes, rules: Rules, shared: Shared) -> Memory:
    """What a room knows between two sessions; orders and event ids follow."""
    head = unframe(key, value, _memory_decoder)
    memory = Memory(key[2:].decode(), rules, shared, head.born_ms)
    memory.known_ms, memory.touched_ms = head.known_ms, head.touched_ms
    memory.sales_refused, memory.orders_displaced, memory.lost = head.sales_refused, head.orders_displaced, head.lost
    memory.terms = {key_of: _terms_of(terms, head.words.get(key_of, [])) for key_of, terms in head.terms.items()}
    _restore_past(memory, head.past)
    return memory


def _restore_past(memory: Memory, ledgers: list[LedgerHead]) -> None:
    for head in ledgers:
        memory.past[head.sale_id, head.sku_id] = ledger_of(head, memory.rules)
