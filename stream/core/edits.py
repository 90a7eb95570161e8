"""What orders do to their room that are edited before they are paid: another revision has other lines.

As with a part: what the order contributed before is taken out, what it contributes now is put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.holds import is_open, wait_for_end
from stream.core.order_state import OrderState
from stream.core.part_folds import move, moves_so_far
from stream.core.parts import Parts
from stream.core.standing import EXPIRED, REVISED, STANDINGS, STANDS_BY
from stream.core.suspects import was_placed_in
from stream.core.suspicion import count_suspect, look_again, suspect

if TYPE_CHECKING:
    from stream.contract.events import Order
    from stream.core.room import Room


def revise(room: Room, order: OrderState, event: Order, second: int) -> int:
    """Take the lines of another revision of an order that is not paid. It goes on to hold for as long as it did.

    Returns by how many the units of sales changed.
    """
    parts = room.parts.get(order.order_id) or Parts(order.lines, room.born_ms, moves_so_far(room, order))
    suspects = None if order.user_id in room.strangers else room.suspects
    was, amounts, amount_minor = parts.stand(order, order.mask), order.amounts, order.amount_minor
    had_lines = bool(order.lines)
    for lines in (parts.whole, OrderState.of(event).lines):
        room.make_ledgers(lines)
    if order.suspicion:
        count_suspect(room, order, -1)
    found = {} if suspects is None else suspects.take_out(order)
    order.revise(event)
    order.mask |= REVISED
    parts.learn(order)
    room.parts[order.order_id] = parts
    if not had_lines and is_open(order) and order.hold_until_ms <= room.shared.clock_ms:
        order.mask |= EXPIRED  # it held nothing that the clock could have freed
    room.renew_order(order)
    placed = STANDINGS[order.mask & STANDS_BY].placed
    room.money.setdefault(order.currency, [0, 0, 0])[0] += placed * (order.amount_minor - amount_minor)
    if room.products is not None and placed:
        room.products.revised(order, amounts)
    if order.suspicion:
        count_suspect(room, order, 1)
    moved = move(room, order, was, second)
    if suspects is not None:
        look_again(room, suspects, order, None, found)
        if not order.lines:
            room.unseen.drop(order)
            suspect(room, order, 0)
        elif not had_lines and was_placed_in(order, room.born_ms) and STANDINGS[order.mask & STANDS_BY].unpaid:
            room.unseen.placed(order)
    if not had_lines and order.has_hold:
        wait_for_end(room, order)
    return moved
