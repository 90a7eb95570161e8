"""The rates: never a bare percentage.

Each name fixes numerator, denominator, what is de-duplicated and over which window.

Definitions are the product's own (docs/signals.md): one public data set gives six defensible "conversion rates" between
1.5 % and 40.5 %, so a figure without its name says nothing.
"""

from __future__ import annotations

from functools import lru_cache
from math import hypot
from operator import gt
from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.overlay import Count, Method, Rate, RateNote
from stream.core.audiences import BUYERS, CARTED_BUYERS, CARTERS, CLICKERS, ENGAGED, PAYERS, VIEWERS
from stream.core.distinct import ERROR_95
from stream.core.rules import WINDOWS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.room import Room
    from stream.core.windows import Audience

# The spans of each rate: the windows, and the whole session.
_SPANS_MS = (*WINDOWS_MS, None)
# The rates of one span, in the order of publication. Rates of money follow, one for each currency.
_NAMES = ("watch_to_buy_uv", "click_to_buy_uv", "cart_to_order_uv", "orders_per_viewer", "pay_rate", "engaged_uv_rate")
_OF_MONEY = "gpm_views"
# Each rate of people: place, numerator, denominator. The fourth rate counts orders, and the fifth counts no people.
_OF_PEOPLE = ((0, PAYERS, VIEWERS), (1, PAYERS, CLICKERS), (2, CARTED_BUYERS, CARTERS), (5, ENGAGED, VIEWERS))
_OF_ORDERS = 3
_CART_TO_ORDER = 2
# By name of the rate: the reason for a numerator that exceeds its denominator.
_NOTES: dict[str, RateNote] = {
    "watch_to_buy_uv": "not_seen_to_enter",
    "click_to_buy_uv": "not_seen_to_click",
    "orders_per_viewer": "many_orders",
    "pay_rate": "placed_before",
    "engaged_uv_rate": "not_seen_to_enter",
}

_NOTHING = (0, 0, 0)

# In JSON control characters are always escaped, so these bytes can be nothing but gaps.
_FIGURE, _MOMENT = b"\0", b"\1"
_TEMPLATES = 1_024  # one for each list of currencies and of rates above 1; rooms differ little in both


def all_rates(room: Room, as_of_ms: int) -> list[Rate]:
    """Return every rate, over every window and the session."""
    audiences, currencies = room.audiences, [*room.money]
    people = [
        [*(audience.total(place) << audience.bits for place in range(3)), audience.session.count()]
        for audience in audiences
    ]
    figures = _figures(room, people)
    of_each = 2 * (len(_NAMES) + len(currencies))
    sampled = any(audience.bits for audience in audiences)
    rates: list[Rate] = []
    for place, window_ms in enumerate(_SPANS_MS):
        of_span = _rates(window_ms, as_of_ms, figures[place * of_each : (place + 1) * of_each], currencies)
        if window_ms is not None:
            if sampled:
                _say_errors(of_span, [audience.count(place) for audience in audiences])
        elif not all(audience.session.exact for audience in audiences):
            counts = [audience.session.published() for audience in audiences]
            counts[CARTED_BUYERS] = carted_buyers_of_session(audiences)
            _say_errors(of_span, counts)
            if room.rules.second_signals and not _is_whole(audiences):
                of_span[_CART_TO_ORDER].bound = "lower"
        rates += of_span
    if room.rules.second_signals:
        _say_notes(rates, [rate.num > rate.den for rate in rates])
        for rate in rates:
            if _is_by_estimate(rate):
                rate.note = "sampled"
    return rates


def rates_json(room: Room, as_of_ms: int) -> list[Rate] | msgspec.Raw:
    """Return `all_rates` for an encoder: while every count is exact, a ready JSON text with the figures filled in.

    Making and encoding 28 objects took a sixth of the time of a document with one sale; the ready text takes half.
    """
    people = []
    for audience in room.audiences:
        session = audience.session
        if audience.bits or session.sketch is not None:
            return all_rates(room, as_of_ms)
        people.append((audience.total_0, audience.total_1, audience.total_2, len(session.members)))
    figures = _figures(room, people)
    above = (*map(gt, figures[::2], figures[1::2]),) if room.rules.second_signals else ()
    json = _template((*room.money,), above) % (*figures,)
    return msgspec.Raw(json.replace(_MOMENT, b"%d" % as_of_ms))


@lru_cache(_TEMPLATES)
def _template(currencies: tuple[str, ...], above: tuple[bool, ...]) -> bytes:
    figure: Any = msgspec.Raw(_FIGURE)
    moment: Any = msgspec.Raw(_MOMENT)
    figures = [figure] * 2 * (len(_NAMES) + len(currencies))
    rates = [rate for span_ms in _SPANS_MS for rate in _rates(span_ms, moment, figures, currencies)]
    _say_notes(rates, above)
    return msgspec.json.encode(rates).replace(b"%", b"%%").replace(_FIGURE, b"%d")


def _figures(room: Room, people: Sequence[Sequence[int]]) -> list[int]:
    """Return numerator, denominator, numerator, ... of all rates, from the people of each audience in each span.

    The room's currencies are those of its money: a currency stays when its payments leave the windows.
    """
    viewers, clickers, carters, payers, engaged, _, both, *_ = people
    orders = *room.order_tally.totals(), room.orders_placed
    paid = *room.paid_tally.totals(), room.orders_paid
    views = *room.view_tally.totals(), room.views
    tallies = [(room.paid_minor_tallies.get(currency), minor) for currency, (_, minor, _) in room.money.items()]
    minors = [(*(_NOTHING if tally is None else tally.totals()), minor) for tally, minor in tallies]
    figures: list[int] = []
    for span in range(len(_SPANS_MS)):
        payed, viewed, ordered = payers[span], viewers[span], orders[span]
        figures += payed, viewed, payed, clickers[span], both[span], carters[span]
        figures += ordered, viewed, paid[span], ordered, engaged[span], viewed
        for minor in minors:
            figures += minor[span] * 1_000, views[span]
    return figures


def _rates(window_ms: int | None, as_of_ms: int, figures: Sequence[int], currencies: Sequence[str]) -> list[Rate]:
    """Return the rates of one window, for exact counts."""
    named = zip((*_NAMES, *[_OF_MONEY] * len(currencies)), figures[::2], figures[1::2], strict=True)
    rates = [Rate(name, window_ms, num, den, as_of_ms, "exact") for name, num, den in named]
    for rate, currency in zip(rates[len(_NAMES) :], currencies, strict=True):
        rate.currency = currency
    return rates


def _say_notes(rates: list[Rate], above: Sequence[bool]) -> None:
    """Add the reason to each rate above 1."""
    for rate, is_above in zip(rates, above, strict=False):
        if is_above:
            rate.note = _NOTES.get(rate.name)


def _is_by_estimate(rate: Rate) -> bool:
    """Return whether a rate is above 1 by an estimate, so that the truth need not be."""
    if rate.num <= rate.den or rate.error_95 is None:
        return False
    return rate.name not in _NOTES or rate.num * (1 - rate.error_95) <= rate.den


def _say_errors(rates: list[Rate], people: list[Count]) -> None:
    """Add method and error to the rates of people, of whom some are counted by a sketch."""
    for place, num, den in _OF_PEOPLE:
        rates[place].method, rates[place].error_95 = _combined(people[num], people[den])
    rate = rates[_OF_ORDERS]
    rate.method, rate.error_95 = _combined(Count(rate.num, "exact"), people[VIEWERS])


def _combined(num: Count, den: Count) -> tuple[Method, float | None]:
    """Independent relative errors of a quotient add in squares (first order)."""
    if num.error_95 is None and den.error_95 is None:
        return "exact", None
    return "sketch", round(hypot(num.error_95 or 0.0, den.error_95 or 0.0), 4)


def _is_whole(audiences: list[Audience]) -> bool:
    """Return whether the session's carters and buyers are both known exactly."""
    return audiences[CARTERS].session.exact and audiences[BUYERS].session.exact


def carted_buyers_of_session(audiences: list[Audience]) -> Count:
    """Return the distinct people who carted and placed an order in this session.

    The count is exact while both sets are. Beyond, a person is known to be in both sets only when met in both within
    the longest window: the count is a lower bound, published as a sketch with the error of the sketches behind it.
    """
    both = audiences[CARTED_BUYERS].session.published()
    if _is_whole(audiences):
        return both
    return Count(both.value, "sketch", both.error_95 or ERROR_95)
