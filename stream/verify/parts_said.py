"""What was said of parts of one order, recounted: the records are kept, and everything is worked out from them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field

from stream.contract.events import Order
from stream.contract.overlay import FIRST_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

# Sale and SKU; None: the line takes no stock.
Named = tuple[str | None, str]
K = TypeVar("K", bound=Named)

# The end of the ranking of two records about one part: units back after all, then gone, then nothing said of them.
_RANKS = (None, False, True)


def is_of_part(event: Order, signals_edition: int) -> bool:
    """Whether a record is about a part of its order. Workers under the first edition of signals took it for all."""
    return event.part_id is not None and signals_edition > FIRST_SIGNALS


def given_back_minor(event: Order) -> int:
    """What the part of a record takes off the order's amount, in minor units."""
    return sum(line.amount_minor for line in event.part_lines)


class PartsSaid(Struct):
    """By part, the record that counts: that of most money, then of most units, and so on."""

    of_id: dict[str, Order] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.of_id)

    def _after(self, event: Order, parts_max: int) -> dict[str, Order]:
        """The records that count with this one too. Of too many parts those with the first ids count."""
        part_id = event.part_id or ""
        counting = max(self.of_id.get(part_id, event), event, key=_weight)
        ids = sorted({*self.of_id, part_id})[:parts_max]
        return {each: counting if each == part_id else self.of_id[each] for each in ids}

    def has_heard(self, event: Order, parts_max: int) -> bool:
        """Whether the record changes nothing."""
        return self._after(event, parts_max) == self.of_id

    def take(self, event: Order, parts_max: int) -> bool:
        """Take a record. Returns whether it changed anything."""
        after = self._after(event, parts_max)
        changed, self.of_id = after != self.of_id, after
        return changed

    def amount_minor(self) -> int:
        """What all parts take off the order's amount, in minor units."""
        return sum(given_back_minor(event) for event in self.of_id.values())

    def split(self, ordered: Mapping[K, int]) -> dict[K, dict[str, int]]:
        """How the units of each product are split: `left` in the order, `back` from it, and `gone`.

        `ordered`: units of the order by sale (None: none) and SKU. No part takes what is not there; what came back is
        taken first.
        """
        asked = {"back": Counter[Named](), "gone": Counter[Named]()}
        for event in self.of_id.values():
            asked["gone" if event.restock is False else "back"].update(_units(event))
        found = {}
        for key, units in ordered.items():
            back = min(units, asked["back"][key])
            gone = min(units - back, asked["gone"][key])
            found[key] = {"left": units - back - gone, "back": back, "gone": gone}
        return found


def _units(event: Order) -> Counter[Named]:
    units = Counter[Named]()
    for line in event.part_lines:
        units[line.sale_id, line.sku_id] += line.quantity
    return units


def _weight(event: Order) -> tuple[int, int, list[tuple[Any, int]], int, list[tuple[str, int]]]:
    units = _units(event)
    of_sales = sorted((named, count) for named, count in units.items() if count and named[0] is not None)
    minor = Counter[str]()
    for line in event.part_lines:
        minor[line.sku_id] += line.amount_minor
    return given_back_minor(event), units.total(), of_sales, _RANKS.index(event.restock), sorted(minor.items())
