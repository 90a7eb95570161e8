"""What a room's orders hold, bought and gave back of each sale, counted again."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.verify.figures import SaleKey
from stream.verify.order_count import is_no_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.verify.order_facts import OrderFacts, SaleFacts


class Units(Struct):
    """Units of one SKU of one sale; `of_user`: by person, those that are held and sold."""

    held: int = 0
    sold: int = 0
    released: int = 0
    gone: int = 0
    of_user: Counter[str] = field(default_factory=Counter)

    def add(self, standing: str, units: int) -> None:
        """So many more of this standing."""
        setattr(self, standing, getattr(self, standing) + units)

    def add_forgotten(self, sale: SaleFacts) -> None:
        """Those of orders that nobody remembers."""
        for standing, units in sale.forgotten.items():
            self.add(standing, units)


def count_units(
    orders: Mapping[str, OrderFacts], as_of_ms: int, hold_ms: int, edition: int
) -> defaultdict[SaleKey, Units]:
    """Of each sale that an order names, as of a moment; `edition`: of the contract."""
    counted: defaultdict[SaleKey, Units] = defaultdict(Units)
    for order in orders.values():
        standing = order.standing(as_of_ms, hold_ms)
        for line in order.lines:
            if line.sale_id is None:
                continue
            units = counted[SaleKey(line.sale_id, line.sku_id)]
            if not standing:
                continue
            units.add(standing, line.quantity)
            if standing in ("held", "sold") and not is_no_one(order.user_id, edition):
                units.of_user[order.user_id] += line.quantity
    return counted
