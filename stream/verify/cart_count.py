"""Carts of one session, recounted: their contents, and which of their people may still be there.

The rules are those of `docs/signals.md` from the second edition on. Additions and removals are in one topic, visits in
another: the order of the log holds within each topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from stream.contract.events import CartAdd, CartRemove, Enter, Leave
from stream.verify.figures import SaleKey

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

NEVER_MS = -1


class Cart(Struct):
    """One person's units of one SKU of one sale in the cart, in the order of the log.

    `added_ms`: the latest addition that counts; None: the cart is empty. `emptied_ms`: the time of the last emptying.
    """

    added_ms: int | None = None
    units: int = 0
    emptied_ms: int = -1

    def is_filled(self, at_ms: int, max_age_ms: int) -> bool:
        """Whether the cart holds something young enough at a moment. Both times are cut to whole seconds."""
        return self.added_ms is not None and at_ms // 1000 - self.added_ms // 1000 < max_age_ms // 1000

    def add(self, units: int, at_ms: int, max_age_ms: int) -> None:
        """Add units. An addition before the last emptying is ignored; too old contents are replaced."""
        if at_ms <= self.emptied_ms:
            return
        if self.added_ms is not None and self.is_filled(at_ms, max_age_ms):
            self.added_ms, self.units = max(self.added_ms, at_ms), self.units + units
        else:
            self.added_ms, self.units = at_ms, units

    def remove(self, units: int | None, at_ms: int, max_age_ms: int) -> None:
        """Remove units; None: everything added up to `at_ms`."""
        if units is not None:
            if not self.is_filled(at_ms, max_age_ms):
                return
            self.units -= units
            if self.units > 0:
                return
        self.emptied_ms = max(at_ms, self.emptied_ms)
        if units is not None or (self.added_ms is not None and self.added_ms <= at_ms):
            self.added_ms, self.units = None, 0


class CartCount:
    """The carts by sale and person. The caller leaves out ids that many people may share."""

    def __init__(self) -> None:
        self._carts: dict[SaleKey, dict[str, Cart]] = {}
        self._gone_ms: dict[str, int] = {}

    def take(self, event: CartAdd | CartRemove | Enter | Leave, at_ms: int, max_age_ms: int) -> None:
        """Apply one event. A cart-add without a sale goes into none of these carts."""
        user_id = event.user_id
        match event:
            case CartAdd(sale_id=str(sale_id)):
                self._cart(SaleKey(sale_id, event.sku_id), user_id).add(event.quantity, at_ms, max_age_ms)
            case CartRemove(sale_id=str(sale_id)):
                self._cart(SaleKey(sale_id, event.sku_id), user_id).remove(event.quantity, at_ms, max_age_ms)
            case CartRemove():
                for sale, carts in self._carts.items():
                    cart = carts.get(user_id)
                    if sale.sku_id == event.sku_id and cart is not None and cart.is_filled(at_ms, max_age_ms):
                        cart.remove(event.quantity, at_ms, max_age_ms)
            case Leave():
                self._gone_ms[user_id] = max(at_ms, self._gone_ms.get(user_id, at_ms))
            case Enter():
                self._gone_ms.pop(user_id, None)

    def _cart(self, sale: SaleKey, user_id: str) -> Cart:
        return self._carts.setdefault(sale, {}).setdefault(user_id, Cart())

    def waiting(self, sale: SaleKey, ordered: AbstractSet[str], as_of_ms: int, max_age_ms: int) -> int:
        """The number of people with a young cart of it who have not ordered and may still be there."""
        return sum(
            1
            for user_id, cart in self._carts.get(sale, {}).items()
            if cart.added_ms is not None
            and cart.is_filled(as_of_ms, max_age_ms)
            and user_id not in ordered
            and self._gone_ms.get(user_id, NEVER_MS) <= cart.added_ms
        )
