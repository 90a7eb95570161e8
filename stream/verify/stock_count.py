"""Units that a room's orders hold, bought and gave back of each sale, recounted."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.verify.order_count import is_no_one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.verify.figures import SaleKey
    from stream.verify.order_facts import OrderFacts, SaleFacts


class Units(Struct):
    """Units of one SKU of one sale, in all rounds. `of_user`: held and sold units by person.

    `former`: by standing, the units in orders of former rounds.
    """

    held: int = 0
    sold: int = 0
    released: int = 0
    gone: int = 0
    of_user: Counter[str] = field(default_factory=Counter)
    former: Counter[str] = field(default_factory=Counter)

    def add(self, standing: str, units: int) -> None:
        """Add units of one standing."""
        setattr(self, standing, getattr(self, standing) + units)

    def add_forgotten(self, sale: SaleFacts) -> None:
        """Add the units of forgotten orders."""
        for standing, units in sale.forgotten.items():
            self.add(standing, units)
            self.former[standing] += units

    def before(self) -> tuple[int, int, int]:
        """Units of former rounds: held, sold, gone."""
        return self.former["held"], self.former["sold"], self.former["gone"]

    def now(self, standing: str, from_ms: int) -> int:
        """Units of the present round, which begins at `from_ms`; −1: the first round."""
        units: int = getattr(self, standing)
        return units if from_ms < 0 else units - self.former[standing]


def count_units(
    orders: Mapping[str, OrderFacts], as_of_ms: int, edition: int, round_from_ms: Callable[[SaleKey], int]
) -> defaultdict[SaleKey, Units]:
    """The units of each sale in the orders, at a moment.

    `edition`: the edition of the contract. `round_from_ms`: gives the beginning of a sale's present round.
    """
    counted: defaultdict[SaleKey, Units] = defaultdict(Units)
    began_ms: dict[SaleKey, int] = {}
    for order in orders.values():
        for key, standing, quantity in order.units(as_of_ms):
            units = counted[key]
            if key not in began_ms:
                began_ms[key] = round_from_ms(key)
            if not standing or not quantity:
                continue
            units.add(standing, quantity)
            if not order.is_of_round(began_ms[key]):
                units.former[standing] += quantity
            if standing in ("held", "sold") and not is_no_one(order.user_id, edition):
                units.of_user[order.user_id] += quantity
    return counted
