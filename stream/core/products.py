"""What a session came to per product: who clicked it, who carted it, who paid for it, and what it cost.

Money and payers follow what an order contributes, in the same step as the room's totals (`orders.py`). A session keeps
the figures of `Rules.products_max` products. Which ones must not depend on the order of arrival, so they are those with
the least checksums of their ids: one that is kept in the end was never without a place, and its figures are whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from stream.contract.overlay import Money, ProductTotals
from stream.core.batch import by_room
from stream.core.distinct import SMALL_LG_K, Distinct

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from stream.core.order_state import Amounts, OrderState
    from stream.core.rules import Rules

# No part of an order takes anything off.
NOTHING_OFF: Mapping[str, int] = {}
_encode = msgspec.json.Encoder().encode


class Product:
    """One product of a session.

    `named`: how often it was: by each click, each cart-add and each step of an order that moves money. `json`: what
    documents show of it, until that changes.
    """

    __slots__ = ("carters", "clickers", "json", "money", "named", "payers", "sku_id")

    def __init__(self, sku_id: str, people_max: int) -> None:
        self.sku_id = sku_id
        self.clickers, self.carters, self.payers = (Distinct(people_max, SMALL_LG_K) for _ in range(3))
        self.money: dict[str, list[int]] = {}  # currency → [placed, paid, net] minor units
        self.named = 0
        self.json: Any = None

    def people(self) -> tuple[Distinct, Distinct, Distinct]:
        """Its people. The places are codes in checkpoints: append only."""
        return self.clickers, self.carters, self.payers

    def published(self) -> ProductTotals:
        """Its figures as documents show them."""
        money = [Money(currency, *amounts) for currency, amounts in sorted(self.money.items())]
        clickers, carters, payers = (people.published() for people in self.people())
        return ProductTotals(self.sku_id, clickers, carters, payers, money)


class Products:
    """The products of a session.

    Attributes:
        kept: those with figures, by SKU id.
        beyond: how often all others were named.
        counted: whether all of the session is in the figures. It is not after an older Snapup had the room, or when an
            order moves money of which an older one did not note the products; then nothing is shown.
    """

    __slots__ = ("_dropped", "_last", "_most", "_people_max", "_sorted", "beyond", "counted", "kept")

    def __init__(self, rules: Rules) -> None:
        self._most, self._people_max = rules.products_max, rules.product_people_max
        self.kept: dict[str, Product] = {}
        self.beyond = 0
        self.counted = True
        self._last: tuple[int, str] | None = None  # the greatest rank of those kept, while all places are taken
        self._sorted: list[Product] | None = None
        self._dropped: dict[str, Product] = {}  # their people still lie in the checkpoint

    # -- what events do ---------------------------------------------------------------------------------------------
    def clicked(self, sku_ids: Sequence[str | None], user_ids: Sequence[str], strangers: Container[str]) -> None:
        """Products, or none, were clicked by these people. `strangers`: user ids that are no one's."""
        for sku_id, users in by_room(sku_ids, user_ids).items():
            if sku_id is not None and (product := self._named(sku_id, len(users))) is not None:
                product.clickers.add_all([user_id for user_id in users if user_id not in strangers])

    def carted(self, sku_id: str, user_ids: Sequence[str], times: int) -> None:
        """A product was put into carts so many times, by these known people among others."""
        if (product := self._named(sku_id, times)) is not None:
            product.carters.add_all(user_ids)

    def ordered(
        self, order: OrderState, person: str | None, step: tuple[int, int, int], off: Mapping[str, int]
    ) -> None:
        """An order takes a step.

        Args:
            order: the order.
            person: its buyer; None: unknown.
            step: −1, 0 or 1: how often its amounts are placed, paid and net now that were not before.
            off: what its parts take off the net amounts, by product.
        """
        placed, paid, net = step
        if order.amounts is None:
            self._stop()
            return
        for sku_id, amount_minor in order.amounts:
            net_minor = (amount_minor - off.get(sku_id, 0)) * net
            product = self._moved(sku_id, order.currency, amount_minor * placed, amount_minor * paid, net_minor)
            if product is not None and paid and person is not None:
                product.payers.add(person)
        if off and net:
            for sku_id in off.keys() - dict(order.amounts):
                if off[sku_id]:
                    self._moved(sku_id, order.currency, 0, 0, -off[sku_id] * net)

    def revised(self, order: OrderState, before: Amounts | None) -> None:
        """An order that is placed and not paid has other lines now. `before`: what it cost by product."""
        if before is None or order.amounts is None:
            self._stop()
            return
        was, now = dict(before), dict(order.amounts)
        for sku_id in {**was, **now}:
            if was.get(sku_id) != now.get(sku_id):
                self._moved(sku_id, order.currency, now.get(sku_id, 0) - was.get(sku_id, 0), 0, 0)

    def part_taken(self, order: OrderState, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """What the parts of a sold order take off has changed; by product, minor units."""
        if order.amounts is None:
            self._stop()
            return
        for sku_id in before.keys() | after.keys():
            if more := after.get(sku_id, 0) - before.get(sku_id, 0):
                self._moved(sku_id, order.currency, 0, 0, -more)

    def _moved(self, sku_id: str, currency: str, placed: int, paid: int, net: int) -> Product | None:
        product = self._named(sku_id, 1)
        if product is None:
            return None
        money = product.money.get(currency)
        if money is None:
            money = product.money[currency] = [0, 0, 0]
        money[0] += placed
        money[1] += paid
        money[2] += net
        return product

    def _named(self, sku_id: str, times: int) -> Product | None:
        product = self.kept.get(sku_id)
        if product is None:
            if not self.counted:
                return None
            if len(self.kept) >= self._most and not self._make_place(sku_id):
                self.beyond += times
                return None
            product = self._add(sku_id)
        product.named += times
        product.json = None
        return product

    def _add(self, sku_id: str) -> Product:
        product = self.kept[sku_id] = Product(sku_id, self._people_max)
        self._sorted = self._last = None
        return product

    def _make_place(self, sku_id: str) -> bool:
        if self._last is None:
            self._last = max(map(_rank, self.kept))
        if _rank(sku_id) > self._last:
            return False
        last = self.kept.pop(self._last[1])
        self.beyond += last.named
        self._dropped[last.sku_id] = last
        return True

    def _stop(self) -> None:
        self._dropped |= self.kept
        self.kept, self._sorted, self._last = {}, None, None
        self.counted, self.beyond = False, 0

    # -- what is shown ----------------------------------------------------------------------------------------------
    def published(self) -> list[ProductTotals] | None:
        """The figures of all products that are kept; None: they are not those of the whole session."""
        return [product.published() for product in self._in_order()] if self.counted else None

    def json(self) -> list[msgspec.Raw] | None:
        """The same, encoded; what has not changed is not encoded again."""
        if not self.counted:
            return None
        shown = self._in_order()
        for product in shown:
            if product.json is None:
                product.json = msgspec.Raw(_encode(product.published()))
        return [product.json for product in shown]

    def _in_order(self) -> list[Product]:
        if self._sorted is None:
            self._sorted = [self.kept[sku_id] for sku_id in sorted(self.kept)]
        return self._sorted

    # -- checkpoints ------------------------------------------------------------------------------------------------
    def take_dropped(self) -> Iterable[Product]:
        """The products that have gone since the last call."""
        dropped, self._dropped = self._dropped, {}
        return dropped.values()

    def restore(self, saved: list[tuple[str, int, dict[str, list[int]]]] | None, beyond: int) -> None:
        """Restore (SKU id, times named, money) of each product; None: not all of the session was counted."""
        self.counted, self.beyond = saved is not None, beyond
        for sku_id, named, money in saved or ():
            product = self._add(sku_id)
            product.named, product.money = named, money

    def restored(self, sku_id: str) -> Product:
        """The product whose people are restored. One that is not kept any more will be dropped."""
        product = self.kept.get(sku_id) or self._dropped.get(sku_id)
        if product is None:
            product = self._dropped[sku_id] = Product(sku_id, self._people_max)
        return product


def _rank(sku_id: str) -> tuple[int, str]:
    return crc32(sku_id.encode()), sku_id
