"""How much of each bound is used, so that an operator is told before a partition loses something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from stream.core.memory import Memory
    from stream.core.rules import Rules

BOUNDS = ("event_ids", "orders", "rooms", "sales")


def bounds_used(rules: Rules, rooms: Collection[Memory], orders: int, ids: int) -> dict[str, float]:
    """The share that is used of each of `BOUNDS`, of a partition.

    Args:
        rules: the bounds.
        rooms: those with a session.
        orders: remembered ones.
        ids: event ids of the present generation, of which two are remembered.
    """
    sales = max((max(len(room.ledgers), len(room.terms)) for room in rooms), default=0)
    return {
        "event_ids": 2 * ids / rules.remember_ids_max,
        "orders": orders / rules.remember_orders_max,
        "rooms": len(rooms) / rules.rooms_max,
        "sales": sales / rules.sales_per_room_max,
    }
