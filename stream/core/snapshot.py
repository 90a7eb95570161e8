"""Room + moment → overlay document. Reads the room; every figure is absolute.

`overlay_of` makes the whole document anew, as values. `document_of` makes the bytes that are published and keeps the
JSON of each sale (`sale_json.py`). Both say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from msgspec import Struct

from stream.contract.overlay import SCHEMA, Clock, Evidence, Money, Orders, Overlay, Session, Totals, Urgency
from stream.contract.sections import overlay_with
from stream.core.audiences import VIEWERS
from stream.core.claims import ClaimBook
from stream.core.rates import all_rates, rates_json
from stream.core.sale import level_now, read_sale, sale_of
from stream.core.sale_json import SaleJson, encode, gap_values
from stream.core.standing import COMPLETED, DELIVERED, PARTLY, PAYMENT_FAILED, SHIPPED
from stream.core.traffic import sources_of
from stream.core.urgency import UrgencyState, leading

if TYPE_CHECKING:
    from collections import Counter

    from stream.contract.overlay import EndedBy, Rate, Sale
    from stream.core.counters import Reason
    from stream.core.memory import SaleKey
    from stream.core.room import Room


class Moment(Struct, frozen=True, kw_only=True, gc=False):
    """As of when, in which partition and how far in its log a snapshot is taken."""

    as_of_ms: int
    stale_after_ms: int
    source: Literal["tick", "log"]
    lag_ms: int
    epoch: int
    partition: int
    topics: Sequence[str]
    positions: Sequence[int]


def overlay_of(room: Room, moment: Moment) -> Overlay:
    """The whole document, made anew. The room must have been advanced to `moment.as_of_ms`."""
    book = _book(room, moment)
    sales = []
    urgencies = {}
    for key in sorted(room.ledgers):
        ledger = room.ledgers[key]
        reading = read_sale(room, ledger, moment.as_of_ms)
        urgencies[key] = level_now(room, ledger, reading, moment.as_of_ms)
        sale = sale_of(ledger, reading, urgencies[key].published())
        sales.append(sale)
        bought = ledger.bought_recently(moment.as_of_ms, room.rules.bought_window_ms)
        book.sale(sale, *bought, misplaced=room.misplaced, basis=reading.basis())
    lead, urgency = leading(urgencies)
    published = urgency.published(None if lead is None else lead[0])
    overlay = _assembled(room, moment, all_rates(room, moment.as_of_ms), sales, published, book)
    return _with_sections(room, _with_products(room, overlay))


def last_of(room: Room, moment: Moment, ended_by: EndedBy) -> Overlay:
    """The last document of a session: its totals, and nothing that anybody could act upon any more."""
    sales = []
    for key in sorted(room.ledgers):
        ledger = room.ledgers[key]
        level = Urgency("unknown", moment.as_of_ms, [])
        sale = sale_of(ledger, read_sale(room, ledger, moment.as_of_ms), level)
        sale.eta_sellout_ms = None
        sales.append(sale)
    over = Urgency("ended", moment.as_of_ms, [])
    book = ClaimBook(room.rules, [], "", moment.as_of_ms, stale=False)
    overlay = _assembled(room, moment, all_rates(room, moment.as_of_ms), sales, over, book)
    overlay.session = _session(room, moment)
    overlay.session.ended_at_ms, overlay.session.ended_by = moment.as_of_ms, ended_by
    return _with_sections(room, _with_products(room, overlay))


def document_of(room: Room, moment: Moment, withheld: Counter[Reason] | None) -> bytes:
    """The same, encoded, from what is kept of the documents before it. Counts what is withheld and why."""
    book = _book(room, moment)
    first: SaleJson | None = None
    sales: list[Sale] = []
    values: list[bytes] = []
    kept: dict[SaleKey, SaleJson] = room.sale_json
    for key in sorted(room.ledgers):
        ledger, shown = room.ledgers[key], kept.get(key)
        if shown is not None and shown.version != ledger.version:
            shown = None
        if shown is not None and not values:
            values = gap_values(book)
        if shown is not None and shown.fill(room, ledger, moment.as_of_ms, values):
            shown.templates(room.rules, moment.as_of_ms, stale=book.stale).add_to(sales, book, values)
        else:
            shown = kept[key] = SaleJson(room, ledger, moment.as_of_ms)
            sales.append(shown.sale)
            shown.say(book)
        if first is None or shown.rank < first.rank:
            first = shown
    if withheld is not None:
        for reason in book.reasons:
            withheld[reason] += 1
    urgency = UrgencyState().published() if first is None else first.lead()
    rates: Any = rates_json(room, moment.as_of_ms)
    overlay: Any = _assembled(room, moment, rates, sales, urgency, book)
    if room.products is not None:
        overlay.products, overlay.products_beyond = room.products.json(), room.products.beyond
    document = encode(overlay)
    return document if room.engaged is None else room.engaged.add_to(document, moment.as_of_ms)


def _with_products(room: Room, overlay: Overlay) -> Overlay:
    if room.products is not None:
        overlay.products, overlay.products_beyond = room.products.published(), room.products.beyond
    return overlay


def _with_sections(room: Room, overlay: Overlay) -> Overlay:
    """The document with a section for each mechanic that the room has met and that shows something."""
    if room.engaged is None or not (sections := room.engaged.sections(overlay.as_of_ms)):
        return overlay
    kind: Any = overlay_with(room.shared.installed.catalogue.sections)
    return cast("Overlay", kind(*msgspec.structs.astuple(overlay), **sections))


def _book(room: Room, moment: Moment) -> ClaimBook:
    """A book with what is claimed of the room itself."""
    evidence = [
        Evidence(moment.topics[index], moment.partition, first, moment.positions[index]) if first >= 0 else None
        for index, first in enumerate(room.first_offsets)
    ]
    stale = moment.lag_ms > room.rules.stale_lag_ms
    book = ClaimBook(room.rules, evidence, f"{moment.epoch}-{room.rev}", moment.as_of_ms, stale=stale)
    book.watching(room.presence.open_sessions, room.departures(moment.as_of_ms))
    return book


def _session(room: Room, moment: Moment) -> Session:
    offsets = zip(room.first_offsets, moment.positions, strict=True)
    first = [first if first >= 0 else position for first, position in offsets]
    return Session(room.show_id, room.born_ms, None, None, first, list(moment.positions))


def _assembled(
    room: Room,
    moment: Moment,
    rates: list[Rate],
    sales: list[Sale],
    urgency: Urgency,
    book: ClaimBook,
) -> Overlay:
    totals = Totals(
        room.audiences[VIEWERS].session.published(),
        room.views,
        room.presence.open_sessions,
        room.likes,
        room.comments,
        room.cart_adds,
        Orders(
            room.orders_placed,
            room.orders_paid,
            room.orders_cancelled,
            room.orders_refunded,
            *[room.orders_later.get(bit, 0) for bit in (SHIPPED, DELIVERED, COMPLETED, PAYMENT_FAILED, PARTLY)],
        ),
        [Money(currency, *amounts) for currency, amounts in sorted(room.money.items())],
    )
    return Overlay(
        SCHEMA,
        room.room_id,
        moment.epoch,
        room.rev,
        moment.as_of_ms,
        moment.stale_after_ms,
        Clock(moment.source, moment.lag_ms),
        totals,
        rates,
        sales,
        urgency,
        book.claims,
        book.withheld,
        room.feed[::-1],
        _session(room, moment) if room.later or room.show_id is not None else None,
        # Under the first edition nothing was said of it.
        (room.sales_refused or None) if room.second_edition else None,
        None,
        sources_of(room),
        orders_displaced=(room.orders_displaced or None) if room.rules.second_signals else None,
        known_since_ms=room.known_ms if room.lost and room.rules.second_signals else None,
    )
