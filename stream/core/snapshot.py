"""Room + moment → overlay document. Reads the room and moves only its urgency; every figure is absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.overlay import (
    SCHEMA,
    Claim,
    Clock,
    Count,
    EtaSellout,
    Evidence,
    Money,
    Orders,
    Overlay,
    Sale,
    SaleStatus,
    Totals,
    Velocity,
    Withheld,
)
from stream.core.claims import ClaimBook
from stream.core.eta import COVERAGE, eta_sellout
from stream.core.rates import VIEWERS, all_rates
from stream.core.stock import RECENT_BUCKETS
from stream.core.time import BUCKET_MS
from stream.core.urgency import SaleFigures, UrgencyState, leading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from stream.core.room import Room
    from stream.core.stock import Ledger


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
    baseline = _baseline_units(room, moment.as_of_ms)
    book = ClaimBook(
        room.rules,
        _evidence(room, moment),
        f"{moment.epoch}-{room.rev}",
        moment.as_of_ms,
        stale=moment.lag_ms > room.rules.stale_lag_ms,
    )
    book.watching(room.presence.open_sessions)
    sales = []
    for key in sorted(room.ledgers):
        ledger = room.ledgers[key]
        sale = _sale(room, ledger, moment.as_of_ms, baseline)
        sales.append(sale)
        book.sale(sale, *ledger.bought_recently(moment.as_of_ms, room.rules.bought_window_ms))
    return _assemble(room, moment, sales, book.claims, book.withheld)


def _assemble(room: Room, moment: Moment, sales: list[Sale], claims: list[Claim], withheld: list[Withheld]) -> Overlay:
    lead, urgency = leading(room.urgencies)
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
        claims,
        withheld,
        list(reversed(room.feed)),
    )


def status_of(ledger: Ledger, room: Room, now_ms: int) -> tuple[SaleStatus, int | None, bool]:
    """Status, end (None: open-ended) and whether it was extended, as of a moment."""
    terms = room.terms.get(ledger.sale_id)
    opened = ledger.opened
    if opened is None:
        return "unknown", None, False
    ends_at_ms = opened.ends_at_ms
    extended = False
    if terms is not None and ends_at_ms is not None and terms.extended_to_ms > ends_at_ms:
        ends_at_ms, extended = terms.extended_to_ms, True
    if terms is not None and 0 <= terms.closed_at_ms <= now_ms:
        closed_ms = terms.closed_at_ms
        return "ended", closed_ms if ends_at_ms is None else min(closed_ms, ends_at_ms), extended
    if ends_at_ms is not None and now_ms >= ends_at_ms:
        return "ended", ends_at_ms, extended
    return ("scheduled" if now_ms < opened.starts_at_ms else "open"), ends_at_ms, extended


def _sale(room: Room, ledger: Ledger, now_ms: int, baseline: float | None) -> Sale:
    rules, opened = room.rules, ledger.opened
    status, ends_at_ms, extended = status_of(ledger, room, now_ms)
    left = ledger.available
    available = None if left is None else max(0, left)
    bucket = now_ms // BUCKET_MS
    velocity = Velocity(ledger.velocity_units(bucket, rules.velocity_window_ms), rules.velocity_window_ms)
    eta = _eta(ledger, now_ms) if status == "open" else None
    carters = ledger.carters_without_order
    urgency = room.urgencies.get((ledger.sale_id, ledger.sku_id))
    if urgency is None:
        urgency = room.urgencies[ledger.sale_id, ledger.sku_id] = UrgencyState(since_ms=now_ms)
    figures = SaleFigures(
        status,
        available == 0,
        _velocity_ratio(room, velocity, baseline),
        carters / available if available and carters >= rules.demand_min_carters else None,
        None if eta is None else (eta.low + eta.high) / 2_000,
        None if ends_at_ms is None else ends_at_ms - now_ms,
    )
    if urgency.update(figures, now_ms, rules):
        room.unsaved = True
    total = None if opened is None else opened.offered + ledger.restocked
    return Sale(
        ledger.sale_id,
        ledger.sku_id,
        status,
        None if opened is None else opened.starts_at_ms,
        ends_at_ms,
        extended,
        ledger.offered,
        ledger.restocked,
        available,
        ledger.held,
        ledger.sold,
        0 if left is None else max(0, -left),
        ledger.over_limit,
        ledger.released,
        round(ledger.sold / total, 4) if total else None,
        Count(carters, "exact")
        if ledger.carters.exact
        else Count(carters, "sketch", ledger.carters.published().error_95),
        ledger.suspect_held,
        velocity,
        eta,
        ledger.restock_planned[1] if ledger.restock_planned[1] >= 0 else None,
        None if opened is None else opened.price_minor,
        None if opened is None else opened.list_price_minor,
        None if opened is None else opened.currency,
        urgency.published(),
    )


def _eta(ledger: Ledger, now_ms: int) -> EtaSellout | None:
    available = ledger.available
    if available is None or available <= 0 or not ledger.recent:
        return None
    bucket, recent = now_ms // BUCKET_MS, ledger.recent
    # The buckets begin with the sale: seconds before it opened are not seconds in which nobody bought.
    opened_bucket = 0 if ledger.opened is None else ledger.opened.starts_at_ms // BUCKET_MS
    first = max(bucket - RECENT_BUCKETS + 1, opened_bucket)
    units = [recent.get(second, 0) for second in range(first, bucket + 1)]
    found = eta_sellout(available, units, BUCKET_MS, last_bucket_ms=now_ms % BUCKET_MS + 1)
    return None if found is None else EtaSellout(found[0], found[1], COVERAGE)


def _baseline_units(room: Room, now_ms: int) -> float | None:
    """The room's own pace: net units of one velocity window, averaged over the longest tally window before this one."""
    tally, rules = room.unit_tally, room.rules
    window_ms = rules.velocity_window_ms
    bucket = now_ms // BUCKET_MS
    recent = sum(tally.counts.get(bucket - age, 0) for age in range(window_ms // BUCKET_MS))
    span_ms = min(now_ms - room.first_unit_ms, 1_800_000) - window_ms if room.first_unit_ms >= 0 else 0
    if span_ms < window_ms:
        return rules.baseline_floor_units
    return max(rules.baseline_floor_units, (tally.total_2 - recent) * window_ms / span_ms)


def _velocity_ratio(room: Room, velocity: Velocity, baseline: float | None) -> float | None:
    if baseline is None or velocity.units < room.rules.velocity_min_units:
        return None
    return velocity.units / baseline


def _evidence(room: Room, moment: Moment) -> list[Evidence | None]:
    return [
        Evidence(moment.topics[index], moment.partition, first, moment.positions[index]) if first >= 0 else None
        for index, first in enumerate(room.first_offsets)
    ]
