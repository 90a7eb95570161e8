"""One SKU of one sale, as a checker that follows the log knows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from stream.verify.order_along import Move

SECOND_MS = 1_000
HOP_MS = 10_000
# Longer than a forecast's memory and the time in which a second may still change.
GROSS_KEPT_S = 720


class SaleSeen(Struct):
    """One SKU of one sale.

    Attributes:
        held: units held; `sold`: units sold.
        of_user: by user, units held and units sold.
        held_by_suspects: units held by suspects; from the second edition on also those sold to them.
        seconds: by second of effective time, net units committed, without suspects.
        taken: by second, units ordered, without suspects; `returned`: units that came back.
        restocked_s: the second of the last restock.
        due: by second, units whose holds run out in it.
        released: units that were taken once and now are neither held nor sold nor gone.
        gone: units of undone orders that did not come back.
        hops: by ten seconds, net units sold and net orders paid.
        carted_ms: by user, effective time of the last cart-add.
        waiting: those users who neither hold nor bought any.
        plan: the latest word about the next restock: its time, and the planned time (−1: none is planned).
    """

    held: int = 0
    sold: int = 0
    of_user: dict[str, list[int]] = field(default_factory=dict)
    held_by_suspects: int = 0
    seconds: dict[int, int] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    returned: dict[int, int] = field(default_factory=dict)
    restocked_s: int = -1
    due: Counter[int] = field(default_factory=Counter)
    released: int = 0
    gone: int = 0
    hops: dict[int, list[int]] = field(default_factory=dict)
    carted_ms: dict[str, int] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    plan: tuple[int, int] = (-1, -1)

    def begin_session(self) -> None:
        """Clear what belongs to the session: pace, carts and recent purchases. Stock and holds belong to the sale."""
        self.seconds.clear()
        self.taken.clear()
        self.returned.clear()
        self.hops.clear()
        self.carted_ms.clear()
        self.waiting.clear()

    def begin_second(self) -> None:
        """Clear what workers of the first edition did not keep: units taken and returned, and the time of a restock."""
        self.taken.clear()
        self.returned.clear()
        self.restocked_s = -1
        self.held_by_suspects = 0

    def cart(self, user_id: str, at_ms: int) -> None:
        """Note a cart-add."""
        self.carted_ms[user_id] = max(at_ms, self.carted_ms.get(user_id, at_ms))
        if user_id not in self.of_user:
            self.waiting.add(user_id)

    def units_of(self, user_id: str, held: int, sold: int) -> None:
        """Change one person's held and sold units."""
        units = self.of_user.setdefault(user_id, [0, 0])
        units[0] += held
        units[1] += sold
        if any(units):
            self.waiting.discard(user_id)
        else:
            del self.of_user[user_id]
            if user_id in self.carted_ms:
                self.waiting.add(user_id)

    def pace(self, move: Move, sign: int = 1) -> None:
        """Note what an order did in a second, or, with −1, that it did not."""
        second, net, sold, orders = move
        if net:
            self.seconds[second] = self.seconds.get(second, 0) + sign * net
            gross = self.taken if net > 0 else self.returned
            gross[second] = gross.get(second, 0) + sign * abs(net)
        if sold:
            hop = self.hops.setdefault(second * SECOND_MS // HOP_MS, [0, 0])
            hop[0] += sign * sold
            hop[1] += sign * orders

    def last_seconds(self, as_of_ms: int, count: int) -> list[int]:
        """Net units of each of the last seconds, the present one last."""
        now = as_of_ms // SECOND_MS
        return [self.seconds.get(second, 0) for second in range(now - count + 1, now + 1)]

    def bought(self, as_of_ms: int, window_ms: int) -> tuple[int, int]:
        """Net units sold and net orders paid in the last hops inside the window."""
        first = (as_of_ms - window_ms) // HOP_MS + 1
        inside = [pair for hop, pair in self.hops.items() if hop >= first]
        return sum(units for units, _ in inside), sum(orders for _, orders in inside)

    def forget(self, as_of_ms: int, window_ms: int) -> None:
        """Drop seconds and hops that no window reaches any more."""
        oldest, hop = as_of_ms // SECOND_MS - 60, (as_of_ms - window_ms) // HOP_MS - 1
        if len(self.seconds) > 2 * 60:
            self.seconds = {second: units for second, units in self.seconds.items() if second >= oldest}
        for gross in (self.taken, self.returned):
            if len(gross) > 2 * GROSS_KEPT_S:
                for second in [each for each in gross if each < as_of_ms // SECOND_MS - GROSS_KEPT_S]:
                    del gross[second]
        for second in [each for each, units in self.due.items() if not units]:
            del self.due[second]
        if len(self.hops) > 2 * window_ms // HOP_MS:
            self.hops = {number: pair for number, pair in self.hops.items() if number >= hop}
