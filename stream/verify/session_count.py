"""One session of a room, recounted: what happened in it, second by second.

A status of an order counts in the session in which it was first reached, whenever the order was placed. Sales and
orders themselves belong to the room (`room_count`).
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.contract.events import LATER_STATUSES, MAX_AHEAD_MS, OrderStatus
from stream.verify.cart_count import CartCount
from stream.verify.figures import WINDOWS_MS, DepartureFigures, Fraction, MoneyFigures
from stream.verify.product_count import ProductCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.verify.figures import SaleKey
    from stream.verify.recounted import Recounted


MINUTE_MS = 60_000
LONG_VISIT_MS = 5 * MINUTE_MS


class Facts(Struct):
    """What happened in one second of effective time, or, added up, in a window or in the whole session."""

    views: int = 0
    placed: int = 0
    paid: int = 0
    paid_minor: Counter[str] = field(default_factory=Counter)
    viewers: set[str] = field(default_factory=set)
    clickers: set[str] = field(default_factory=set)
    carters: set[str] = field(default_factory=set)
    buyers: set[str] = field(default_factory=set)
    payers: set[str] = field(default_factory=set)
    engaged: set[str] = field(default_factory=set)

    def add(self, other: Facts) -> None:
        """Add another second. People are united, not summed."""
        self.views += other.views
        self.placed += other.placed
        self.paid += other.paid
        self.paid_minor.update(other.paid_minor)
        self.viewers |= other.viewers
        self.clickers |= other.clickers
        self.carters |= other.carters
        self.buyers |= other.buyers
        self.payers |= other.payers
        self.engaged |= other.engaged

    def rates(self) -> Iterator[tuple[str, str | None, Fraction]]:
        """Each rate: name, currency, fraction."""
        yield "watch_to_buy_uv", None, Fraction(len(self.payers), len(self.viewers))
        yield "click_to_buy_uv", None, Fraction(len(self.payers), len(self.clickers))
        yield "cart_to_order_uv", None, Fraction(len(self.buyers & self.carters), len(self.carters))
        yield "orders_per_viewer", None, Fraction(self.placed, len(self.viewers))
        yield "pay_rate", None, Fraction(self.paid, self.placed)
        yield "engaged_uv_rate", None, Fraction(len(self.engaged), len(self.viewers))
        for currency, minor in self.paid_minor.items():
            yield "gpm_views", currency, Fraction(minor * 1000, self.views)


class SessionCount:
    """The facts of one session.

    Attributes:
        first_offsets: by logical topic, the beginning of its records; a missing topic begins with the log.
        next_offsets: by logical topic, the end of its records; None: it goes on, as far as is known.
        show_id: the show that a host opened in it.
        likes: a total, as `comments`, `cart_adds` and the amounts.
        reached: orders that reached a status in it; a paid order counts as placed unless it already was.
        carters: by sale, the people who put it into a cart.
        carts: the carts, from the second edition of signals on.
        heard_of: the sales with a record in it.
        partly_undone: orders of which in it for the first time a part was cancelled or refunded.
        placed_orders: orders that became placed in it.
        sources: the views by source; `views_beyond`: those of the sources beyond the bound.
        products: the facts by product.
        entered_ms: by name, the latest coming; `left_ms`: the latest going.
        mechanics: by name, the mechanics with an event in it.
    """

    def __init__(self, first_offsets: dict[str, int]) -> None:
        self.first_offsets = first_offsets
        self.next_offsets: dict[str, int] | None = None
        self.applied_from: dict[str, int] = {}  # by logical topic, the offset of the first applied record
        self.show_id: str | None = None
        self.likes = self.comments = self.cart_adds = 0
        self.reached: Counter[OrderStatus] = Counter()
        self.partly_undone = 0
        self.placed_minor: Counter[str] = Counter()
        self.paid_minor: Counter[str] = Counter()
        self.net_minor: Counter[str] = Counter()
        self.carters: dict[SaleKey, set[str]] = {}
        self.carts = CartCount()
        self.heard_of: set[SaleKey] = set()
        self.placed_orders: set[str] = set()
        self.sources: Counter[str] = Counter()
        self.views_beyond = 0
        self.products = ProductCount()
        self.entered_ms: dict[str, int] = {}
        self.left_ms: dict[str, int] = {}
        self.mechanics: dict[str, Recounted] = {}
        self._moves: dict[str, list[tuple[int, bool]]] = {}  # by name: the times, and whether each was a going
        self._seconds: dict[int, Facts] = {}
        self._settled = Facts()  # the sum of seconds that have left every window
        self._settled_last: int | None = None
        self._settled_gap = 0
        # For records in log order: the time of the last folding, and whether a host's word has ended the session.
        self.touched_ms = -1
        self.is_over = False

    def second(self, effective_ms: int) -> Facts:
        """The facts of the second in which something counts."""
        number = effective_ms // 1000
        second = self._seconds.get(number)
        if second is None:
            second = self._seconds[number] = Facts()
        return second

    def last_second_ms(self) -> int:
        """The beginning of the last second with an event; 0: there is none."""
        return max(self._seconds, default=self._settled_last or 0) * 1000

    def first_second_ms(self) -> int:
        """The beginning of the first second kept apart; 0: there is none."""
        return min(self._seconds, default=self._settled_last or 0) * 1000

    def longest_silence_ms(self) -> int:
        """The longest time between two seconds with an event."""
        return self._greatest_gap(self._seconds) * 1000

    def _greatest_gap(self, seconds: Iterable[int]) -> int:
        known = sorted(seconds)
        if self._settled_last is not None:
            known.insert(0, self._settled_last)
        gaps = (later - earlier for earlier, later in pairwise(known))
        return max(self._settled_gap, max(gaps, default=0))

    def settle(self, as_of_ms: int) -> None:
        """Add up the seconds that no window reaches from `as_of_ms` on: their people stay, the seconds go."""
        first = (as_of_ms - max(window for window in WINDOWS_MS if window is not None)) // 1000
        over = sorted(second for second in self._seconds if second < first)
        if not over:
            return
        self._settled_gap = max(self._settled_gap, self._greatest_gap(over))
        for second in over:
            self._settled.add(self._seconds.pop(second))
        self._settled_last = max(over[-1], self._settled_last or 0)

    def seconds(self) -> int:
        """The number of seconds kept apart."""
        return len(self._seconds)

    def is_empty(self) -> bool:
        """Whether nothing happened in the session."""
        return not self._seconds and self._settled_last is None

    def window(self, window_ms: int | None, as_of_ms: int) -> Facts:
        """What happened in the last `window_ms` before a moment; None: in the whole session."""
        if window_ms is None:
            return _united([self._settled, *self._seconds.values()])
        last = as_of_ms // 1000
        first = last - window_ms // 1000 + 1
        # An event dated a little ahead of the clock counts from its reading on, and leaves with its own second.
        last += MAX_AHEAD_MS // 1000 + 1
        return _united(self._seconds[second] for second in range(first, last + 1) if second in self._seconds)

    def watching(self, as_of_ms: int, timeout_ms: int) -> int:
        """The number of sessions that came and have neither left nor been silent beyond the time-out."""
        return sum(
            1
            for session, entered_ms in self.entered_ms.items()
            if entered_ms > self.left_ms.get(session, -1) and entered_ms + timeout_ms > as_of_ms
        )

    def come_or_go(self, who: str, at_ms: int, *, gone: bool) -> None:
        """Note a coming or a going."""
        latest_ms = self.left_ms if gone else self.entered_ms
        latest_ms[who] = max(at_ms, latest_ms.get(who, at_ms))
        self._moves.setdefault(who, []).append((at_ms, gone))

    def come_from(self, source: str | None, most: int) -> None:
        """Note a view's source. The first `most` names have a place each; with 0 the worker counted none."""
        if source is None or not most:
            return
        if source in self.sources or len(self.sources) < most:
            self.sources[source] += 1
        else:
            self.views_beyond += 1

    def departures(self, as_of_ms: int, timeout_ms: int) -> DepartureFigures:
        """How visits ended."""
        left = left_long = timed_out = 0
        for moves in self._moves.values():
            visits = _visits(sorted(moves), timeout_ms)
            for entered_ms, left_ms in visits:
                if left_ms is not None:
                    left += 1
                    left_long += left_ms - entered_ms > LONG_VISIT_MS
                elif entered_ms + timeout_ms <= as_of_ms:
                    timed_out += 1
        watching = self.watching(as_of_ms, timeout_ms)
        not_left, not_left_long = (
            max(0, watching - self.window(window_ms, as_of_ms).views) + timed_out
            for window_ms in (MINUTE_MS, LONG_VISIT_MS)
        )
        silent_ms = as_of_ms - max(self.left_ms.values()) if self.left_ms else -1
        return DepartureFigures(left, not_left, left_long, not_left_long, silent_ms)

    def orders(self) -> dict[str, int]:
        """The orders by status. As in the document, a later status stands there once an order has reached it."""
        found = {
            status.value: self.reached[status]
            for status in OrderStatus
            if status not in LATER_STATUSES or self.reached[status]
        }
        return found | ({"partly_undone": self.partly_undone} if self.partly_undone else {})

    def money(self) -> dict[str, MoneyFigures]:
        """The money by currency."""
        currencies = {*self.placed_minor, *self.paid_minor, *(+self.net_minor), *(-self.net_minor)}
        return {
            currency: MoneyFigures(self.placed_minor[currency], self.paid_minor[currency], self.net_minor[currency])
            for currency in currencies
        }


def _visits(moves: Iterable[tuple[int, bool]], timeout_ms: int) -> Iterator[tuple[int, int | None]]:
    """Each visit of one session: its latest coming and its leave; None: it was not left. `moves`: in order of time.

    A coming within a minute of a leave continues the visit, a second leave within a minute belongs to the first, and a
    leave without a coming counts for nothing.
    """
    entered_ms: int | None = None
    left_ms: int | None = None
    for at_ms, gone in moves:
        if entered_ms is not None:
            over = at_ms >= entered_ms + timeout_ms if left_ms is None else at_ms > left_ms + MINUTE_MS
            if over:
                yield entered_ms, left_ms
                entered_ms = left_ms = None
        if not gone:
            entered_ms, left_ms = at_ms, None
        elif entered_ms is not None:
            left_ms = at_ms
    if entered_ms is not None:
        yield entered_ms, left_ms


def _united(seconds: Iterable[Facts]) -> Facts:
    total = Facts()
    for second in seconds:
        total.add(second)
    return total
