"""Rounds of a sale: it is opened again under its own id, with a later start, once the round before it has begun.

What is offered then is offered anew. An order belongs to the round in which it was placed: what the orders of former
rounds hold, bought or took for ever is counted apart, and is no part of what the round has. All of it follows from the
set of openings, restocks and orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.parts import units_of

if TYPE_CHECKING:
    from stream.core.ledger import Ledger
    from stream.core.memory import Memory
    from stream.core.order_state import OrderState
    from stream.core.rules import Rules


def is_former(ledger: Ledger, order: OrderState, rules: Rules) -> bool:
    """Whether an order was placed before the present round began; one that was only paid, paid before."""
    return ledger.round_from_ms >= 0 and order.placed_ms(rules) < ledger.round_from_ms


def begin_round(memory: Memory, ledger: Ledger) -> None:
    """Count anew which units are of former rounds, because the present round is another or begins at another moment.

    Orders that are not remembered are of former rounds.
    """
    ledger.version += 1
    ledger.forecast = None
    if ledger.round_from_ms < 0:
        ledger.former = [0, 0, 0]
        return
    former = [ledger.held, ledger.sold, ledger.gone]
    key, rules = (ledger.sale_id, ledger.sku_id), memory.rules
    for order in memory.orders.values():
        if is_former(ledger, order, rules):
            continue
        for of_key, (held, sold, _, gone) in units_of(order, memory.parts.get(order.order_id)):
            if of_key == key:
                former = [units - each for units, each in zip(former, (held, sold, gone), strict=True)]
    ledger.former = former


def place_again(memory: Memory, order: OrderState, hold_until_ms: int) -> None:
    """A paid order is said to have been placed, so it may be one of another round than was thought."""
    rules = memory.rules
    units = units_of(order, memory.parts.get(order.order_id))
    ledgers = [(memory.find(key), (held, sold, gone)) for key, (held, sold, _, gone) in units]
    was = [ledger is not None and is_former(ledger, order, rules) for ledger, _ in ledgers]
    order.hold_until_ms, order.hold_ms = hold_until_ms, rules.hold_ms
    for (ledger, of_line), was_former in zip(ledgers, was, strict=True):
        if ledger is not None and (moved := is_former(ledger, order, rules) - was_former):
            ledger.move_former(of_line, moved)
