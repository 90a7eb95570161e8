"""What an order is and contributes: a function of the set of statuses that were seen for its id, and of that alone.

The set is a number, one bit for each status. So repeating a status, or learning them in another order, ends the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import OrderStatus

if TYPE_CHECKING:
    from stream.contract.events import Order

PLACED, PAID, CANCELLED, REFUNDED, EXPIRED = 1, 2, 4, 8, 16
# What a cancel or refund said of the units, from the second edition of signals on: they do not come back; they do.
GONE, BACK = 32, 64
# What moves neither money nor stock, from the second edition of signals on.
SHIPPED, DELIVERED, COMPLETED, PAYMENT_FAILED = 128, 256, 512, 1_024
LATER = SHIPPED | DELIVERED | COMPLETED | PAYMENT_FAILED
# Something was said of a part of it: what, is in `parts.py`. From the second edition of signals on.
PARTLY = 2_048
# It is paid on delivery or after a deposit, so its hold does not run out. From the second edition of signals on.
KEPT = 4_096
# It was edited before it was paid, so its lines are others than at first. From the second edition of signals on.
REVISED = 16_384
# What it did to the pace of its sales is kept apart, in `parts.py`.
APART = PARTLY | REVISED
# In no set: its hold, which had run out, is longer than was known.
HELD_AGAIN = 8_192
STATUS_BIT = {
    OrderStatus.PLACED: PLACED,
    OrderStatus.PAID: PAID,
    OrderStatus.CANCELLED: CANCELLED,
    OrderStatus.REFUNDED: REFUNDED,
    OrderStatus.SHIPPED: SHIPPED,
    OrderStatus.DELIVERED: DELIVERED,
    OrderStatus.COMPLETED: COMPLETED,
    OrderStatus.PAYMENT_FAILED: PAYMENT_FAILED,
}
UNDONE = CANCELLED | REFUNDED
STATUS_SETS = 2 * BACK
# The bits of a set on which its standing depends.
STANDS_BY = STATUS_SETS - 1


def bits_of(event: Order, *, second_signals: bool) -> int:
    """What a record says of its order: a status, whether the units of one that is undone come back, how it is paid.

    Or that something is said of a part of it. Under the first edition of signals nobody asked but for the status.
    """
    if event.part_id is not None and second_signals:
        return PARTLY
    bit = STATUS_BIT[event.status]
    if event.payment_terms is not None and second_signals:
        bit |= KEPT
    if event.restock is not None and second_signals and bit & UNDONE:
        bit |= BACK if event.restock else GONE
    return bit


def is_placed(mask: int) -> bool:
    """Whether an order counts as placed: a paid one was placed, whether or not we saw it."""
    return bool(mask & (PLACED | PAID))


def is_sold(mask: int) -> bool:
    """Whether its units are sold: paid and not undone."""
    return bool(mask & PAID) and not mask & UNDONE


def is_held(mask: int) -> bool:
    """Whether its units are held: placed, not paid, not undone, and the hold has not run out."""
    return mask & (PLACED | PAID) == PLACED and not mask & (UNDONE | EXPIRED)


def is_gone(mask: int) -> bool:
    """Whether its units are neither sold nor for sale: it was undone, they did not come back, and nobody said later."""
    return is_placed(mask) and bool(mask & UNDONE) and mask & (GONE | BACK) == GONE


def is_released(mask: int) -> bool:
    """Whether its units went back: placed once, and now neither held nor sold nor gone."""
    return is_placed(mask) and not is_held(mask) and not is_sold(mask) and not is_gone(mask)


class Standing(NamedTuple):
    """What an order contributes, as 0 or 1 of each: a function of its set of statuses alone.

    Of two standings: what a transition between them changes, as −1, 0 or 1 of each.
    """

    placed: int
    paid: int
    unpaid: int
    held: int
    sold: int
    released: int
    gone: int


# By set of statuses, for all sets of those that matter (`STANDS_BY`).
STANDINGS = tuple(
    Standing(
        placed=int(is_placed(mask)),
        paid=int(bool(mask & PAID)),
        unpaid=int(mask & (PLACED | PAID) == PLACED),
        held=int(is_held(mask)),
        sold=int(is_sold(mask)),
        released=int(is_released(mask)),
        gone=int(is_gone(mask)),
    )
    for mask in range(STATUS_SETS)
)


def _steps_from(before: int) -> dict[int, Standing]:
    was = STANDINGS[before]
    return {
        after: Standing(*[now - then for then, now in zip(was, STANDINGS[after], strict=True)])
        for after in range(STATUS_SETS)
        if (after | EXPIRED) & before == before
    }


# What changes, by the set of statuses before, and by the one after, which holds it. That a hold has run out is no word
# of anybody, and may prove wrong.
TRANSITIONS = tuple(_steps_from(before) for before in range(STATUS_SETS))
