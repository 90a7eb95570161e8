"""Rooms whose documents the tests write: claims by the core's own rules, put into Redis as a worker would."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.overlay import (
    SCHEMA,
    Because,
    Clock,
    Count,
    EtaSellout,
    Evidence,
    FeedItem,
    Level,
    Money,
    Orders,
    Overlay,
    Rate,
    Sale,
    SaleStatus,
    Totals,
    Urgency,
    Velocity,
    room_key,
)
from stream.core.claims import ClaimBook
from stream.core.rules import Rules
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

SALE, COAT = "coat-drop", "sku-881"
EVIDENCE: list[Evidence | None] = [Evidence(f"live.t{number}", 3, 0, 1_000 + number) for number in range(len(TOPICS))]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def coat(
    *,
    status: SaleStatus = "open",
    offered: int | None = 5_000,
    held: int = 100,
    sold: int = 4_858,
    level: Level = "snap_up",
    starts_in_ms: int = -60_000,
    ends_in_ms: int | None = 252_000,
    **changes: Any,
) -> Sale:
    """One SKU of one sale, 42 left unless told otherwise. The account always balances."""
    restocked: int = changes.get("restocked", 0)
    left = None if offered is None else offered + restocked - held - sold
    at_ms = now_ms()
    made = Sale(
        SALE,
        COAT,
        status,
        at_ms + starts_in_ms,
        None if ends_in_ms is None else at_ms + ends_in_ms,
        extended=False,
        offered=offered,
        restocked=restocked,
        available=None if left is None else max(0, left),
        held=held,
        sold=sold,
        oversold=0 if left is None else max(0, -left),
        over_limit=0,
        released=0,
        sell_through=None if not offered else round(sold / (offered + restocked), 4),
        carters_without_order=Count(190, "exact"),
        suspect_units=0,
        velocity=Velocity(120, 10_000),
        eta_sellout_ms=EtaSellout(14_000, 59_000, 0.9) if left else None,
        restock_planned_at_ms=None,
        price_minor=39_900,
        list_price_minor=89_900,
        currency="CNY",
        urgency=Urgency(level, at_ms - 5_000, [Because("velocity_over_baseline", 9.1, 8.0)]),
    )
    return msgspec.structs.replace(made, **changes)


def session_rates(at_ms: int, viewers: int = 21_877) -> list[Rate]:
    """Every rate over every window."""
    rates: list[Rate] = []
    for place, window_ms in enumerate((60_000, 300_000, 1_800_000, None), 1):
        rates += [
            Rate("watch_to_buy_uv", window_ms, 103 * place, viewers, at_ms, "exact"),
            Rate("click_to_buy_uv", window_ms, 103 * place, 5_000, at_ms, "exact"),
            Rate("cart_to_order_uv", window_ms, 90 * place, 1_200, at_ms, "exact"),
            Rate("orders_per_viewer", window_ms, 120 * place, viewers, at_ms, "exact"),
            Rate("pay_rate", window_ms, 110 * place, 120 * place, at_ms, "exact"),
            Rate("engaged_uv_rate", window_ms, 9_000, viewers, at_ms, "sketch", 0.0165),
            Rate("gpm_views", window_ms, 13_804_800_000, 29_698, at_ms, "exact", None, "CNY"),
        ]
    return rates


class Room:
    """One room as a worker publishes it. Change its fields, then `put`."""

    def __init__(self, room_id: str, redis: Redis) -> None:
        self.room_id = room_id
        self.redis = redis
        self.epoch = 1
        self.rev = 0
        self.fresh_ms = 60_000
        self.signals_edition = 1
        self.lag_ms = 0
        self.sales: list[Sale] = [coat()]
        self.bought = (4_900, 4_700)
        self.watching = 12_345
        self.viewers = Count(21_877, "exact")
        self.likes, self.comments, self.cart_adds = 238_400, 18_200, 6_100
        self.orders = Orders(4_900, 4_700, 12, 3)
        self.money = [Money("CNY", 195_510_000, 187_530_000, 186_931_500)]
        self.feed: list[FeedItem] = []
        self.urgency: Urgency | None = None
        self.sections: dict[str, Any] = {}  # of mechanics, by name

    def overlay(self) -> Overlay:
        """The document as of now; good for `fresh_ms`."""
        at_ms = now_ms()
        rules = Rules(claim_valid_ms=self.fresh_ms, signals_edition=self.signals_edition)
        book = ClaimBook(rules, EVIDENCE, f"1-{self.rev}", at_ms, stale=False)
        book.watching(self.watching)
        for sale in self.sales:
            book.sale(sale, *self.bought)
        head = self.urgency
        if head is None and self.sales:
            head = msgspec.structs.replace(self.sales[0].urgency, sale_id=self.sales[0].sale_id)
        return Overlay(
            SCHEMA,
            self.room_id,
            self.epoch,
            self.rev,
            at_ms,
            at_ms + self.fresh_ms,
            Clock("tick", self.lag_ms),
            Totals(
                self.viewers,
                30_000,
                self.watching,
                self.likes,
                self.comments,
                self.cart_adds,
                self.orders,
                self.money,
            ),
            session_rates(at_ms),
            self.sales,
            head or Urgency("unknown", at_ms, []),
            book.claims,
            book.withheld,
            self.feed,
        )

    def put(self) -> Overlay:
        """Publish the next revision."""
        self.rev += 1
        made = self.overlay()
        raw = msgspec.json.encode(made)
        for name, section in self.sections.items():
            raw = raw[:-1] + b',"%s":%s}' % (name.encode(), msgspec.json.encode(section))
        self.put_raw(raw)
        return made

    def put_raw(self, document: bytes) -> None:
        """Publish any bytes, as whoever may write to Redis could."""
        prefix = "live"
        self.redis.set(room_key(prefix, self.room_id, "overlay"), document, px=max(self.fresh_ms, 1) + 7_000)
        self.redis.publish(room_key(prefix, self.room_id, "rev"), self.rev)

    def vanish(self) -> None:
        """The key goes, as when nobody folds the room any more."""
        self.redis.delete(room_key("live", self.room_id, "overlay"))
        self.redis.publish(room_key("live", self.room_id, "rev"), self.rev)

    @contextlib.asynccontextmanager
    async def live(self, every_s: float = 0.25) -> AsyncIterator[None]:
        """Publish again and again in the background, whatever the fields are by then."""

        async def keep() -> None:
            while True:
                self.put()
                await asyncio.sleep(every_s)

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
