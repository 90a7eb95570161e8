"""The show that each client writes, in rooms of its own, and what the plan of it comes to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMS = 6
LIKES, COMMENTS, CARTS, VIEWS, ORDERS = 24, 9, 7, 5, 6
# Every order is placed, and every second one paid; amounts are 100, 200, 300, …
PAID = ORDERS // 2
OFFERED = 50
# So that every codec has something to pack; a field that the contract does not know.
NOTE = "one more look at the coat from the side, please: " * 8


class Line(NamedTuple):
    """One record: logical topic, room, value."""

    topic: str
    room: str
    value: str


class Sums(NamedTuple):
    """What a room's document must say."""

    likes: int
    comments: int
    cart_adds: int
    views: int
    placed: int
    paid: int
    paid_minor: int
    sold: int


PLAN = Sums(
    likes=sum(1 + number % 5 for number in range(LIKES)),
    comments=COMMENTS,
    cart_adds=CARTS,
    views=VIEWS,
    placed=ORDERS,
    paid=PAID,
    paid_minor=sum(100 * (number + 1) for number in range(0, ORDERS, 2)),
    sold=PAID,
)


def rooms_of(name: str) -> list[str]:
    """The rooms of one client and codec."""
    return [f"{name}-{number}" for number in range(ROOMS)]


def lines(name: str) -> Iterator[Line]:
    """The show of one client and codec, as of now."""
    now_ms = time.time_ns() // 1_000_000
    for room in rooms_of(name):
        for number, (topic, fields) in enumerate(_events(now_ms)):
            event = {"event_id": f"{room}-{number}", "room_id": room, "event_time_ms": now_ms, "note": NOTE}
            yield Line(topic, room, msgspec.json.encode(event | fields).decode())


def _events(now_ms: int) -> Iterator[tuple[str, dict[str, Any]]]:
    opened = {"type": "sale_opened", "sale_id": "drop", "sku_id": "coat", "offered": OFFERED}
    yield "sales", {**opened, "starts_at_ms": now_ms - 60_000}
    for number in range(VIEWS):
        yield "visits", {"type": "enter", "user_id": f"user-{number}"}
    for number in range(LIKES):
        yield "likes", {"type": "like", "user_id": f"user-{number % 4}", "count": 1 + number % 5}
    for number in range(COMMENTS):
        yield "comments", {"type": "comment", "user_id": f"user-{number % 4}", "text": "多少钱?"}
    for number in range(CARTS):
        fields = {"type": "cart_add", "user_id": f"user-{number}", "sku_id": "coat", "quantity": 1}
        yield "cart-adds", {**fields, "sale_id": "drop"}
    for status, every in (("placed", 1), ("paid", 2)):
        for number in range(0, ORDERS, every):
            line = {"sku_id": "coat", "quantity": 1, "amount_minor": 100 * (number + 1), "sale_id": "drop"}
            fields = {"type": "order", "user_id": f"user-{number}", "order_id": f"o-{number}", "status": status}
            yield "orders", {**fields, "currency": "CNY", "lines": [line]}


def sums_of(document: dict[str, Any]) -> Sums:
    """What a room's document says."""
    totals = document["totals"]
    sold = sum(stock["sold"] for stock in document["sales"])
    orders = totals["orders"]
    paid_minor = sum(money["gmv_paid_minor"] for money in totals["money"])
    return Sums(
        totals["likes"],
        totals["comments"],
        totals["cart_adds"],
        totals["views"],
        orders["placed"],
        orders["paid"],
        paid_minor,
        sold,
    )
