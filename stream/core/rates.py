"""The rates: never a bare percentage.

Each name fixes numerator, denominator, what is de-duplicated and over which window.

Definitions are the product's own (docs/signals.md): one public data set gives six defensible "conversion rates" between
1.5 % and 40.5 %, so a figure without its name says nothing.
"""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

from stream.contract.overlay import Count, Method, Rate
from stream.core.distinct import ERROR_95
from stream.core.rules import WINDOWS_MS

if TYPE_CHECKING:
    from stream.core.room import Room
    from stream.core.windows import Audience

# Places of the audiences in a room and in its checkpoints: append only.
VIEWERS, CLICKERS, CARTERS, PAYERS, ENGAGED, BUYERS, CARTED_BUYERS = range(7)
AUDIENCES = 7


def all_rates(room: Room, as_of_ms: int) -> list[Rate]:
    """Every rate, over every window and the session."""
    rates: list[Rate] = []
    for window, window_ms in enumerate(WINDOWS_MS):
        people = [audience.count(window) for audience in room.audiences]
        additive = _Additive(
            room.order_tally.total(window),
            room.paid_tally.total(window),
            room.view_tally.total(window),
            {currency: _paid_minor(room, currency, window) for currency in room.money},
        )
        _append_rates(rates, window_ms, as_of_ms, people, additive)
    people = [audience.session.published() for audience in room.audiences]
    people[CARTED_BUYERS] = carted_buyers_of_session(room.audiences)
    additive = _Additive(
        room.orders_placed, room.orders_paid, room.views, {currency: money[1] for currency, money in room.money.items()}
    )
    _append_rates(rates, None, as_of_ms, people, additive)
    return rates


def _paid_minor(room: Room, currency: str, window: int) -> int:
    """The room's currencies are those of its money: a currency stays when its payments leave the windows."""
    tally = room.paid_minor_tallies.get(currency)
    return 0 if tally is None else tally.total(window)


class _Additive:
    __slots__ = ("orders", "paid", "paid_minor", "views")

    def __init__(self, orders: int, paid: int, views: int, paid_minor: dict[str, int]) -> None:
        self.orders = orders
        self.paid = paid
        self.views = views
        self.paid_minor = paid_minor


def _append_rates(
    rates: list[Rate], window_ms: int | None, as_of_ms: int, people: list[Count], additive: _Additive
) -> None:
    def ratio(name: str, num: Count, den: Count) -> None:
        method, error_95 = _combined(num, den)
        rates.append(Rate(name, window_ms, num.value, den.value, as_of_ms, method, error_95))

    viewers = people[VIEWERS]
    ratio("watch_to_buy_uv", people[PAYERS], viewers)
    ratio("click_to_buy_uv", people[PAYERS], people[CLICKERS])
    ratio("cart_to_order_uv", people[CARTED_BUYERS], people[CARTERS])
    ratio("orders_per_viewer", Count(additive.orders, "exact"), viewers)
    rates.append(Rate("pay_rate", window_ms, additive.paid, additive.orders, as_of_ms, "exact"))
    ratio("engaged_uv_rate", people[ENGAGED], viewers)
    rates.extend(
        Rate("gpm_views", window_ms, minor * 1_000, additive.views, as_of_ms, "exact", None, currency)
        for currency, minor in additive.paid_minor.items()
    )


def _combined(num: Count, den: Count) -> tuple[Method, float | None]:
    """Independent relative errors of a quotient add in squares (first order)."""
    if num.error_95 is None and den.error_95 is None:
        return "exact", None
    return "sketch", round(hypot(num.error_95 or 0.0, den.error_95 or 0.0), 4)


def carted_buyers_of_session(audiences: list[Audience]) -> Count:
    """Distinct people who carted and placed an order in this session.

    Exact while both sets are. Beyond, who is in both is known only for people met in both within the longest window: a
    lower bound, published as a sketch with the error of the sketches it rests on.
    """
    carters, buyers = audiences[CARTERS].session, audiences[BUYERS].session
    both = audiences[CARTED_BUYERS].session.published()
    if carters.exact and buyers.exact:
        return both
    return Count(both.value, "sketch", both.error_95 or ERROR_95)
