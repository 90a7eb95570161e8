"""Records that contradict what their room knows: an order of two users, one event id for two things, other lines.

The first two are refused whole: one of the two records is wrong, and the log does not say which. If a record has other
lines than the first record of its order and revision, or edits an order that is paid, the lines that are known hold, as
the contract says, and the record is noted. Only orders are checked, because an order must never vanish as a duplicate.
The first record in the log counts as right, so every reader agrees.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import Leave, Order, OrderStatus
from stream.contract.refusal import Reason, refuse
from stream.core.order_state import OrderState
from stream.core.standing import APART, PAID, PARTLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.decode import DeadLetter, Record
    from stream.contract.events import RoomEvent
    from stream.core.counters import Counters
    from stream.core.memory import Memory, Shared

# A record that was taken although its order, or the order's revision, began with other lines.
OTHER_LINES = "other_lines"
# A record that was taken although it edits an order that is paid.
EDITED_LATE = "edited_after_payment"
# A record that was taken although its event id names an event of another topic too; one of the two is an order.
USED_TWICE = "event_id_in_two_topics"
# A record that was taken although its order has more parts than are kept.
PARTS_BEYOND = "parts_beyond"
# So many wait to be told; the others are counted.
NOTED_MAX = 20
# In these multiples of its time an id is forgotten for certain.
IDS_GENERATIONS = 2


class Outcome(IntEnum):
    """What became of an event."""

    APPLIED = 0
    DUPLICATE = 1
    # Nothing has happened: the record is to be refused.
    ORDER_CONFLICT = 2
    EVENT_ID_CONFLICT = 3


REASON_OF = {Outcome.ORDER_CONFLICT: Reason.ORDER_CONFLICT, Outcome.EVENT_ID_CONFLICT: Reason.EVENT_ID_CONFLICT}


class Noted(NamedTuple):
    """A record that was taken and contradicts what is known of its order: where it is, for people.

    `name`: the order's id; of one event id in two topics, that id.
    """

    conflict: str
    topic_index: int
    offset: int
    name: str


def said_before(memory: Memory, event: RoomEvent) -> Outcome | None:
    """Returns what becomes of a record that repeats or contradicts what is known; None: the record may be new."""
    is_known_id = memory.ids.knows(event)
    if memory.second_edition and isinstance(event, Order):
        order = memory.orders.get(event.order_id)
        if is_known_id:
            if not is_known(memory, event):
                return Outcome.EVENT_ID_CONFLICT
            if order is not None and not memory.says_new(order, event):
                memory.renew_order(order)
        elif order is not None and is_of_another(memory, order, event):
            return Outcome.ORDER_CONFLICT  # its id is not remembered: mended it may come again under the same
    if not is_known_id:
        return None
    memory.ids.renew(event)
    return Outcome.DUPLICATE


def said_between(memory: Memory, event: RoomEvent) -> Outcome | None:
    """Returns what becomes of a record between two sessions; None: the record begins a session.

    Three kinds of record begin none: a repetition, a status that its order has reached already under another event id,
    and a `leave`, whose visit is over.
    """
    outcome = said_before(memory, event)
    if outcome is not None:
        return outcome
    if isinstance(event, Leave):
        outcome = Outcome.APPLIED
    elif isinstance(event, Order):
        order = memory.orders.get(event.order_id)
        if order is None or memory.says_new(order, event):
            return None
        if memory.second_edition:
            memory.renew_order(order)
            note_lines(memory, order, event)
        outcome = Outcome.DUPLICATE
    if outcome is not None:
        memory.remember(event)
    return outcome


def is_of_another(memory: Memory, order: OrderState, event: Order) -> bool:
    """Whether a record speaks of a known order as another user's, or in another currency."""
    if event.currency != order.currency:
        return True
    if event.user_id == order.user_id:
        return False
    # A guest who logs in meanwhile is no contradiction: the order stays no one's.
    return event.user_id not in memory.strangers and order.user_id not in memory.strangers


def is_known(memory: Memory, event: Order) -> bool:
    """Whether a record with a known event id says what its order is known to have come to: then it is a repetition.

    Also where that cannot be told, because orders were forgotten of whom an event id may still be remembered.
    """
    order = memory.orders.get(event.order_id)
    if order is not None and not memory.says_new(order, event):
        return True
    rules, bound_ms = memory.rules, memory.shared.orders_bound_ms
    if rules.remember_orders_ms < IDS_GENERATIONS * rules.remember_ids_ms:
        return True
    # Repetitions may have renewed an id since: only when the orders of that time would be forgotten by age as well can
    # none of them come again.
    return bound_ms >= 0 and bound_ms > memory.shared.clock_ms - rules.remember_orders_ms


def letter_of(memory: Memory, reason: Reason, event: Order) -> DeadLetter:
    """The refusal of a record that is in conflict."""
    if reason is Reason.EVENT_ID_CONFLICT:
        used = f"event_id {event.event_id!r} was used before"
        return refuse(reason, f"{used}, and order {event.order_id!r} is not known to be {event.status}", "/event_id")
    order = memory.orders[event.order_id]
    if event.currency != order.currency:
        detail = f"order {event.order_id!r} is known in {order.currency}, and this is in {event.currency}"
        return refuse(reason, detail, "/currency")
    return refuse(reason, f"order {event.order_id!r} is known as another user's", "/user_id")


def may_be_among(memory: Memory, events: Sequence[Order], new: Sequence[bool] | None) -> bool:
    """Whether any of these may be in conflict: then they have to be folded one at a time.

    Args:
        memory: of their room.
        events: records in the order of the log.
        new: of each whether its event id is new; None: all are.
    """
    known = memory.orders
    if new is None:
        first: dict[str, Order] = {}
        for event in events:
            order_id = event.order_id
            before = known.get(order_id) or first.setdefault(order_id, event)
            if before.user_id != event.user_id or before.currency != event.currency:
                return True
        return False
    said: dict[str, Order | OrderState] = {}
    masks: dict[str, int] = {}
    for event, is_new in zip(events, new, strict=True):
        order_id, bit = event.order_id, memory.bits_of(event)
        if bit == PARTLY:
            return True
        order = known.get(order_id)
        mask = masks.get(order_id, 0 if order is None else order.mask)
        if not is_new:
            if bit & ~mask or event.revision:
                return True
            continue
        other = said.setdefault(order_id, order or event)
        if other.user_id != event.user_id or other.currency != event.currency:
            return True
        masks[order_id] = mask | bit
    return False


def note_lines(memory: Memory, order: OrderState, event: Order) -> None:
    """Note a record of a known order whose lines do not count and should be the same: see the contract."""
    revision = event.revision or 0
    if not memory.rules.second_signals or revision == order.revision:
        noted = memory.shared.other_lines
    elif order.mask & PAID and (revision > order.revision or event.status is OrderStatus.PAID):
        noted = memory.shared.edited_late
    else:
        return  # the lines of another revision, before it was paid
    if has_other_lines(memory, order, event):
        noted.append(event)


def has_other_lines(memory: Memory, order: OrderState, event: Order) -> bool:
    """Whether a record of a known order has other lines than those that hold, as far as these are remembered."""
    if not event.lines or not order.has_lines:
        return False
    whole = memory.parts[order.order_id].whole if order.mask & APART else order.lines
    if len(event.lines) == 1:
        (line,) = event.lines
        if line.amount_minor != order.amount_minor:
            return True
        return whole != (() if line.sale_id is None else ((line.sale_id, line.sku_id, line.quantity),))
    other = OrderState.of(event)
    return other.amount_minor != order.amount_minor or other.lines != whole


def note_conflicts(
    shared: Shared,
    counters: Counters,
    noted: list[Noted],
    topic_index: int,
    records: Sequence[Record],
    events: Sequence[RoomEvent],
) -> None:
    """Count what `shared` holds of these records that were taken all the same, and note where the first ones are."""
    if not (shared.other_lines or shared.edited_late or shared.parts_beyond or shared.used_twice):
        return
    lines, shared.other_lines = shared.other_lines, []
    late, shared.edited_late = shared.edited_late, []
    beyond, shared.parts_beyond = shared.parts_beyond, []
    twice, shared.used_twice = shared.used_twice, []
    found: list[tuple[str, RoomEvent, str]] = [(OTHER_LINES, event, event.order_id) for event in lines]
    found += [(EDITED_LATE, event, event.order_id) for event in late]
    found += [(PARTS_BEYOND, event, event.order_id) for event in beyond]
    found += [(USED_TWICE, event, event.event_id) for event, _ in twice]
    counts = {
        OTHER_LINES: len(lines),
        EDITED_LATE: len(late),
        PARTS_BEYOND: len(beyond),
        USED_TWICE: sum(pairs for _, pairs in twice),
    }
    counters.conflicts.update({conflict: count for conflict, count in counts.items() if count})
    for conflict, event, name in found[: NOTED_MAX - len(noted)]:
        noted.append(Noted(conflict, topic_index, record_of(event, records, events).offset, name))


def record_of(event: RoomEvent, records: Sequence[Record], events: Sequence[RoomEvent]) -> Record:
    """The record that an event was read from; looked for only when there is something to say of it."""
    return next(record for record, each in zip(records, events, strict=True) if each is event)
