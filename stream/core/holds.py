"""How long an order holds its units: by its terms of payment, else by what is said of its sales, else by the rules.

It follows from the set of what was said. So a word that is read late changes the holds of orders that are known, and
gives back what had run out by mistake.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from stream.core.standing import EXPIRED, KEPT, PAID, PLACED, UNDONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.memory import Memory
    from stream.core.order_state import OrderState


def own_hold_ms(memory: Memory, order: OrderState) -> int:
    """How long an order holds by what was said of it and of its sales; −1: nothing was, and the rules decide.

    An order of several sales holds all of its units for as long as any of them lets it.
    """
    if order.mask & KEPT:
        return memory.rules.kept_hold_ms
    longest_ms, is_ruled = -1, False
    for sale_id, sku_id, _ in order.lines:
        ledger = memory.find((sale_id, sku_id))
        hold_ms = None if ledger is None else ledger.hold_ms
        if hold_ms is None:
            is_ruled = True
        elif hold_ms > longest_ms:
            longest_ms = hold_ms
    return max(longest_ms, order.ruled_hold_ms(memory.rules)) if is_ruled and longest_ms >= 0 else longest_ms


def orders_of_sale(memory: Memory, sale_id: str, sku_id: str) -> Iterator[OrderState]:
    """The orders whose holds a word about this sale may change: of a few minutes, among all that are remembered."""
    for order in memory.orders.values():
        if is_open(order) and not order.mask & KEPT:
            for sale, sku, _ in order.lines:
                if sale == sale_id and sku == sku_id:
                    yield order
                    break


def is_open(order: OrderState) -> bool:
    """Whether it was placed and nothing came of it yet: it holds its units, or held them until its hold ran out."""
    return order.mask & (PLACED | PAID | UNDONE) == PLACED and bool(order.lines)


def hold_longer_or_shorter(memory: Memory, order: OrderState, hold_ms: int) -> bool:
    """Set the hold of an order that is open. Returns whether it had run out, and has not by what is known now.

    `hold_ms`: see `own_hold_ms`.
    """
    placed_ms = order.placed_ms(memory.rules)
    has_hold = order.has_hold
    if has_hold:
        _owe(memory, order, -1)
    order.own_hold_ms = hold_ms
    order.hold_until_ms = placed_ms + (order.ruled_hold_ms(memory.rules) if hold_ms < 0 else hold_ms)
    if has_hold:
        _owe(memory, order, 1)
        wait_for_end(memory, order)
    return bool(order.mask & EXPIRED) and order.hold_until_ms > memory.shared.clock_ms


def wait_for_end(memory: Memory, order: OrderState) -> None:
    """Have the clock end the hold of an order."""
    heappush(memory.shared.holds, (order.hold_until_ms, memory.room_id, order.order_id))


def _owe(memory: Memory, order: OrderState, sign: int) -> None:
    for sale_id, sku_id, quantity in order.lines:
        ledger = memory.find((sale_id, sku_id))
        if ledger is not None:
            ledger.owe(sign * quantity, order.hold_until_ms)
            ledger.version += 1
            ledger.forecast = None
