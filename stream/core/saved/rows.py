"""What changed in a room since the last cut, as entries of the change logs, and back."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from stream.core.order_state import OrderState, one_of_equal
from stream.core.parts import Parts, Word
from stream.core.saved.entries import ENTRY_ITEMS, CartEntry, OrderEntry, PartsEntry, PresenceEntry, WindowEntry
from stream.core.saved.growth import AUDIENCES_1, TALLIES_1, grown
from stream.core.standing import APART
from stream.core.windows import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.cart_people import CartPeople
    from stream.core.memory import Memory
    from stream.core.room import Room
    from stream.core.saved.entries import ChangeLogs

V = TypeVar("V")


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
        parts = room.parts[order_id] if order.mask & APART else None
        yield OrderEntry(
            room.room_id,
            room.known_ms,
            order.order_id,
            order.user_id,
            order.currency,
            order.amount_minor,
            order.lines if parts is None else parts.whole,
            order.mask,
            order.hold_until_ms,
            order.changed_ms,
            order.moves,
            order.moved_in,
            order.moves_before,
            order.device_id,
            order.hold_ms,
            None if parts is None else _parts_entry(parts),
            order.own_hold_ms,
            order.amounts if room.rules.products_max else None,
            order.revision,
        )


def _parts_entry(parts: Parts) -> PartsEntry:
    keys = {line[:2]: place for place, line in enumerate(parts.whole)}
    moves = [(keys.setdefault(key, len(keys)), *what) for key, *what in parts.moves]
    dropped = [*keys][len(parts.whole) :]
    return PartsEntry(parts.said, parts.moved_in, moves, dropped)  # type: ignore[arg-type] # words are tuples


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
    order = orders[entry.order_id] = OrderState(
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
        own_hold_ms=entry.own_hold_ms,
        amounts=None if entry.amounts is None else one_of_equal(entry.amounts),
        revision=entry.revision,
    )
    room.parts.pop(entry.order_id, None)
    if entry.parts is not None:
        keys = [*(line[:2] for line in order.lines), *entry.parts.dropped]
        moves = [(keys[place], second, net, sold, orders) for place, second, net, sold, orders in entry.parts.moves]
        parts = room.parts[entry.order_id] = Parts(order.lines, entry.parts.moved_in, moves)
        parts.said = {part_id: Word(*word) for part_id, word in entry.parts.said.items()}
        parts.cut(order)


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
