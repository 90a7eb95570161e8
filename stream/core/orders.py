"""What orders do to their room: totals, money, stock, people.

An order is the set of statuses that were seen of it (`order_state.py`). A table of all transitions says what changes
with the set. Sums and people of many orders go into windows together (`order_sums.py`).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING

from stream.core.conflicts import note_lines
from stream.core.edits import revise
from stream.core.holds import hold_longer_or_shorter, is_open, orders_of_sale, own_hold_ms, wait_for_end
from stream.core.order_state import OrderState
from stream.core.order_sums import count_paid, count_placed, count_units, feed
from stream.core.part_folds import fold_part, move
from stream.core.products import NOTHING_OFF
from stream.core.rounds import is_former, place_again
from stream.core.standing import (
    APART,
    BACK,
    CANCELLED,
    EXPIRED,
    GONE,
    HELD_AGAIN,
    KEPT,
    LATER,
    PAID,
    PARTLY,
    PLACED,
    REFUNDED,
    STANDINGS,
    STANDS_BY,
    TRANSITIONS,
    bits_of,
)
from stream.core.suspects import facts_of, note_move
from stream.core.suspicion import count_suspect, forget, look_again
from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.contract.events import Order
    from stream.core.memory import Memory
    from stream.core.order_sums import Seen
    from stream.core.room import Room
    from stream.core.suspects import Suspects


# What is no word about an order, but follows from the clock and from how long it holds.
_BY_THE_CLOCK = (EXPIRED, HELD_AGAIN)


def fold_orders(  # noqa: C901, PLR0912, PLR0915 — as `seen`
    room: Room, events: Sequence[Order], at_ms: Sequence[int], new: Iterable[bool] = repeat(True)
) -> list[bool]:
    """Fold records of orders, in the order of the log. None of them is in conflict: see `conflicts`.

    Args:
        room: theirs.
        events: the records.
        at_ms: when each counts.
        new: of each whether its event id is new.

    Returns of each record whether it counted; it does not when its order already had the status, and nothing new is
    said of the lines or the units.
    """
    orders, hold_ms = room.orders, room.rules.hold_ms
    second_edition, second_signals = room.second_edition, room.rules.second_signals
    counted: list[bool] = []
    placed: Seen = []
    paid: Seen = []
    income: defaultdict[tuple[str, int], int] = defaultdict(int)  # (currency, second) → minor units
    units: defaultdict[int, int] = defaultdict(int)  # second → units of sales
    sold: list[tuple[Order, int]] = []
    for event, when_ms, is_new in zip(events, at_ms, new):  # noqa: B905 — `new` may have no end
        bit, order_id = bits_of(event, second_signals=second_signals), event.order_id
        order, second = orders.get(order_id), when_ms // BUCKET_MS
        if event.revision and second_signals:
            room.shared.uses_second = True
        revised = order is not None and is_new and second_signals and order.revises(event)
        if order is not None and revised and (moved := _revise(room, order, event, second)):
            units[second] += moved
        if bit == PARTLY:
            has_counted, moved = fold_part(room, event, second)
            counted.append(has_counted or revised)
            if moved:
                units[second] += moved
            continue
        if not is_new:
            counted.append(False)
            if order is not None and not bit & ~order.mask:
                room.renew_order(order)
            continue
        if order is None:
            order = OrderState.of(event)
        else:
            if second_edition:
                note_lines(room, order, event)
            bit &= ~order.mask
            if not bit:
                counted.append(revised)
                if second_edition:
                    room.renew_order(order)
                continue
            del orders[order_id]  # last again
            if not order.has_lines and event.lines:
                _learn(room, order, event)
        order_id = order.order_id  # of equal ones, the one that is remembered: no other stays in memory
        counted.append(True)
        orders[order_id] = order
        before = order.mask
        if bit & KEPT:
            bit ^= KEPT
            if moved := _keep(room, order, second):
                units[second] += moved
            if not bit:
                continue
        if bit == PLACED and order.lines:
            if before & PAID and second_signals:
                place_again(room, order, when_ms + hold_ms)
            order.hold_until_ms = when_ms + hold_ms
            if second_signals:
                order.hold_ms = hold_ms
                if not before & PAID and (own_ms := own_hold_ms(room, order)) >= 0:
                    order.own_hold_ms, order.hold_until_ms = own_ms, when_ms + own_ms
            wait_for_end(room, order)
        elif bit == PLACED and second_signals and not before & PAID:
            # It holds nothing, but another revision may.
            order.hold_until_ms, order.hold_ms = when_ms + hold_ms, hold_ms
        elif bit == PAID and second_signals and order.lines and not order.hold_until_ms:
            # It holds nothing, but this says of which round of its sale it is.
            order.hold_until_ms, order.hold_ms = when_ms + hold_ms, hold_ms
        if moved := _change(room, order, bit, second):
            units[second] += moved
        if not before & (PLACED | PAID) and bit & (PLACED | PAID):
            placed.append((order.user_id, second))
        if bit == PAID:
            paid.append((order.user_id, second))
            income[order.currency, second] += order.amount_minor
            sold.append((event, when_ms))
    if units:
        count_units(room, units)
    if placed:
        count_placed(room, placed)
    if paid:
        count_paid(room, paid, income)
        feed(room, sold)
    return counted


def hold_by_sale(room: Room, sale_id: str, sku_id: str, at_ms: int) -> None:
    """The newest word about a sale says how long orders hold its units: also those that are known."""
    second = at_ms // BUCKET_MS
    for order in [*orders_of_sale(room, sale_id, sku_id)]:
        hold_ms = own_hold_ms(room, order)
        if hold_ms != order.own_hold_ms:
            room.renew_order(order)
            if moved := _hold(room, order, hold_ms, second):
                count_units(room, {second: moved})


def _learn(room: Room, order: OrderState, event: Order) -> None:
    """The lines of an order, of which only records without lines were known."""
    order.learn(event)
    if order.mask & PARTLY:
        room.parts[order.order_id].learn(order)


def _revise(room: Room, order: OrderState, event: Order, second: int) -> int:
    """An order has another revision than was known. Returns by how many the units of sales changed."""
    if not order.has_lines:
        _learn(room, order, event)
        return _take_in(room, order, 0, second)
    parts = room.parts.get(order.order_id)
    if order.is_as_in(event, order.lines if parts is None else parts.whole):
        order.revision = event.revision or 0
        return _take_in(room, order, 0, second)
    moved = revise(room, order, event, second)
    if is_open(order) and (hold_ms := own_hold_ms(room, order)) != order.own_hold_ms:
        moved += _hold(room, order, hold_ms, second)
    return moved


def _keep(room: Room, order: OrderState, second: int) -> int:
    """An order is said to hold its units until something comes of it. Returns how many units are held again."""
    order.mask |= KEPT
    _take_in(room, order, 0, second)
    room.shared.uses_second = True
    return _hold(room, order, own_hold_ms(room, order), second) if is_open(order) else 0


def _hold(room: Room, order: OrderState, hold_ms: int, second: int) -> int:
    if not hold_longer_or_shorter(room, order, hold_ms):
        return 0
    moved = _change(room, order, HELD_AGAIN, second)
    wait_for_end(room, order)
    return moved


def expire_hold(room: Room, order_id: str, hold_until_ms: int) -> bool:
    """The hold of an order has run out in a session. Returns whether anything changed: not if it was paid or undone."""
    order = _order_to_expire(room, order_id, hold_until_ms)
    if order is None:
        return False
    second = order.hold_until_ms // BUCKET_MS
    if moved := _change(room, order, EXPIRED, second):
        count_units(room, {second: moved})
    return True


def release_hold(memory: Memory, order_id: str, hold_until_ms: int) -> bool:
    """`expire_hold` between two sessions: nothing of a session changes."""
    order = _order_to_expire(memory, order_id, hold_until_ms)
    if order is None:
        return False
    order.changed_ms = memory.shared.clock_ms
    memory.changed_orders[order.order_id] = None
    _release(memory, order, order.hold_until_ms // BUCKET_MS)
    return True


def _release(memory: Memory, order: OrderState, second: int) -> None:
    before = order.mask
    order.mask = after = before | EXPIRED
    step = TRANSITIONS[before & STANDS_BY][after & STANDS_BY]
    person = None if order.user_id in memory.strangers else order.user_id
    suspect = is_suspect(memory, order)
    if order.suspicion:
        order.mask = before
        count_suspect(memory, order, -1)
        order.mask = after
    for sale_id, sku_id, quantity in order.lines:
        ledger = memory.find((sale_id, sku_id))
        if ledger is not None:
            ledger.released += step.released * quantity
            former = is_former(ledger, order, memory.rules)
            if former:
                ledger.move_former((step.held, step.sold, step.gone), quantity)
            if order.suspicion:
                ledger.commit(person, step.held * quantity, step.sold * quantity)
            else:
                held, sold = step.held * quantity, step.sold * quantity
                ledger.move(person, held, sold, second, suspect=suspect, paced=not former)
            ledger.owe(step.held * quantity, order.hold_until_ms)


def _order_to_expire(memory: Memory, order_id: str, hold_until_ms: int) -> OrderState | None:
    """Returns the order whose hold this is, put last, as the one that changed last; None if it holds nothing now.

    Orders lie in the order of their last change, here and in the checkpoint.
    """
    order = memory.orders.get(order_id)
    if order is None or order.hold_until_ms != hold_until_ms or not order.has_hold:
        return None
    del memory.orders[order_id]
    memory.orders[order.order_id] = order
    return order


def forget_orders(memory: Memory, older_than_ms: int) -> int:
    """Forget orders that have not changed since `older_than_ms`. Returns how many."""
    forgotten = []
    for order_id, order in memory.orders.items():
        if order.changed_ms >= older_than_ms:
            break
        forgotten.append(order_id)
    for order_id in forgotten:
        order = memory.orders.pop(order_id)
        memory.changed_orders.pop(order_id, None)
        if order.has_hold and order.mask & KEPT:  # for want of room: nobody would give its units back
            _release(memory, order, memory.shared.clock_ms // BUCKET_MS)
        standing = STANDINGS[order.mask & STANDS_BY]
        if order.user_id in memory.strangers:
            pass
        elif memory.suspects is not None:
            forget(memory, memory.suspects, order)
        elif standing.unpaid:
            memory.count_unpaid(order.user_id, -1)
        for sale_id, sku_id, quantity in order.lines:
            ledger = memory.find((sale_id, sku_id))
            if ledger is not None:
                ledger.forget(order.user_id, quantity * standing.held, quantity * standing.sold)
        memory.parts.pop(order_id, None)
    return len(forgotten)


def is_suspect(memory: Memory, order: OrderState) -> bool:
    """By the rule of the first edition: whoever has so many unpaid orders, however old, is a suspect."""
    return memory.suspects is None and memory.unpaid.get(order.user_id, 0) >= memory.rules.suspect_unpaid_orders


def _change(room: Room, order: OrderState, bit: int, second: int) -> int:
    """One more status: old contribution out, new contribution in. Returns by how many the units of sales changed."""
    suspects = room.suspects
    if room.sales_refused:
        room.make_ledgers(order.lines)
    if suspects is None or order.user_id in room.strangers:
        return _take_in(room, order, bit, second)
    if bit == PAID:
        room.unseen.paid(order)
    if order.lines and not bit & LATER:
        return _change_watched(room, suspects, order, bit, second)
    if not bit & LATER and not (order.has_lines and (order.mask | bit) & PAID):
        note_move(order, bit, second, room.born_ms)  # it may come to have lines of a sale, and then it is watched
    return _take_in(room, order, bit, second)


def _change_watched(room: Room, suspects: Suspects, order: OrderState, bit: int, second: int) -> int:
    """The same of an order that may be suspected: from the second edition on, one of a sale by somebody known."""
    # Nearly all orders are the only ones of their accounts: nothing is to be asked of them.
    is_alone = bit in _BY_THE_CLOCK or suspects.is_alone(order)
    known = None if is_alone else facts_of(order, room.rules)
    if order.suspicion:
        count_suspect(room, order, -1)
    was_placed = order.mask & (PLACED | PAID)
    moved = _take_in(room, order, bit, second)
    note_move(order, bit, second, room.born_ms)
    if order.suspicion:
        count_suspect(room, order, 1)
    if not is_alone:
        look_again(room, suspects, order, known)
    if bit == PLACED and not was_placed:
        room.unseen.placed(order)
    return moved


def _take_in(room: Room, order: OrderState, bit: int, second: int) -> int:
    before = order.mask
    order.mask = after = before & ~EXPIRED if bit == HELD_AGAIN else before | bit
    order.changed_ms = room.shared.clock_ms
    changed, order_id, user_id = room.changed_orders, order.order_id, order.user_id
    if order_id in changed:
        del changed[order_id]  # last again
    changed[order_id] = None
    placed, paid, unpaid, held, sold, released, gone = TRANSITIONS[before & STANDS_BY][after & STANDS_BY]
    if bit & CANCELLED:
        room.orders_cancelled += 1
    elif bit & REFUNDED:
        room.orders_refunded += 1
    elif bit & LATER:
        room.orders_later[bit] = room.orders_later.get(bit, 0) + 1
    if bit & (GONE | BACK | LATER) or not order.has_lines:
        room.shared.uses_second = True
    money = room.money.get(order.currency)
    if money is None:
        money = room.money[order.currency] = [0, 0, 0]
    amount = order.amount_minor
    money[0] += amount * placed
    money[1] += amount * paid
    _move_products(room, order, placed, paid, sold)
    if after & APART:
        return move(room, order, room.parts[order_id].stand(order, before), second, ran_out=bit in _BY_THE_CLOCK)
    money[2] += amount * sold
    if unpaid and room.suspects is None and user_id not in room.strangers:
        room.count_unpaid(user_id, unpaid)
    if not order.lines:
        return 0
    return _move_stock(room, order, bit, second, (held, sold, released, gone))


def _move_products(room: Room, order: OrderState, placed: int, paid: int, sold: int) -> None:
    if room.products is not None and (placed or paid or sold):
        off = room.parts[order.order_id].off if order.mask & PARTLY else NOTHING_OFF
        person = None if order.user_id in room.strangers else order.user_id
        room.products.ordered(order, person, (placed, paid, sold), off)


def _move_stock(room: Room, order: OrderState, bit: int, second: int, step: tuple[int, int, int, int]) -> int:
    person = None if order.user_id in room.strangers else order.user_id
    held, sold, released, gone = step
    suspect = is_suspect(room, order)
    moved = 0
    for sale_id, sku_id, quantity in order.lines:
        moved += quantity
        ledger = room.ledgers.get((sale_id, sku_id))
        if ledger is None:  # a hold that runs out is no news of a past sale
            ledger = (bit in _BY_THE_CLOCK and room.past.get((sale_id, sku_id))) or room.ledger(sale_id, sku_id)
        if ledger is not None:
            ledger.released += released * quantity
            units = held * quantity, sold * quantity
            former = ledger.round_from_ms >= 0 and is_former(ledger, order, room.rules)
            if former:
                ledger.move_former((held, sold, gone), quantity)
            if order.suspicion:
                ledger.commit(person, *units, gone * quantity)
            else:
                ledger.move(person, *units, second, suspect=suspect, gone=gone * quantity, paced=not former)
            ledger.owe(held * quantity, order.hold_until_ms)
    return moved * (held + sold + gone)
