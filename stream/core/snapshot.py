"""Room + moment → overlay document. Reads the room and moves nothing in it; every figure is absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.overlay import (
    SCHEMA,
    Clock,
    Count,
    Evidence,
    Money,
    Orders,
    Overlay,
    Sale,
    Totals,
)
from stream.core.claims import ClaimBook
from stream.core.rates import VIEWERS, all_rates
from stream.core.sale import baseline_units, look, shown_urgency
from stream.core.urgency import leading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from stream.contract.overlay import Urgency
    from stream.core.room import Room, SaleKey
    from stream.core.sale import Look
    from stream.core.stock import Ledger
    from stream.core.urgency import UrgencyState


class Moment:
    """As of when, in which partition and how far in its log a snapshot is taken."""

    __slots__ = ("as_of_ms", "epoch", "lag_ms", "partition", "positions", "source", "stale_after_ms", "topics")

    def __init__(
        self,
        *,
        as_of_ms: int,
        stale_after_ms: int,
        source: Literal["tick", "log"],
        lag_ms: int,
        epoch: int,
        partition: int,
        topics: Sequence[str],
        positions: Sequence[int],
    ) -> None:
        self.as_of_ms = as_of_ms
        self.stale_after_ms = stale_after_ms
        self.source = source
        self.lag_ms = lag_ms
        self.epoch = epoch
        self.partition = partition
        self.topics = topics
        self.positions = positions


def overlay_of(room: Room, moment: Moment) -> Overlay:
    """The whole document. The room must have been advanced to `moment.as_of_ms`."""
    baseline = baseline_units(room, moment.as_of_ms)
    book = ClaimBook(
        room.rules,
        _evidence(room, moment),
        f"{moment.epoch}-{room.rev}",
        moment.as_of_ms,
        stale=moment.lag_ms > room.rules.stale_lag_ms,
    )
    book.watching(room.presence.open_sessions)
    sales = []
    urgencies = {}
    for key in sorted(room.ledgers):
        ledger = room.ledgers[key]
        seen = look(room, ledger, moment.as_of_ms, baseline)
        urgencies[key] = shown_urgency(room, ledger, seen.figures, moment.as_of_ms)
        sale = _sale(ledger, seen, urgencies[key].published())
        sales.append(sale)
        book.sale(sale, *ledger.bought_recently(moment.as_of_ms, room.rules.bought_window_ms))
    return _assemble(room, moment, sales, urgencies, book)


def _assemble(
    room: Room, moment: Moment, sales: list[Sale], urgencies: dict[SaleKey, UrgencyState], book: ClaimBook
) -> Overlay:
    lead, urgency = leading(urgencies)
    totals = Totals(
        room.audiences[VIEWERS].session.published(),
        room.views,
        room.presence.open_sessions,
        room.likes,
        room.comments,
        room.cart_adds,
        Orders(room.orders_placed, room.orders_paid, room.orders_cancelled, room.orders_refunded),
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
        all_rates(room, moment.as_of_ms),
        sales,
        urgency.published(None if lead is None else lead[0]),
        book.claims,
        book.withheld,
        list(reversed(room.feed)),
    )


def _sale(ledger: Ledger, seen: Look, urgency: Urgency) -> Sale:
    opened, left = ledger.opened, ledger.available
    total = None if opened is None else opened.offered + ledger.restocked
    return Sale(
        ledger.sale_id,
        ledger.sku_id,
        seen.status,
        None if opened is None else opened.starts_at_ms,
        seen.ends_at_ms,
        seen.extended,
        ledger.offered,
        ledger.restocked,
        seen.available,
        ledger.held,
        ledger.sold,
        0 if left is None else max(0, -left),
        ledger.over_limit,
        ledger.released,
        round(ledger.sold / total, 4) if total else None,
        Count(seen.carters, "exact")
        if ledger.carters.exact
        else Count(seen.carters, "sketch", ledger.carters.published().error_95),
        ledger.suspect_held,
        seen.velocity,
        seen.eta,
        ledger.restock_planned[1] if ledger.restock_planned[1] >= 0 else None,
        None if opened is None else opened.price_minor,
        None if opened is None else opened.list_price_minor,
        None if opened is None else opened.currency,
        urgency,
    )


def _evidence(room: Room, moment: Moment) -> list[Evidence | None]:
    return [
        Evidence(moment.topics[index], moment.partition, first, moment.positions[index]) if first >= 0 else None
        for index, first in enumerate(room.first_offsets)
    ]
