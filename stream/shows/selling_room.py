"""A room that sells while something else is looked at: a share of the storms of mechanics.

People come, tap, write, and buy one thing of which there is enough for all. So nothing in it is scarce, and every
figure is known beforehand. All figures and shapes are assumptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import OrderLine
from stream.shows.lines import line
from stream.shows.plan import HOLD_MS

if TYPE_CHECKING:
    from random import Random

    from stream.shows.plan import RoomPlan

SALE, SKU, PRICE_MINOR = "all-evening", "sku-7", 4_900
OPENS_MS = 2_000
# A hold runs out this long before the end, or is not begun.
HOLDS_END_BEFORE_MS = 10_000
# Of each so many orders one is not paid, and one is cancelled.
UNPAID_EACH, CANCELLED_EACH = 12, 25
LEAVES_EACH = 5
TAPS_MAX = 40


class SellingRoom:
    """The people and the sale of a planned room.

    Args:
        plan: the room. Its visits and the opening of its sale are written at once.
        rng: draws who comes when, and what becomes of orders.
        people: number of people who come.
        come_until_ms: when the last of them is there.
        offered: units of the sale.

    Attributes:
        staying: the people who stay until the end, in order of coming.
    """

    def __init__(self, plan: RoomPlan, rng: Random, *, people: int, come_until_ms: int, offered: int) -> None:
        self._plan, self._rng = plan, rng
        self._orders = 0
        self.staying: list[str] = []
        for number, at_ms in enumerate(sorted(rng.randrange(come_until_ms) for _ in range(people))):
            user_id = f"{rng.choice('abcdefghijklmnop')}{number:05d}"
            leaves = number % LEAVES_EACH == LEAVES_EACH - 1
            leaves_ms = at_ms + 5_000 + rng.randrange(40_000)
            plan.visit(user_id, [(at_ms, leaves_ms if leaves else None)])
            if not leaves:
                self.staying.append(user_id)
        plan.open_sale(SALE, SKU, OPENS_MS, offered=offered, starts_at_ms=OPENS_MS)

    def talk(self, words: int, from_ms: int, until_ms: int) -> None:
        """So many batches of taps, and a third as many comments."""
        rng = self._rng
        for number in range(words):
            user_id = rng.choice(self.staying)
            self._plan.like(user_id, rng.randrange(from_ms, until_ms), rng.randint(1, TAPS_MAX))
            if number % 3 == 0:
                self._plan.comment(user_id, rng.randrange(from_ms, until_ms), line(rng))

    def sell(self, orders: int, from_ms: int, until_ms: int) -> None:
        """So many orders; most are paid, some are not, some are cancelled."""
        rng = self._rng
        for _ in range(orders):
            placed_ms = rng.randrange(from_ms, until_ms)
            self._orders += 1
            is_unpaid = self._orders % UNPAID_EACH == 0
            if is_unpaid and placed_ms + HOLD_MS + HOLDS_END_BEFORE_MS < self._plan.duration_ms:
                self._order(rng.choice(self.staying), placed_ms, None, None)
            else:
                self.buy(rng.choice(self.staying), placed_ms, cancels=self._orders % CANCELLED_EACH == 0)

    def buy(self, user_id: str, placed_ms: int, *, cancels: bool = False) -> str:
        """The id of an order that is paid for within two seconds, and cancelled within four if it is."""
        paid_ms = placed_ms + 200 + self._rng.randrange(1_800)
        return self._order(user_id, placed_ms, paid_ms, paid_ms + 1_000 if cancels else None)

    def _order(self, user_id: str, placed_ms: int, paid_ms: int | None, cancelled_ms: int | None) -> str:
        lines = [OrderLine(sku_id=SKU, quantity=1, amount_minor=PRICE_MINOR, sale_id=SALE)]
        return self._plan.order(user_id, lines, "CNY", placed_ms=placed_ms, paid_ms=paid_ms, cancelled_ms=cancelled_ms)
