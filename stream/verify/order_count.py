"""The number of a room's orders that look fake, recounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import FIRST_EDITION
from stream.contract.people import UNKNOWN_PEOPLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from stream.verify.figures import SaleKey
    from stream.verify.order_facts import OrderFacts
    from stream.verify.suspicion import OrderSeen


def is_no_one(user_id: str, edition: int) -> bool:
    """Whether the id is one of an unknown person, which many people may share."""
    return edition > FIRST_EDITION and user_id in UNKNOWN_PEOPLE


def orders_seen(
    orders: Mapping[str, OrderFacts], placed_orders: AbstractSet[str], as_of_ms: int, since_ms: int, edition: int
) -> list[OrderSeen]:
    """The orders that the rules of suspicion consider.

    Args:
        orders: all orders of a room.
        placed_orders: orders placed in the session in question.
        as_of_ms: the moment.
        since_ms: orders without a change since then are not remembered.
        edition: the edition of the contract.
    """
    known = (
        order.seen(order_id, placed_orders)
        for order_id, order in orders.items()
        if order.known_ms(as_of_ms) >= since_ms and not is_no_one(order.user_id, edition)
    )
    return [seen for seen in known if seen is not None]


def count_suspects(
    orders: Mapping[str, OrderFacts], rules: Mapping[str, str], as_of_ms: int
) -> dict[tuple[SaleKey, str], tuple[int, int]]:
    """Orders and units held or sold at a moment, by sale and rule. `rules`: order → its rule."""
    found: dict[tuple[SaleKey, str], tuple[int, int]] = {}
    for order_id, rule in rules.items():
        order = orders[order_id]
        for key, standing, quantity in order.units(as_of_ms):
            if quantity and standing in ("sold", "held"):
                counted = found.get((key, rule), (0, 0))
                found[key, rule] = counted[0] + 1, counted[1] + quantity
    return found
