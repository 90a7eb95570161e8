"""Carts of one session, counted again: what people have in them, and who of them may still be there.

The rules are those of `docs/signals.md` from the second edition on. Additions and removals lie in one topic, coming and
going in another: within each of them the order of the log holds.
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
    """What one person has of one SKU of one sale in the cart, in the order of the log.

    `added_ms`: the latest addition that counts; None: nothing is in it. `emptied_ms`: when all was taken out.
    """

    added_ms: int | None = None
    units: int = 0
    emptied_ms: int = -1

    def is_filled(self, at_ms: int, max_age_ms: int) -> bool:
        """Whether there is something in it that is young enough at a moment; both in whole seconds."""
        return self.added_ms is not None and at_ms // 1000 - self.added_ms // 1000 < max_age_ms // 1000

    def add(self, units: int, at_ms: int, max_age_ms: int) -> None:
        """More of it. What was taken out later is out; what lay there for too long is as if it were."""
        if at_ms <= self.emptied_ms:
            return
        if self.added_ms is not None and self.is_filled(at_ms, max_age_ms):
            self.added_ms, self.units = max(self.added_ms, at_ms), self.units + units
        else:
            self.added_ms, self.units = at_ms, units

    def remove(self, units: int | None, at_ms: int, max_age_ms: int) -> None:
        """Less of it; None: all that was put in until then."""
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
    """By sale and person. Nobody is told from another under an id that may be many people's: leave those out."""

    def __init__(self) -> None:
        self._carts: dict[SaleKey, dict[str, Cart]] = {}
        self._gone_ms: dict[str, int] = {}

    def take(self, event: CartAdd | CartRemove | Enter | Leave, at_ms: int, max_age_ms: int) -> None:
        """What somebody does; a cart-add without a sale is in none of these carts."""
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
        """How many have it in a young cart, are not among those who ordered, and may still be there."""
        return sum(
            1
            for user_id, cart in self._carts.get(sale, {}).items()
            if cart.added_ms is not None
            and cart.is_filled(as_of_ms, max_age_ms)
            and user_id not in ordered
            and self._gone_ms.get(user_id, NEVER_MS) <= cart.added_ms
        )
