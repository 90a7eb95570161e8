"""The rules of claims by name, written a second time from `docs/signals.md`: what must be said, what withheld and why.

`RULES` is the rule book. A rule looks at one sale or at the room at a moment and gives its conditions in order. The
first that does not hold is the reason to withhold. A new version is one more function and its name in `EDITIONS`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from stream.verify.claim_parts import ClaimSettings, Condition, Figures, Number
from stream.verify.forecast_again import SECONDS_SEEN, sellout_1
from stream.verify.forecast_second import (
    LONG_KEPT,
    MOST_BACK,
    MOST_DUE,
    SECONDS_KEPT,
    Sellout,
    pieces_of,
    sellout_2,
    waits_for_whole_memory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stream.verify.claim_facts import RoomSeen
    from stream.verify.figures import SaleKey, Terms
    from stream.verify.sale_along import SaleSeen
    from stream.verify.session_count import SessionCount

SECOND_MS = 1_000
COVERAGE = 0.9
MINUTE_MS = 60_000
LONG_VISIT_MS = 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS


class SaleNow:
    """One SKU of one sale at a moment."""

    __slots__ = (
        *(
            "as_of_ms",
            "available",
            "gone",
            "held",
            "key",
            "left",
            "offered",
            "oversold",
            "restocked",
            "seen",
            "settings",
        ),
        *("sold", "terms", "misplaced", "session", "_may_buy"),
    )

    def __init__(
        self,
        key: SaleKey,
        terms: Terms,
        seen: SaleSeen,
        as_of_ms: int,
        settings: ClaimSettings,
        session: SessionCount | None,
        *,
        misplaced: bool,
        former: Counter[str] | None = None,
    ) -> None:
        self.key, self.terms, self.seen, self.as_of_ms, self.settings = key, terms, seen, as_of_ms, settings
        self.misplaced, self.session = misplaced, session
        self._may_buy: int | None = None
        self.offered = None if terms.opened is None else terms.opened.offered
        former = Counter[str]() if former is None else former
        self.restocked, self.held = terms.restocked, seen.held - former["held"]
        self.sold, self.gone = seen.sold - former["sold"], seen.gone - former["gone"]
        taken = self.held + self.sold + self.gone
        self.left = None if self.offered is None else self.offered + self.restocked - taken
        self.available = None if self.left is None else max(0, self.left)
        self.oversold = 0 if self.left is None else max(0, -self.left)

    def is_known(self) -> Iterator[Condition]:
        """The conditions for any statement about a sale's terms."""
        yield Condition("stock_unknown", "status", self.terms.status, "is not", "unknown")
        yield Condition("sale_not_open", "status", self.terms.status, "is", "open")

    def is_honest(self) -> Iterator[Condition]:
        """The conditions for any statement of scarcity."""
        yield from self.is_known()
        yield Condition("records_misplaced", "records_misplaced", int(self.misplaced), "is", 0)
        yield Condition("restock_planned", "restock_planned_at_ms", self.seen.plan[1], "at most", self.as_of_ms)
        most = self.settings.suspect_share_max * (self.held + self.sold)
        yield Condition("suspected_fake_orders", "suspect_units", self.seen.held_by_suspects, "at most", most)

    def may_buy(self) -> int:
        """The number of people with a young cart of it and no order, who may still be there. Counted on first use."""
        if self._may_buy is None and self.session is not None:
            age_ms = self.settings.cart_max_age_ms
            self._may_buy = self.session.carts.waiting(self.key, self.seen.of_user.keys(), self.as_of_ms, age_ms)
        return self._may_buy or 0

    def velocity_units(self) -> int:
        """Net units of the velocity's window."""
        return sum(self.seen.last_seconds(self.as_of_ms, self.settings.velocity_window_ms // SECOND_MS))

    def seconds(self) -> list[int]:
        """Net units of each of the last seconds, without seconds before the sale began."""
        units = self.seen.last_seconds(self.as_of_ms, SECONDS_SEEN)
        opened = self.terms.opened
        began = 0 if opened is None else opened.starts_at_ms // SECOND_MS
        return units[max(0, began - (self.as_of_ms // SECOND_MS - SECONDS_SEEN + 1)) :]


class Rule(NamedTuple):
    """A rule about one SKU of one sale.

    Attributes:
        kind: the kind of claim.
        words: what it says and when, for people.
        topics: the logical topics that its figures are counted from.
        concerns: whether the rule applies, so that the claim is said or withheld.
        conditions: the conditions in order.
        figures: what is said; called only if all conditions hold.
    """

    kind: str
    words: str
    topics: tuple[str, ...]
    concerns: Callable[[SaleNow], bool]
    conditions: Callable[[SaleNow], Iterator[Condition]]
    figures: Callable[[SaleNow], Figures]


class RoomRule(NamedTuple):
    """A rule about the room. Attributes as in `Rule`."""

    kind: str
    words: str
    topics: tuple[str, ...]
    conditions: Callable[[RoomSeen, ClaimSettings], Iterator[Condition]]
    figures: Callable[[RoomSeen, ClaimSettings], Figures]


# -- stock -------------------------------------------------------------------------------------------------------------
def _stock_inputs(sale: SaleNow) -> dict[str, Number | None]:
    return {name: getattr(sale, name) for name in ("offered", "restocked", "held", "sold", "oversold")}


def _stock_figures(sale: SaleNow) -> Figures:
    return Figures(sale.available or 0, "items", None, _stock_inputs(sale))


def _stock_2_inputs(sale: SaleNow) -> dict[str, Number | None]:
    return {**_stock_inputs(sale), "gone": sale.gone}


def _stock_2_figures(sale: SaleNow) -> Figures:
    return Figures(sale.available or 0, "items", None, _stock_2_inputs(sale))


def _stock_left(sale: SaleNow) -> Iterator[Condition]:
    yield from sale.is_honest()
    most = sale.settings.stock_left_share_max * ((sale.offered or 0) + sale.restocked)
    yield Condition("above_display_threshold", "available", sale.available, "at most", most)


# -- eta ---------------------------------------------------------------------------------------------------------------
def _eta(sale: SaleNow) -> tuple[int, int] | None:
    return sellout_1(sale.available or 0, sale.seconds(), sale.as_of_ms % SECOND_MS + 1)


def _eta_conditions(sale: SaleNow) -> Iterator[Condition]:
    yield from sale.is_honest()
    yield Condition("sample_too_small", "forecast", None if _eta(sale) is None else "there", "is", "there")


def _eta_figures(sale: SaleNow) -> Figures:
    inputs: dict[str, Number | None] = {
        "available": sale.available,
        "units": sale.velocity_units(),
        "coverage": COVERAGE,
    }
    return Figures([*(_eta(sale) or (0, 0))], "ms", sale.settings.velocity_window_ms, inputs)


def _eta_2(sale: SaleNow) -> tuple[Sellout, int] | str:
    """The forecast of the present second with what was left at its beginning; or the reason why there is none."""
    second, seen, opened = sale.as_of_ms // SECOND_MS, sale.seen, sale.terms.opened
    if opened is None or not sale.available:
        return "sample_too_small"
    later = sum(units for each, units in seen.taken.items() if each >= second)
    later -= sum(units for each, units in seen.returned.items() if each >= second)
    left = (sale.left or 0) + later
    since = max(opened.starts_at_ms // SECOND_MS, seen.restocked_s)
    seconds = range(max(since, second - SECONDS_KEPT), second)
    taken, returned = ([units.get(each, 0) for each in seconds] for units in (seen.taken, seen.returned))
    found = sellout_2(left, taken, returned, pieces_of(seen.taken, max(since, second - LONG_KEPT), second))
    if isinstance(found, str):
        return found
    if waits_for_whole_memory(second, opened.starts_at_ms // SECOND_MS, seen.restocked_s):
        return "forecast_not_calibrated"
    until = second + min(found.high_ms // SECOND_MS + 1, sale.settings.hold_ms // (2 * SECOND_MS))
    due = sum(units for each, units in seen.due.items() if second <= each < until)
    ever = seen.held + seen.sold + seen.released
    is_over = sale.as_of_ms - second * SECOND_MS >= found.high_ms
    if due > MOST_DUE * left or seen.released > MOST_BACK * ever or is_over:
        return "forecast_not_calibrated"
    return found, left


def _eta_2_conditions(sale: SaleNow) -> Iterator[Condition]:
    yield from sale.is_honest()
    found = _eta_2(sale)
    why = found if isinstance(found, str) else "forecast_not_calibrated"
    yield Condition(why, "forecast", None if isinstance(found, str) else "there", "is", "there")


def _eta_2_figures(sale: SaleNow) -> Figures:
    found = _eta_2(sale)
    if isinstance(found, str):
        return Figures([0, 0], "ms", None, {})
    made, left = found
    gone_ms = sale.as_of_ms % SECOND_MS
    inputs: dict[str, Number | None] = {
        "available": sale.available,
        "units": made.taken,
        "units_returned": made.returned,
        "made_at_ms": sale.as_of_ms - gone_ms,
        "available_then": left,
        "coverage": COVERAGE,
    }
    return Figures([max(0, made.low_ms - gone_ms), made.high_ms - gone_ms], "ms", made.seconds * SECOND_MS, inputs)


# -- bought ------------------------------------------------------------------------------------------------------------
def _bought_conditions(sale: SaleNow) -> Iterator[Condition]:
    units, orders = sale.seen.bought(sale.as_of_ms, sale.settings.bought_window_ms)
    yield Condition("sample_too_small", "paid_orders_net", orders, "at least", sale.settings.bought_min_orders)
    yield Condition("sample_too_small", "units_net", units, "at least", 1)


def _bought_figures(sale: SaleNow) -> Figures:
    units, orders = sale.seen.bought(sale.as_of_ms, sale.settings.bought_window_ms)
    return Figures(units, "items", sale.settings.bought_window_ms, {"paid_orders_net": orders, "units_net": units})


# -- carts -------------------------------------------------------------------------------------------------------------
def _carts_conditions(sale: SaleNow) -> Iterator[Condition]:
    people = len(sale.seen.waiting)
    yield Condition("sample_too_small", "carters_without_order", people, "at least", sale.settings.in_carts_min)


def _carts_figures(sale: SaleNow) -> Figures:
    people = len(sale.seen.waiting)
    return Figures(people, "people", None, {"carters_without_order": people})


def _young_carts_conditions(sale: SaleNow) -> Iterator[Condition]:
    people = sale.may_buy()
    yield Condition("sample_too_small", "carters_without_order", people, "at least", sale.settings.in_carts_min)


def _young_carts_figures(sale: SaleNow) -> Figures:
    people = sale.may_buy()
    return Figures(people, "people", sale.settings.cart_max_age_ms, {"carters_without_order": people})


# -- end ---------------------------------------------------------------------------------------------------------------
def _time_left_ms(sale: SaleNow) -> int:
    return (sale.terms.ends_at_ms or 0) - sale.as_of_ms


def _ends_conditions(sale: SaleNow) -> Iterator[Condition]:
    yield from sale.is_known()
    most_ms = sale.settings.ends_in_max_ms
    yield Condition("above_display_threshold", "time_left_ms", _time_left_ms(sale), "at most", most_ms)


def _ends_while_any_conditions(sale: SaleNow) -> Iterator[Condition]:
    yield from sale.is_known()
    yield Condition("nothing_left", "available", sale.available, "is not", 0)
    yield from _ends_conditions(sale)


def _ends_figures(sale: SaleNow) -> Figures:
    inputs: dict[str, Number | None] = {
        "ends_at_ms": sale.terms.ends_at_ms,
        "extended": int(sale.terms.extended),
    }
    return Figures(_time_left_ms(sale), "ms", None, inputs)


# -- people ------------------------------------------------------------------------------------------------------------
def _watching_conditions(room: RoomSeen, settings: ClaimSettings) -> Iterator[Condition]:
    yield Condition("sample_too_small", "open_sessions", room.open_sessions, "at least", settings.watching_min)


def _watching_figures(room: RoomSeen, settings: ClaimSettings) -> Figures:  # noqa: ARG001 — as all rules of a room
    return Figures(room.open_sessions, "people", None, {"open_sessions": room.open_sessions})


class _Ends(NamedTuple):
    """How visits ended: see `docs/signals.md`, "Who is watching"."""

    left: int
    not_left: int
    left_long: int
    not_left_long: int
    silent_ms: int


def _ends_of(room: RoomSeen) -> _Ends:
    visits, now_ms, there = room.visits, room.as_of_ms, room.open_sessions
    not_left, not_left_long = (visits.not_left(there, now_ms, window_ms) for window_ms in (MINUTE_MS, LONG_VISIT_MS))
    return _Ends(visits.left, not_left, visits.left_long, not_left_long, visits.silent_ms(now_ms))


def _watching_2_conditions(room: RoomSeen, settings: ClaimSettings) -> Iterator[Condition]:
    yield from _watching_conditions(room, settings)
    ends, reason = _ends_of(room), "leaves_not_heard"
    yield Condition(reason, "left", ends.left, "at least", settings.leaves_min)
    yield Condition(reason, "left", ends.left, "at least", settings.leaves_share_min * (ends.left + ends.not_left))
    if ends.silent_ms >= settings.leaves_silent_ms:
        missing = ends.silent_ms * room.open_sessions
        yield Condition(reason, "missing_leaves_ms", -missing, "more than", -settings.leaves_missing_max * HOUR_MS)
    if ends.not_left_long > settings.leaves_long_open_max * room.open_sessions:
        least = settings.leaves_long_share_min * (ends.left_long + ends.not_left_long)
        yield Condition(reason, "left_long", ends.left_long, "at least", least)


def _watching_2_figures(room: RoomSeen, settings: ClaimSettings) -> Figures:
    figures = _watching_figures(room, settings)
    figures.inputs.update(_ends_of(room)._asdict())
    if room.visits.since_ms >= 0:
        figures.inputs["since_ms"] = room.visits.since_ms
    return figures


# -- all taken ---------------------------------------------------------------------------------------------------------
def _taken_figures(sale: SaleNow) -> Figures:
    return Figures(sale.held, "items", None, _stock_2_inputs(sale))


RULES: dict[str, Rule] = {
    "stock_left/1": Rule(
        "stock_left",
        "What is available of this SKU, while at most a fifth of offered + restocked is left.",
        ("orders", "sales"),
        lambda sale: sale.available != 0,
        _stock_left,
        _stock_figures,
    ),
    "sold_out/1": Rule(
        "sold_out",
        "Nothing of this SKU is available: what is not sold is held.",
        ("orders", "sales"),
        lambda sale: sale.available == 0,
        _stock_left,
        _stock_figures,
    ),
    "all_taken/1": Rule(
        "all_taken",
        "Nothing of this SKU is available, and so many units are held that are not paid yet.",
        ("orders", "sales"),
        lambda sale: sale.available == 0 and sale.held > 0,
        _stock_left,
        _taken_figures,
    ),
    "sold_out/2": Rule(
        "sold_out",
        "Nothing of this SKU is available, and nothing is held.",
        ("orders", "sales"),
        lambda sale: sale.available == 0 and sale.held == 0,
        _stock_left,
        _stock_2_figures,
    ),
    "stock_left/2": Rule(
        "stock_left",
        "As stock_left/1, less the units of cancelled and refunded orders that did not come back.",
        ("orders", "sales"),
        lambda sale: sale.available != 0,
        _stock_left,
        _stock_2_figures,
    ),
    "eta_sellout/1": Rule(
        "eta_sellout",
        "From when to when the last unit goes, by the net units of each of the last 30 seconds.",
        ("orders", "sales"),
        lambda sale: sale.available != 0,
        _eta_conditions,
        _eta_figures,
    ),
    "eta_sellout/2": Rule(
        "eta_sellout",
        "From when to when the last unit goes, where that can be calibrated: by the units taken and returned.",
        ("orders", "sales"),
        lambda sale: sale.available != 0,
        _eta_2_conditions,
        _eta_2_figures,
    ),
    "bought_recently/1": Rule(
        "bought_recently",
        "Units sold in the last 5 minutes, net of cancels and refunds, by at least 3 orders.",
        ("orders",),
        lambda _: True,
        _bought_conditions,
        _bought_figures,
    ),
    "in_carts/1": Rule(
        "in_carts",
        "People who put this SKU into the cart and neither hold nor bought any.",
        ("cart-adds", "orders"),
        lambda _: True,
        _carts_conditions,
        _carts_figures,
    ),
    "in_carts/2": Rule(
        "in_carts",
        "People with this SKU in a cart of at most 30 minutes, who hold and bought none and were not heard to leave.",
        ("cart-adds", "orders", "visits"),
        lambda _: True,
        _young_carts_conditions,
        _young_carts_figures,
    ),
    "ends_in/2": Rule(
        "ends_in",
        "How long the sale goes on, in its last hour, while there is something to buy.",
        ("sales",),
        lambda sale: sale.terms.ends_at_ms is not None,
        _ends_while_any_conditions,
        _ends_figures,
    ),
    "ends_in/1": Rule(
        "ends_in",
        "How long the sale goes on, in its last hour.",
        ("sales",),
        lambda sale: sale.terms.ends_at_ms is not None,
        _ends_conditions,
        _ends_figures,
    ),
}
ROOM_RULES: dict[str, RoomRule] = {
    "watching_now/1": RoomRule(
        "watching_now",
        "Sessions that are open: whoever came and has not left.",
        ("visits",),
        _watching_conditions,
        _watching_figures,
    ),
    "watching_now/2": RoomRule(
        "watching_now",
        "Sessions that are open, where so many are heard to leave that the others may be taken to be there.",
        ("visits",),
        _watching_2_conditions,
        _watching_2_figures,
    ),
}
# The rules in force, by edition of the signals.
_FIRST = (
    *("watching_now/1", "stock_left/1", "sold_out/1", "eta_sellout/1", "bought_recently/1", "in_carts/1", "ends_in/1"),
)
_SECOND = (
    *("watching_now/2", "stock_left/2", "all_taken/1", "sold_out/2", "eta_sellout/2", "bought_recently/1"),
    *("in_carts/2", "ends_in/2"),
)
EDITIONS: dict[int, tuple[str, ...]] = {1: _FIRST, 2: _SECOND}
