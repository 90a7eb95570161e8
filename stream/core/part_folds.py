"""What orders do to their room of which parts were cancelled or refunded: rare, so apart from `orders.py`.

A whole status, a part and another revision (`edits.py`) are folded alike: what the order contributed before is taken
out, what it contributes now is put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.conflicts import note_lines
from stream.core.order_state import OrderState
from stream.core.parts import Parts, word_of
from stream.core.rounds import is_former
from stream.core.standing import PARTLY, STANDINGS, STANDS_BY
from stream.core.suspects import moves_of_session
from stream.core.suspicion import count_suspect

if TYPE_CHECKING:
    from stream.contract.events import Order
    from stream.core.parts import Move, Stand
    from stream.core.room import Room

_NOTHING = (0, 0, 0, 0)


def fold_part(room: Room, event: Order, second: int) -> tuple[bool, int]:
    """Fold a cancel or refund of a part. Returns whether it counted, and by how many the units of sales changed."""
    part_id, word, parts_max = event.part_id or "", word_of(event), room.rules.order_parts_max
    order, parts = room.orders.get(event.order_id), room.parts.get(event.order_id)
    if order is None:
        order = OrderState.of(event)
    else:
        note_lines(room, order, event)
    if parts is None:
        parts = Parts(order.lines, room.born_ms, moves_so_far(room, order))
    if not parts.is_news(part_id, word, parts_max):
        if parts.is_beyond(part_id, parts_max):
            room.shared.parts_beyond.append(event)
        room.renew_order(order)
        return False, 0
    room.parts[order.order_id] = parts
    if not order.has_lines and event.lines:
        order.learn(event)
        parts.learn(order)
    room.make_ledgers(parts.whole)
    was, off = parts.stand(order, order.mask), parts.off
    if order.suspicion:
        count_suspect(room, order, -1)
    if parts.take(part_id, word, parts_max):
        room.shared.parts_beyond.append(event)
    parts.cut(order)
    if order.suspicion:
        count_suspect(room, order, 1)
    _note(room, order)
    _move_products(room, order, off, parts.off)
    return True, move(room, order, was, second)


def _note(room: Room, order: OrderState) -> None:
    """Something new was said of a part of an order."""
    if not order.mask & PARTLY:
        order.mask |= PARTLY
        room.orders_later[PARTLY] = room.orders_later.get(PARTLY, 0) + 1
    room.shared.uses_second = True
    room.renew_order(order)


def _move_products(room: Room, order: OrderState, before: dict[str, int], after: dict[str, int]) -> None:
    if room.products is not None and STANDINGS[order.mask & STANDS_BY].sold:
        room.products.part_taken(order, before, after)


def moves_so_far(room: Room, order: OrderState) -> list[Move]:
    """What a whole order did to the pace of its sales in this session."""
    return [
        ((sale_id, sku_id), second, net * quantity, sold * quantity, sold)
        for second, net, sold in moves_of_session(order, room.born_ms)
        for sale_id, sku_id, quantity in order.lines
    ]


def move(room: Room, order: OrderState, was: Stand, second: int, *, ran_out: bool = False) -> int:
    """Put in what an order with parts or revisions contributes now, instead of what it did before.

    Args:
        room: its room.
        order: the order, as it is now.
        was: what it contributed before.
        second: in which it changed.
        ran_out: its hold did, which is no news of a past sale.

    Returns by how many the units of sales changed.
    """
    parts = room.parts[order.order_id]
    now = parts.stand(order, order.mask)
    room.money.setdefault(order.currency, [0, 0, 0])[2] += now.net_minor - was.net_minor
    person = None if order.user_id in room.strangers else order.user_id
    moved = 0
    for key in {**was.units, **now.units}:
        after, before = now.units.get(key, _NOTHING), was.units.get(key, _NOTHING)
        held, sold, released, gone = (after[at] - before[at] for at in range(len(after)))
        orders = (after[1] > 0) - (before[1] > 0)
        net = held + sold + gone
        moved += net
        if net or sold:
            parts.note_move((key, second, net, sold, orders), room.born_ms)
        ledger = room.ledgers.get(key)
        if ledger is None:
            ledger = (ran_out and room.past.get(key)) or room.ledger(*key)
        if ledger is None:
            continue
        ledger.released += released
        former = is_former(ledger, order, room.rules)
        if former:
            ledger.move_former((held, sold, gone), 1)
        if order.suspicion:
            ledger.commit(person, held, sold, gone)
        else:
            ledger.move(person, held, sold, second, suspect=False, gone=gone, paced=not former, orders=orders)
        ledger.owe(held, order.hold_until_ms)
    return moved
