"""The realistic mix that benches run on: 70 % likes, 15 % comments, 10 % cart-adds, 5 % orders over 50 rooms (zipf).

Seeded: the same number of events is always the same events, so totals are known without counting.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMS = 50
USERS = 100_000
COMMENTS, LIKES, CART_ADDS, ORDERS = (TOPIC_NAMES.index(name) for name in ("comments", "likes", "cart-adds", "orders"))

# Coprime to the number of users: buyers are spread over all of them.
BUYER_STEP = 7_919


class Drawn(NamedTuple):
    """One event: its topic, room and bytes."""

    topic_index: int
    room_id: str
    value: bytes


def draw(events: int, t0_ms: int, events_per_s: int) -> Iterator[Drawn]:
    """The mix, `events_per_s` of them a second of event time from `t0_ms` on."""
    random = Random(1)
    weights = list(accumulate(1 / (rank + 1) for rank in range(ROOMS)))
    rooms = random.choices([f"room-{rank:03d}" for rank in range(ROOMS)], cum_weights=weights, k=events)
    encode = msgspec.json.encode
    for number, room in enumerate(rooms):
        user = f"user-{int(random.random() * USERS):06d}"
        event = {
            "event_id": f"e-{number:09d}",
            "room_id": room,
            "event_time_ms": t0_ms + number * 1_000 // events_per_s,
        }
        event["user_id"] = user
        kind = random.random()
        if kind < 0.70:
            yield Drawn(LIKES, room, encode({"type": "like", **event, "count": 3}))
        elif kind < 0.85:
            yield Drawn(COMMENTS, room, encode({"type": "comment", **event, "text": "this one looks lovely"}))
        elif kind < 0.95:
            cart = {"sku_id": "sku-1", "quantity": 1, "sale_id": "drop"}
            yield Drawn(CART_ADDS, room, encode({"type": "cart_add", **event, **cart}))
        else:
            line = {"sku_id": "sku-1", "quantity": 1, "amount_minor": 19_900, "sale_id": "drop"}
            # Each order is placed, and about half a second later paid.
            pair, paid = divmod(number // 20, 2)
            order = {"order_id": f"o-{pair}-{number % 20}-{room}", "status": "paid" if paid else "placed"}
            event["user_id"] = f"user-{(pair * 20 + number % 20) * BUYER_STEP % USERS:06d}"  # of one order, one user
            yield Drawn(ORDERS, room, encode({"type": "order", **event, **order, "lines": [line], "currency": "CNY"}))
