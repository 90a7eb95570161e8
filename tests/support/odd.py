"""Logs of producers as they are: unknown people, orders that contradict each other, ids used twice."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from tests.support.rooms import ORDERS, SALES, T0_MS, VISITS, random_log

if TYPE_CHECKING:
    from tests.support.rooms import Log

STRANGERS = ("-", "0", "-1", "null", "Guest", "UNKNOWN", "00000000-0000-0000-0000-000000000000")


def odd_log(seed: int, **options: Any) -> Log:
    """A log of `random_log`, in which one record of five is odd."""
    random, log = Random(~seed), random_log(seed, **options)
    used: dict[str, list[str]] = {}  # event ids of orders, by room
    for topic, records in enumerate(log):
        for place, record in enumerate(records):
            if record.value is None or record.value.startswith(b"{broken"):
                continue
            event = msgspec.json.decode(record.value)
            _make_odd(random, topic, event)
            if topic == ORDERS:
                _contradict(random, event, used.setdefault(event["room_id"], []))
            records[place] = record._replace(value=msgspec.json.encode(event))
    return log


def _make_odd(random: Random, topic: int, event: dict[str, Any]) -> None:
    if "user_id" in event and random.random() < 0.1:
        event["user_id"] = random.choice(STRANGERS)
    if topic == VISITS and event["type"] != "product_click" and random.random() < 0.3:
        event["session_id"] = random.choice(["-", "null", "x1", "x2"])
    if event["type"] in ("sale_closed", "sale_extended") and random.random() < 0.5:
        event["sku_id"] = random.choice(["k0", "k1"])
    if topic == SALES and "ends_at_ms" in event and random.random() < 0.1:
        event["ends_at_ms"] = random.choice([0, T0_MS // 1_000, T0_MS * 1_000])


def _contradict(random: Random, event: dict[str, Any], used: list[str]) -> None:
    chance = random.random()
    if chance < 0.06:
        event["user_id"] = "u-other"
    elif chance < 0.1:
        event["currency"] = "USD"
    elif chance < 0.16:
        event["lines"][0]["amount_minor"] += 1
    elif chance < 0.26 and used:
        event["event_id"] = random.choice(used)
    used.append(event["event_id"])
