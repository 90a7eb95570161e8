"""A room to its checkpoint records and back.

The room's own file decides nothing about how it is stored; this one decides no rule.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Because, FeedItem
from stream.core.changelog import (
    BLOCK_MEMBERS,
    ENTRY_ITEMS,
    CartEntry,
    Head,
    LedgerHead,
    MemoryHead,
    OrderEntry,
    PresenceEntry,
    SavedWord,
    WindowEntry,
    frame,
    unframe,
)
from stream.core.growth import AUDIENCES_1, TALLIES_1, TOPICS_1, fitted, grown, grown_row
from stream.core.ledgerstate import ledger_head, ledger_of
from stream.core.memory import Memory
from stream.core.orders import is_suspect
from stream.core.room import Room
from stream.core.standing import STANDINGS
from stream.core.stock import OrderState, one_of_equal
from stream.core.suspicion import find_all
from stream.core.terms import SaleTerms
from stream.core.urgency import UrgencyState
from stream.core.windows import Tally
from stream.core.words import CLOSED, EXTENDED, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.cart_people import CartPeople
    from stream.core.changelog import ChangeLogs
    from stream.core.distinct import Distinct
    from stream.core.memory import Shared
    from stream.core.rules import Rules

_memory_decoder = msgspec.msgpack.Decoder(MemoryHead)
head_decoder = msgspec.msgpack.Decoder(Head)
_members_decoder = msgspec.msgpack.Decoder(list[str])
_sketch_decoder = msgspec.msgpack.Decoder(bytes)
SKETCH = b"s"
VISITS = TOPIC_NAMES.index("visits")
V = TypeVar("V")
# Some milliseconds of a restore.
ORDERS_IN_A_STEP = 5_000


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


# -- members of distinct counts ----------------------------------------------------------------------------------------
def _distincts(room: Room) -> Iterator[tuple[bytes, Distinct]]:
    room_key = b"b|" + room.room_id.encode()
    for index, audience in enumerate(room.audiences):
        yield b"%b|a%d|" % (room_key, index), audience.session
    for ledger in room.ledgers.values():
        yield b"%b|c,%b,%b|" % (room_key, ledger.sale_id.encode(), ledger.sku_id.encode()), ledger.carters


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


def _members_from(distinct: Distinct, start: int) -> list[str]:
    """The members from place `start`: walked from the end, so that the cost follows what is new."""
    newest = list(islice(reversed(distinct.members), len(distinct.members) - start))
    newest.reverse()
    return newest


def _block_tombstones(prefix: bytes, distinct: Distinct) -> Iterator[tuple[bytes, None]]:
    for block in range(-(-distinct.saved // BLOCK_MEMBERS)):
        yield prefix + b"%d" % block, None


def tombstones(room: Room) -> Iterator[tuple[bytes, None]]:
    """Everything keyed by a room that has ended."""
    yield head_key(room.room_id), None
    for prefix, distinct in _distincts(room):
        yield from _block_tombstones(prefix, distinct)
        if distinct.sketch is not None:
            yield prefix + SKETCH, None


# -- change logs -------------------------------------------------------------------------------------------------------
def log_people(room: Room, logs: ChangeLogs, clock_ms: int) -> None:
    """To the change logs: what changed in the windows, and ids. Most of what a checkpoint holds, and in whole values.

    So it may be written at any time, and again.
    """
    logs.windows.extend(window_entries(room), clock_ms)
    log_ids(room, logs)


def log_ids(room: Memory, logs: ChangeLogs) -> None:
    """To the change log: event ids, under the generation in which they are remembered."""
    logs.ids.extend(room.ids.entries(room.room_id, room.known_ms), room.ids.generation)


def log_orders(room: Room, logs: ChangeLogs, clock_ms: int) -> None:
    """To the change logs: orders, sessions and carts."""
    logs.orders.extend(order_entries(room), clock_ms)
    logs.presence.extend(presence_entries(room), clock_ms)
    if room.cart_people is not None:
        logs.carts.extend(cart_entries(room, room.cart_people), clock_ms)


def window_entries(room: Room) -> Iterator[WindowEntry]:
    """What changed in the room's windows, split so that no entry grows too large."""
    audiences = [_split(audience.take_changed()) for audience in room.audiences]
    tallies = [tally.take_changed() for tally in room.saved_tallies()]
    minor = {
        currency: buckets for currency, tally in room.paid_minor_tallies.items() if (buckets := tally.take_changed())
    }
    if not any(tallies) and not minor and not any(parts[0] for parts in audiences):
        return
    tallies = grown(tallies, TALLIES_1, {})
    none: list[dict[int, int]] = [{} for _ in range(TALLIES_1)]
    for part in range(max(map(len, audiences))):
        people = [parts[part] if part < len(parts) else {} for parts in audiences]
        people = grown(people, AUDIENCES_1, {})
        yield WindowEntry(room.room_id, room.born_ms, people, none if part else tallies, {} if part else minor)


def _split(people: dict[str, V]) -> list[dict[str, V]]:
    """At least one part, none of them too large for an entry."""
    if len(people) <= ENTRY_ITEMS:
        return [people]
    items = iter(people.items())
    return [*iter(lambda: dict(islice(items, ENTRY_ITEMS)), {})]


def order_entries(room: Memory) -> Iterator[OrderEntry]:
    """Orders changed since the last call."""
    changed, room.changed_orders = room.changed_orders, {}
    for order_id in changed:
        order = room.orders[order_id]
        yield OrderEntry(
            room.room_id,
            room.known_ms,
            order.order_id,
            order.user_id,
            order.currency,
            order.amount_minor,
            order.lines,
            order.mask,
            order.hold_until_ms,
            order.changed_ms,
            order.moves,
            order.moved_in,
            order.moves_before,
            order.device_id,
            order.hold_ms,
        )


def presence_entries(room: Room) -> Iterator[PresenceEntry]:
    """Sessions changed since the last call."""
    if changed := room.presence.take_changed():
        for part in _split(changed):
            yield PresenceEntry(room.room_id, room.born_ms, part)


def cart_entries(room: Room, people: CartPeople) -> Iterator[CartEntry]:
    """Carts and leaves changed since the last call."""
    for (sale_id, sku_id), ledger in room.ledgers.items():
        if ledger.carts is not None and (changed := ledger.carts.take_changed()):
            for part in _split(changed):
                yield CartEntry(room.room_id, room.born_ms, sale_id, sku_id, ledger.carts.bits, part, {})
    if left := people.take_changed():
        for part_left in _split(left):
            yield CartEntry(room.room_id, room.born_ms, "", "", 0, {}, part_left)


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
    room.money = head.money
    room.first_offsets = fitted(head.first_offsets, len(TOPIC_NAMES), -1)
    room.first_unit_ms = head.first_unit_ms
    room.feed = [FeedItem("order", *item) for item in head.feed]
    room.sales_refused = head.sales_refused
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
    memory.terms = {key_of: _terms_of(terms, head.words.get(key_of, [])) for key_of, terms in head.terms.items()}
    _restore_past(memory, head.past)
    return memory


def _restore_past(memory: Memory, ledgers: list[LedgerHead]) -> None:
    for head in ledgers:
        memory.past[head.sale_id, head.sku_id] = ledger_of(head, memory.rules)


def restore_members(room: Room, key: bytes, value: bytes) -> None:
    """One block of members, or a sketch. Blocks must come in order of their number."""
    _, _, kind, block = key.split(b"|")
    if kind.startswith(b"a"):
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


def restore_windows(room: Room, entry: WindowEntry) -> None:
    """What one window entry says. Of a small room it says little: one person of one audience, one bucket."""
    for audience, people in zip(room.audiences, entry.audiences, strict=False):
        if people:
            audience.last.update(people)
    for tally, buckets in zip(room.saved_tallies(), entry.tallies, strict=False):
        if buckets:
            tally.restore(buckets)
    for currency, buckets in entry.minor.items():
        room.paid_minor_tallies.setdefault(currency, Tally()).restore(buckets)


def restore_order(room: Memory, entry: OrderEntry) -> None:
    """One order as it last was."""
    orders = room.orders
    orders.pop(entry.order_id, None)
    orders[entry.order_id] = OrderState(
        entry.order_id,
        entry.user_id,
        one_of_equal(entry.currency),
        entry.amount_minor,
        one_of_equal(entry.lines),
        entry.mask,
        entry.hold_until_ms,
        entry.changed_ms,
        entry.device_id,
        one_of_equal(entry.moves),
        entry.moved_in,
        entry.moves_before,
        hold_ms=entry.hold_ms,
    )


def restore_carts(room: Room, entry: CartEntry) -> None:
    """What one entry says of carts or of leaves; under the first edition nobody asks."""
    people = room.cart_people
    if people is None:
        return
    people.restore(entry.left)
    ledger = room.ledgers.get((entry.sale_id, entry.sku_id))
    if ledger is not None:
        room.carts_of(ledger, people).restore(entry.carts, entry.bits)
        people.carted(ledger, [*entry.carts])


def finish_restore(room: Room, clock_ms: int) -> Iterator[None]:
    """Everything that is derived, in steps: totals of windows, people of ledgers, unpaid orders, open sessions."""
    yield from finish_memory(room)
    bucket = clock_ms // 1_000
    for ledger in room.ledgers.values():
        ledger.carters_with_order = sum(1 for user_id in ledger.users if user_id in ledger.carters)
        if ledger.carts is not None:
            ledger.carts.restored(clock_ms)
        yield
    if room.cart_people is not None:
        room.cart_people.sweep()
        room.cart_people.sweep_holders()
    for audience in room.audiences:
        audience.keep_sample()
        audience.advance(bucket)
        audience.rebuild()
        audience.changed.clear()
        yield
    for tally in room.tallies():
        tally.advance(bucket)
        tally.recount()
    room.presence.rebuild()
    room.presence.advance(clock_ms)
    if room.suspects is not None:
        room.unseen.restore()
    yield


def finish_memory(memory: Memory) -> Iterator[None]:
    """What is derived of a room that is known: people of ledgers, unpaid orders."""
    unpaid = memory.unpaid
    for count, order in enumerate(memory.orders.values(), 1):
        if memory.suspects is None and STANDINGS[order.mask].unpaid and order.user_id not in memory.strangers:
            unpaid[order.user_id] = unpaid.get(order.user_id, 0) + 1
        if count % ORDERS_IN_A_STEP == 0:
            yield
    for count, order in enumerate(memory.orders.values(), 1):
        _give_back_units(memory, order)
        if count % ORDERS_IN_A_STEP == 0:
            yield
    if memory.suspects is not None:
        yield from find_all(memory, memory.suspects)
    memory.ids.restored()


def _give_back_units(room: Memory, order: OrderState) -> None:
    _, _, _, held, sold, _, _ = STANDINGS[order.mask]
    if not (held or sold):
        return
    is_known = order.user_id not in room.strangers
    suspect = is_known and is_suspect(room, order)
    for sale_id, sku_id, quantity in order.lines:
        ledger = room.find((sale_id, sku_id))
        if ledger is not None:
            if is_known:
                ledger.add_units(order.user_id, held * quantity, sold * quantity)
                ledger.suspect_held += suspect * held * quantity
            ledger.owe(held * quantity, order.hold_until_ms)
