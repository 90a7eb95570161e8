"""What a suspicion does to ledgers: what a suspected order counts under, and what its sale's pace leaves out.

Which orders are suspected is decided in `suspects.py` and `unseen.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.ledger import oldest_buckets
from stream.core.rounds import is_former
from stream.core.standing import APART, STANDINGS, STANDS_BY
from stream.core.suspects import NEVER_SEEN, facts_of, moves_of_session
from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.core.memory import Memory
    from stream.core.order_state import OrderState
    from stream.core.suspects import Facts, Suspects

NO_OTHERS: Mapping[str, OrderState] = {}
# Some milliseconds of a restore.
ORDERS_IN_A_STEP = 5_000


def suspect(memory: Memory, order: OrderState, suspicion: int, *, paced: bool = True) -> None:
    """An order is suspected by these rules from now on, and by no other.

    `paced`: its pace is counted, or left out, accordingly; after a restore it is already.
    """
    was = order.suspicion
    if was == suspicion:
        return
    if was:
        count_suspect(memory, order, -1)
    order.suspicion = suspicion
    if paced and memory.in_session and (not was or not suspicion):
        _count_pace(memory, order, -1 if suspicion else 1)
    if suspicion:
        memory.shared.uses_second = True
        count_suspect(memory, order, 1)


def count_suspect(memory: Memory, order: OrderState, sign: int) -> None:
    """Count what a suspected order holds or bought under its rule, or no longer."""
    standing = STANDINGS[order.mask & STANDS_BY]
    if not (standing.held or standing.sold):
        return
    place = (order.suspicion & -order.suspicion).bit_length() - 1
    for sale_id, sku_id, quantity in order.lines:
        ledger = memory.find((sale_id, sku_id))
        if ledger is not None and quantity:
            ledger.count_suspect(place, sign, sign * quantity)


def _count_pace(memory: Memory, order: OrderState, sign: int) -> None:
    oldest = oldest_buckets(memory.shared.clock_ms // BUCKET_MS, memory.rules.bought_window_ms)
    if order.mask & APART:
        _count_pace_apart(memory, order, sign, oldest)
        return
    for second, net, sold in moves_of_session(order, memory.born_ms):
        for sale_id, sku_id, quantity in order.lines:
            ledger = memory.find((sale_id, sku_id))
            if ledger is not None:
                of_round = 0 if is_former(ledger, order, memory.rules) else net
                units = sign * of_round * quantity, sign * sold * quantity
                ledger.count_pace(units, sign * sold, second, oldest, returned=of_round < 0)


def _count_pace_apart(memory: Memory, order: OrderState, sign: int, oldest: tuple[int, int]) -> None:
    parts = memory.parts[order.order_id]
    for key, second, net, sold, orders in parts.moves_of(memory.born_ms):
        ledger = memory.find(key)
        if ledger is not None:
            of_round = 0 if is_former(ledger, order, memory.rules) else net
            ledger.count_pace((sign * of_round, sign * sold), sign * orders, second, oldest, returned=of_round < 0)


def look_again(
    memory: Memory,
    suspects: Suspects,
    order: OrderState,
    before: Facts | None,
    others: Mapping[str, OrderState] = NO_OTHERS,
) -> None:
    """An order has changed since: who is suspected now? `others`: orders that are to be looked at as well."""
    if order.device_id is not None:
        memory.shared.uses_second = True
    found = suspects.update(order, before, facts_of(order, memory.rules)) or {}
    for each in {**others, **found}.values():
        suspect(memory, each, suspects.judge(each) | each.suspicion & NEVER_SEEN)


def forget(memory: Memory, suspects: Suspects, order: OrderState) -> None:
    """An order is not remembered any more, and speaks against no other."""
    suspect(memory, order, 0)
    for each in suspects.take_out(order).values():
        suspect(memory, each, suspects.judge(each) | each.suspicion & NEVER_SEEN)


def find_all(memory: Memory, suspects: Suspects) -> Iterator[None]:
    """Suspect the orders that the windows of all restored orders suspect. In steps."""
    found: dict[str, OrderState] = {}
    for count, order in enumerate(memory.orders.values(), 1):
        if order.user_id not in memory.strangers:
            found |= suspects.update(order, None, facts_of(order, memory.rules)) or {}
        if count % ORDERS_IN_A_STEP == 0:
            yield
    for count, order in enumerate(found.values(), 1):
        suspect(memory, order, suspects.judge(order), paced=False)
        if count % ORDERS_IN_A_STEP == 0:
            yield
