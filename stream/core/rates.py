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


# Each rate of people, in the order of publication: its place among a window's rates, numerator, denominator. The fourth
# counts orders and the fifth no people at all.
_OF_PEOPLE = ((0, PAYERS, VIEWERS), (1, PAYERS, CLICKERS), (2, CARTED_BUYERS, CARTERS), (5, ENGAGED, VIEWERS))
_OF_ORDERS = 3


def all_rates(room: Room, as_of_ms: int) -> list[Rate]:
    """Every rate, over every window and the session."""
    audiences = room.audiences
    bits = [audience.bits for audience in audiences]
    people_in = zip(*[audience.people() for audience in audiences], strict=True)
    orders_in, paid_in, views_in = room.order_tally.totals(), room.paid_tally.totals(), room.view_tally.totals()
    # The room's currencies are those of its money: a currency stays when its payments leave the windows.
    tallies = [(currency, room.paid_minor_tallies.get(currency)) for currency in room.money]
    rates: list[Rate] = []
    for window, people in enumerate(people_in):
        minor = [(currency, 0 if tally is None else tally.total(window)) for currency, tally in tallies]
        of_window = _rates(
            WINDOWS_MS[window], as_of_ms, people, orders_in[window], paid_in[window], views_in[window], minor
        )
        if any(bits):
            _say_errors(of_window, [audience.count(window) for audience in audiences])
        rates += of_window
    people = tuple([audience.session.count() for audience in audiences])
    minor = [(currency, money[1]) for currency, money in room.money.items()]
    of_session = _rates(None, as_of_ms, people, room.orders_placed, room.orders_paid, room.views, minor)
    if not all(audience.session.exact for audience in audiences):
        counts = [audience.session.published() for audience in audiences]
        counts[CARTED_BUYERS] = carted_buyers_of_session(audiences)
        _say_errors(of_session, counts)
    return rates + of_session


def _rates(
    window_ms: int | None,
    as_of_ms: int,
    people: tuple[int, ...],
    orders: int,
    paid: int,
    views: int,
    paid_minor: list[tuple[str, int]],
) -> list[Rate]:
    """The rates of one window, as they are while every count is exact."""
    viewers, clickers, carters, payers, engaged, _, carted_buyers = people
    rates = [
        Rate("watch_to_buy_uv", window_ms, payers, viewers, as_of_ms, "exact"),
        Rate("click_to_buy_uv", window_ms, payers, clickers, as_of_ms, "exact"),
        Rate("cart_to_order_uv", window_ms, carted_buyers, carters, as_of_ms, "exact"),
        Rate("orders_per_viewer", window_ms, orders, viewers, as_of_ms, "exact"),
        Rate("pay_rate", window_ms, paid, orders, as_of_ms, "exact"),
        Rate("engaged_uv_rate", window_ms, engaged, viewers, as_of_ms, "exact"),
    ]
    for currency, minor in paid_minor:
        rates.append(Rate("gpm_views", window_ms, minor * 1_000, views, as_of_ms, "exact", None, currency))
    return rates


def _say_errors(rates: list[Rate], people: list[Count]) -> None:
    """Some of these people are counted by a sketch: the rates that rest on them say so."""
    for place, num, den in _OF_PEOPLE:
        rates[place].method, rates[place].error_95 = _combined(people[num], people[den])
    rate = rates[_OF_ORDERS]
    rate.method, rate.error_95 = _combined(Count(rate.num, "exact"), people[VIEWERS])


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
