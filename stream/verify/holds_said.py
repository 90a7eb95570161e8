"""How long orders hold their units by what was said, recounted: of each order, of its sales, or by the rules alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import OrderStatus
from stream.contract.overlay import FIRST_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.events import Order, SaleOpened
    from stream.verify.figures import SaleKey
    from stream.verify.host_words import HostWords
    from stream.verify.order_facts import OrderFacts
    from stream.verify.room_count import Assumptions

HOUR_MS = 3_600_000


def own_hold_ms(order: OrderFacts | None, words: HostWords, remember_orders_ms: int) -> int | None:
    """How long an order holds its units by what was said of it, else of its sales; None: nothing was.

    Of several sales the longest hold counts, and where nothing was said of one of them, that of the rules.
    """
    if order is None:
        return None
    if "kept" in order.of_units:
        return remember_orders_ms - min(HOUR_MS, remember_orders_ms // 2)
    said = [words.hold_ms(key) for key in order.sales(order.lines)]
    if all(hold_ms is None for hold_ms in said):
        return None
    return max(order.ruled_hold_ms if hold_ms is None else hold_ms for hold_ms in said)


def reach(order: OrderFacts, event: Order, words: HostWords, effective_ms: int, rules: Assumptions) -> None:
    """Note the status in a record of an order, and how long the order holds its units, where that may change."""
    if event.status not in order.statuses:
        order.reach(event.status, effective_ms, rules.signals_edition, rules.hold_ms)
    says_so = event.payment_terms is not None or event.status is OrderStatus.PLACED
    if says_so and rules.signals_edition > FIRST_SIGNALS:
        order.hold_for(own_hold_ms(order, words, rules.remember_orders_ms), effective_ms)


def hold_by_opening(
    orders: Iterable[OrderFacts],
    key: SaleKey,
    event: SaleOpened,
    words: HostWords,
    effective_ms: int,
    rules: Assumptions,
) -> None:
    """Note an opening of a sale, which may say how long the orders that are known hold its units."""
    hold_ms = words.hold_ms(key)
    words.opened(key, event)
    if words.hold_ms(key) == hold_ms or rules.signals_edition <= FIRST_SIGNALS:
        return
    for order in orders:
        if "kept" not in order.of_units and key in order.sales(order.lines):
            order.hold_for(own_hold_ms(order, words, rules.remember_orders_ms), effective_ms)
