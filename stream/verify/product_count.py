"""What a session came to per product, recounted: every product is kept, and the bound is applied to the answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from zlib import crc32

from stream.verify.figures import MoneyFigures, ProductFigures, ProductsFigures
from stream.verify.order_count import is_no_one
from stream.verify.order_facts import OfProduct, OrderFacts

NOTHING = OfProduct()
KINDS = ("placed", "paid", "net")


class ProductCount:
    """The facts of the products of one session.

    Attributes:
        named: by product, how often a click, a cart-add or a step of an order that moves money names it.
        clickers: by product, the known people; `carters` and `payers` the same.
    """

    def __init__(self) -> None:
        self.named: Counter[str] = Counter()
        self.clickers: defaultdict[str, set[str]] = defaultdict(set)
        self.carters: defaultdict[str, set[str]] = defaultdict(set)
        self.payers: defaultdict[str, set[str]] = defaultdict(set)
        self._minor: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # (currency, kind) → minor units

    def clicked(self, sku_id: str | None) -> set[str]:
        """Note a click. Returns the people who clicked this product; of a click on none, nobody."""
        if sku_id is None:
            return set()
        self.named[sku_id] += 1
        return self.clickers[sku_id]

    def carted(self, sku_id: str) -> set[str]:
        """Note a cart-add. Returns the people who carted this product."""
        self.named[sku_id] += 1
        return self.carters[sku_id]

    def move(self, order: OrderFacts, were: dict[str, OfProduct], edition: int) -> None:
        """Note what a record does to an order. `were`: what it contributed to each product before."""
        are = order.by_product()
        for sku_id in were.keys() | are.keys():
            before, after = were.get(sku_id, NOTHING), are.get(sku_id, NOTHING)
            if before == after:
                continue
            self.named[sku_id] += 1
            for kind in KINDS:
                self._minor[sku_id][order.currency, kind] += getattr(after, kind) - getattr(before, kind)
            if after.is_paid and not before.is_paid and not is_no_one(order.user_id, edition):
                self.payers[sku_id].add(order.user_id)

    def figures(self, most: int) -> ProductsFigures:
        """The figures of `most` products, those with the least checksums, and how often all others were named.

        With 0 the worker counted none.
        """
        if not most:
            return ProductsFigures({}, 0)
        kept = sorted(self.named, key=lambda sku_id: (crc32(sku_id.encode()), sku_id))[:most]
        figures = {sku_id: self._of(sku_id) for sku_id in kept}
        return ProductsFigures(figures, self.named.total() - sum(self.named[sku_id] for sku_id in kept))

    def _of(self, sku_id: str) -> ProductFigures:
        minor = self._minor.get(sku_id, Counter())
        money = {
            currency: MoneyFigures(*[minor[currency, kind] for kind in KINDS])
            for currency in {currency for currency, _ in minor}
        }
        clickers, carters, payers = (
            len(people.get(sku_id, ())) for people in (self.clickers, self.carters, self.payers)
        )
        return ProductFigures(clickers, carters, payers, money)
