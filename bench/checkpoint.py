"""What a checkpoint costs while one room grows, and what it takes to bring 10 000 rooms back.

    python -m bench.checkpoint [ORDERS [ROOMS]]

One room, one sale; each second 1 000 new people enter and place an order each: bytes, records and CPU of a cut. "whole"
is the size of all state records of the room: what each checkpoint would write without change logs. Then 1 000 orders at
a time in the room when it has a thousand, and when it has all: their cuts beside each other. Then a partition of many
rooms, each with 20 people and 20 orders, from its state records to a fold that can go on; reading the records from
Kafka comes on top. Prints all of it and writes bench/out/checkpoint.json. One process, CPU time.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.worker.app import GC_THRESHOLDS

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
T0_MS = 1_700_000_000_000
ORDERS_PER_S = 1_000
ROOM = "room-1"
ORDERS_DEFAULT, ROOMS_DEFAULT = 1_000_000, 10_000
PEOPLE_PER_ROOM = 20
RESTORES = 3
# Number of cuts around a size, for the median: a single cut may fall on a sealed segment or not.
AROUND = 10
ORDERS, VISITS = TOPIC_NAMES.index("orders"), TOPIC_NAMES.index("visits")


class Rec(NamedTuple):
    """The parts of a Kafka record that the fold reads."""

    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def second(number: int) -> list[tuple[int, list[Rec]]]:
    """The records of one second: a thousand people, and an order of each."""
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


class Restore(NamedTuple):
    """One restore: number of rooms, records and bytes, and CPU time."""

    rooms: int
    records: int
    bytes: int
    cpu_s: float


def grow(orders: int) -> list[dict[str, float]]:
    """A row for each second of one room's growth."""
    fold = PartitionFold(0, Rules(), TOPICS)
    topic: dict[bytes, int] = {}  # the compacted topic: key → bytes
    rows: list[dict[str, float]] = []
    for number in range(orders // ORDERS_PER_S):
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
    return rows


def many_rooms(rooms: int) -> Restore:
    """The best of some restores of a partition with this many rooms."""
    fold = PartitionFold(0, Rules(rooms_max=max(rooms, Rules().rooms_max)), TOPICS)
    line = {"sku_id": "sku-1", "quantity": 1, "amount_minor": 19_900, "sale_id": "drop"}
    offset = 0
    for person in range(PEOPLE_PER_ROOM):
        at_ms = T0_MS + person * 1_000
        visits, orders = [], []
        for number in range(rooms):
            room = f"room-{number}"
            common = {"room_id": room, "event_time_ms": at_ms, "user_id": f"user-{person}-{number}"}
            enter = {"type": "enter", "event_id": f"enter-{person}", **common}
            order = {"type": "order", "event_id": f"order-{person}", "order_id": f"o-{person}", **common}
            order |= {"status": "placed", "lines": [line], "currency": "CNY"}
            visits.append(Rec(msgspec.json.encode(enter), room.encode(), offset + number, at_ms))
            orders.append(Rec(msgspec.json.encode(order), room.encode(), offset + number, at_ms))
        fold.fold(VISITS, visits)
        fold.fold(ORDERS, orders)
        fold.advance(at_ms + 1_000, "log")
        offset += rooms
    cut = fold.cut(1)
    took_s = []
    for _ in range(RESTORES):
        again = PartitionFold(0, fold.rules, TOPICS)
        began = time.process_time()
        for key, value in cut.records:
            again.load(key, value)
        again.loaded(cut.positions, cut.clock_ms)
        took_s.append(time.process_time() - began)
        if len(again.rooms) != rooms:
            raise SystemExit(f"{len(again.rooms)} of {rooms} rooms came back")
    size = sum(len(key) + len(value or b"") for key, value in cut.records)
    return Restore(rooms, len(cut.records), size, round(min(took_s), 2))


def against_small(rows: list[dict[str, float]]) -> dict[str, float]:
    """The cost of a cut of the large room, as a multiple of the small room's."""
    small, large = rows[:AROUND], rows[-AROUND:]
    ratio = {
        name: median(row[name] for row in large) / median(row[name] for row in small)
        for name in ("cut_bytes", "cut_ms")
    }
    return {name: round(value, 2) for name, value in ratio.items()}


def main() -> None:
    """Run once and print."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS_DEFAULT
    rooms = int(sys.argv[2]) if len(sys.argv) > 2 else ROOMS_DEFAULT
    gc.set_threshold(*GC_THRESHOLDS)  # as the worker
    rows = grow(orders)
    marks = [1, 10, 100, 300, 1_000]
    for row in [rows[mark - 1] for mark in marks if mark <= len(rows)]:
        print("  ".join(f"{name} {value:>11,}" for name, value in row.items()))
    times = against_small(rows)
    print(
        f"a cut of 1 000 orders in a room with {orders:,}: {times['cut_bytes']} times the bytes and {times['cut_ms']} "
        f"times the CPU of one in a room with up to {AROUND * ORDERS_PER_S:,}"
    )
    restore = many_rooms(rooms)
    print(
        f"{restore.rooms:,} rooms restored in {restore.cpu_s} s of CPU, from {restore.records:,} records, "
        f"{restore.bytes / 1e6:.1f} MB"
    )
    out = Path(__file__).parent / "out" / "checkpoint.json"
    out.parent.mkdir(exist_ok=True)
    told = {"cuts": rows, "large_against_small": times, "restore": restore._asdict()}
    out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
