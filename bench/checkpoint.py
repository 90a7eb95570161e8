"""What a checkpoint costs while one room grows: bytes, records and CPU of a cut, against writing the room whole.

    python bench/checkpoint.py [ORDERS]

One room, one sale; each second 1 000 orders are placed by new people who entered just before. "whole" is the size of
all state records of the room: what each checkpoint would write without change logs. Prints a table and writes
bench/out/checkpoint.json. One process, CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
T0_MS = 1_700_000_000_000
ORDERS_PER_S = 1_000
ROOM = "room-1"
ORDERS, VISITS = TOPIC_NAMES.index("orders"), TOPIC_NAMES.index("visits")


class Rec(NamedTuple):
    """What the fold reads of a Kafka record."""

    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def second(number: int) -> list[tuple[int, list[Rec]]]:
    """What comes in one second: a thousand people, and an order of each."""
    at_ms = T0_MS + number * 1_000
    line = {"sku_id": "sku-1", "quantity": 1, "amount_minor": 19_900, "sale_id": "drop"}
    visits, orders = [], []
    for index in range(number * ORDERS_PER_S, (number + 1) * ORDERS_PER_S):
        common = {"room_id": ROOM, "event_time_ms": at_ms, "user_id": f"user-{index:07d}"}
        enter = {"type": "enter", "event_id": f"enter-{index:07d}", **common}
        order = {"type": "order", "event_id": f"order-{index:07d}", "order_id": f"o-{index:07d}", **common}
        order |= {"status": "placed", "lines": [line], "currency": "CNY"}
        visits.append(Rec(msgspec.json.encode(enter), ROOM.encode(), index, at_ms))
        orders.append(Rec(msgspec.json.encode(order), ROOM.encode(), index, at_ms))
    return [(VISITS, visits), (ORDERS, orders)]


def main() -> None:
    """Run once and print."""
    seconds = (int(sys.argv[1]) if len(sys.argv) > 1 else 300_000) // ORDERS_PER_S
    fold = PartitionFold(0, Rules(), TOPICS)
    topic: dict[bytes, int] = {}  # the compacted topic: key → bytes
    rows = []
    for number in range(seconds):
        for index, records in second(number):
            fold.fold(index, records)
        fold.advance(T0_MS + (number + 1) * 1_000, "log")
        began = time.process_time()
        cut = fold.cut(1)
        spent_s = time.process_time() - began
        for key, value in cut.records:
            topic.pop(key, None)
            if value is not None:
                topic[key] = len(key) + len(value)
        rows.append(
            {
                "orders": (number + 1) * ORDERS_PER_S,
                "cut_records": len(cut.records),
                "cut_bytes": sum(len(key) + len(value or b"") for key, value in cut.records),
                "cut_ms": round(spent_s * 1e3, 1),
                "whole_bytes": sum(topic.values()),
            }
        )
    marks = [10, 30, 100, 300, 1_000]
    shown = [rows[mark - 1] for mark in marks if mark <= len(rows)]
    for row in shown:
        print("  ".join(f"{name} {value:>11,}" for name, value in row.items()))
    out = Path(__file__).parent / "out" / "checkpoint.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
