"""What a recount keeps of one order and of one sale."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.contract.events import Order, OrderLine, OrderStatus, SaleRestocked
from stream.contract.overlay import FIRST_SIGNALS
from stream.verify.suspicion import OrderSeen

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


RESTOCKS_TOLD = 64
UNDOINGS = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED})


def words_of(event: Order, signals_edition: int) -> set[str]:
    """What a record says of its order: a status, and from the second edition on whether the units come back."""
    said = {event.status.value}
    if event.restock is not None and event.status in UNDOINGS and signals_edition > FIRST_SIGNALS:
        said.add("back" if event.restock else "gone")
    return said


class OrderFacts(Struct):
    """One order: the statuses that were seen of it, by their set alone."""

    user_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    device_id: str | None = None
    # Under the second edition of signals: effective time of the record that said so.
    reached_ms: dict[OrderStatus, int] = field(default_factory=dict)
    statuses: set[OrderStatus] = field(default_factory=set)
    placed_record_ms: int | None = None  # effective time of the record that said "placed"
    hold_until_ms: int = -1  # by the rules of whoever folded that record
    changed_ms: int = -1
    is_new_status: bool = False  # whether the latest record that counted said a new status
    of_units: set[str] = field(default_factory=set)  # that they are gone, that they are back

    def reach(self, status: OrderStatus, effective_ms: int, signals_edition: int, hold_ms: int) -> None:
        """A record said that it came to a status that it had not come to."""
        self.statuses.add(status)
        if status is OrderStatus.PLACED:
            self.placed_record_ms = effective_ms
            self.hold_until_ms = effective_ms + hold_ms
        if signals_edition > FIRST_SIGNALS:
            self.reached_ms[status] = effective_ms

    def is_placed(self) -> bool:
        """Whether it counts as placed."""
        return bool(self.statuses & {OrderStatus.PLACED, OrderStatus.PAID})

    def is_undone(self) -> bool:
        """Whether it was cancelled or refunded."""
        return bool(self.statuses & UNDOINGS)

    def is_sold(self) -> bool:
        """Whether its units are sold."""
        return OrderStatus.PAID in self.statuses and not self.is_undone()

    def is_of_round(self, from_ms: int) -> bool:
        """Whether it was placed in the round that begins then; where nobody said when, it was when it was paid."""
        paid_ms = self.reached_ms.get(OrderStatus.PAID, -1)
        return from_ms < 0 or self.reached_ms.get(OrderStatus.PLACED, paid_ms) >= from_ms

    def is_gone(self) -> bool:
        """Whether its units are no buyer's and not for sale: undone, and all that was said is that they are gone."""
        return self.is_placed() and self.is_undone() and self.of_units == {"gone"}

    def standing(self, as_of_ms: int) -> str:
        """`sold`, `held`, `gone` or `released`; empty where nothing but its undoing was seen."""
        if self.is_sold():
            return "sold"
        if self.is_held(as_of_ms):
            return "held"
        if self.is_gone():
            return "gone"
        return "released" if self.is_placed() else ""

    def is_held(self, as_of_ms: int) -> bool:
        """Whether its units are held at a moment."""
        if self.is_undone() or OrderStatus.PAID in self.statuses or self.placed_record_ms is None:
            return False
        return self.hold_until_ms > as_of_ms

    def amount_minor(self) -> int:
        """What it costs."""
        return sum(line.amount_minor for line in self.lines)

    def seen(self, order_id: str, placed_orders: AbstractSet[str]) -> OrderSeen | None:
        """As the rules of suspicion look at it; None: they do not.

        Of what was said under the first edition only the placing counts: no worker of then kept when the rest was said.
        """
        products = frozenset((line.sale_id, line.sku_id) for line in self.lines if line.sale_id is not None)
        reached_ms = self.reached_ms
        since = reached_ms.get(OrderStatus.PLACED, reached_ms.get(OrderStatus.PAID))
        placed_ms = self.placed_record_ms if since is None else since
        if placed_ms is None or not products:
            return None
        undone_ms = [reached_ms[each] for each in (OrderStatus.CANCELLED, OrderStatus.REFUNDED) if each in reached_ms]
        return OrderSeen(
            order_id,
            self.user_id,
            self.device_id,
            products,
            placed_ms,
            OrderStatus.PAID in self.statuses,
            min(undone_ms, default=None),
            here=since is not None and order_id in placed_orders,
        )


class SaleFacts(Struct):
    """What was said of one SKU of one sale."""

    restocks: list[SaleRestocked] = field(default_factory=list)
    forgotten: Counter[str] = field(default_factory=Counter)  # units of orders that are not remembered, by standing

    def restocked(self, from_ms: int) -> tuple[int, int]:
        """Units that came into the round that begins then, and before it. Of many the newest are told apart."""
        newest = sorted(self.restocks, key=lambda event: (event.event_time_ms, event.event_id))[-RESTOCKS_TOLD:]
        all_units = sum(event.quantity for event in self.restocks)
        units = all_units if from_ms < 0 else sum(each.quantity for each in newest if each.event_time_ms >= from_ms)
        return units, all_units - units
