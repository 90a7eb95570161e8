"""What is remembered of one order.

What an order contributes follows from the set of statuses seen for its id (`standing.py`), so a transition is "take the
old contribution out, put the new one in": repeating one, or learning them in another order, ends the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from stream.contract.events import OrderStatus
from stream.core.standing import EXPIRED, PAID, UNDONE

if TYPE_CHECKING:
    from collections.abc import Hashable

    from stream.contract.events import Order, OrderLine
    from stream.core.rules import Rules

SHARED_MAX = 10_000
# The amount of an order of which only records without lines were seen: a cancel, say. It is neither placed nor paid.
UNKNOWN_AMOUNT = -1

T = TypeVar("T", bound="Hashable")

# The part of an order that touches stock: the sale, the SKU, the units.
SaleLine = tuple[str, str, int]


# What an order costs by product: SKU → minor units.
Amounts = tuple[tuple[str, int], ...]


def merged(lines: tuple[SaleLine, ...]) -> tuple[SaleLine, ...]:
    """One line for each SKU of each sale: a ledger must see an order once, however it is written down."""
    units: dict[tuple[str, str], int] = {}
    for sale_id, sku_id, quantity in lines:
        units[sale_id, sku_id] = units.get((sale_id, sku_id), 0) + quantity
    return tuple([(*key, quantity) for key, quantity in units.items()])


def _by_product(lines: tuple[OrderLine, ...]) -> Amounts:
    of_sku: dict[str, int] = {}
    for line in lines:
        of_sku[line.sku_id] = of_sku.get(line.sku_id, 0) + line.amount_minor
    amounts: Amounts = one_of_equal(tuple(of_sku.items()))
    return amounts


@lru_cache(maxsize=SHARED_MAX)
def one_of_equal(value: T) -> T:
    """One object for all equal values: orders hardly differ in lines and currency, users of a sale in their units.

    Copies were a third of what an order takes in memory.
    """
    return value


class OrderState(Struct, gc=False):
    """What is remembered of one order."""

    order_id: str
    user_id: str
    currency: str
    amount_minor: int
    lines: tuple[SaleLine, ...]
    mask: int = 0
    hold_until_ms: int = 0
    changed_ms: int = 0
    # For suspicion (`suspicion.py`): how it came to its statuses, in the session of `moved_in` from `moves_before` on.
    device_id: str | None = None
    moves: tuple[int, ...] = ()
    moved_in: int = -1
    moves_before: int = 0
    suspicion: int = 0
    # From the second edition of signals on: how long it holds, by the rules when it was placed; −1: as long as all.
    hold_ms: int = -1
    # The same by what was said of its sales and of how it is paid (`holds.py`); −1: nothing was.
    own_hold_ms: int = -1
    amounts: Amounts | None = None  # None: nobody asked, or its lines are not known
    revision: int = 0  # of its lines

    @classmethod
    def of(cls, event: Order) -> OrderState:
        """A new order from the first record seen of it: its lines, if it has any, are the order's lines.

        The device of that record is the order's, unless the first record with lines names another one.
        """
        currency = one_of_equal(event.currency)
        order = cls(event.order_id, event.user_id, currency, UNKNOWN_AMOUNT, (), device_id=event.device_id)
        if event.lines:
            order.learn(event)
        return order

    @property
    def has_lines(self) -> bool:
        """Whether its lines are known, be they of a sale or not."""
        return self.amount_minor != UNKNOWN_AMOUNT

    def learn(self, event: Order) -> None:
        """Take the lines of an order, and its device, from the first record of it that has lines."""
        self.revise(event)
        if event.device_id is not None:
            self.device_id = event.device_id

    def revises(self, event: Order) -> bool:
        """Whether a record says lines of another revision that count: a later one, or the one that was paid.

        Once the order is paid, its lines stand.
        """
        revision = event.revision or 0
        if revision == self.revision or not event.lines or self.mask & PAID:
            return False
        return revision > self.revision or event.status is OrderStatus.PAID

    def is_as_in(self, event: Order, whole: tuple[SaleLine, ...]) -> bool:
        """Whether its lines are those of a record. `whole`: its lines of sales, with what parts took out of them."""
        other = OrderState.of(event)
        return (other.amount_minor, other.lines, other.amounts) == (self.amount_minor, whole, self.amounts)

    def revise(self, event: Order) -> None:
        """Take the lines of a record, whichever were known."""
        amount_minor = 0
        lines: tuple[SaleLine, ...] = ()
        for line in event.lines:
            amount_minor += line.amount_minor
            if line.sale_id is not None:
                lines += ((line.sale_id, line.sku_id, line.quantity),)
        if len(lines) > 1:
            lines = merged(lines)
        self.amount_minor, self.lines = amount_minor, one_of_equal(lines)
        self.amounts = _by_product(event.lines)
        self.revision = event.revision or 0

    def placed_ms(self, rules: Rules) -> int:
        """When it was placed, or else paid, of one that may hold units."""
        return self.hold_until_ms - (self.ruled_hold_ms(rules) if self.own_hold_ms < 0 else self.own_hold_ms)

    def ruled_hold_ms(self, rules: Rules) -> int:
        """How long it holds where nobody says anything else."""
        return rules.hold_ms if self.hold_ms < 0 else self.hold_ms

    @property
    def has_hold(self) -> bool:
        """Whether it holds units, which are yet to be sold or released."""
        return self.hold_until_ms > 0 and not self.mask & (EXPIRED | PAID | UNDONE) and bool(self.lines)
