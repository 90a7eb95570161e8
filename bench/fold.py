"""The pure core alone: µs per event of decode + fold + publish + cut, on the realistic mix. No Kafka, no Redis.

    python bench/fold.py [EVENTS]

70 % likes, 15 % comments, 10 % cart-adds, 5 % orders over 50 rooms (zipf), sent at 100 000 events per second of log time.
Prints a table and writes bench/out/fold.json. One process, CPU time.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
ROOMS = 50
SLICE = 5_000
EVENTS_PER_S = 100_000
T0_MS = 1_700_000_000_000


class Rec(NamedTuple):
    """What the fold reads of a Kafka record."""

    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def mix(events: int) -> list[tuple[int, list[Rec]]]:
    """Slices of the mix, by topic, in log order."""
    random = Random(1)
    weights = list(accumulate(1 / (rank + 1) for rank in range(ROOMS)))
    rooms = [f"room-{rank:03d}" for rank in range(ROOMS)]
    queues: dict[int, list[Rec]] = {}
    offsets: dict[int, int] = {}
    out: list[tuple[int, list[Rec]]] = []
    for number in range(events):
        at_ms = T0_MS + number * 1_000 // EVENTS_PER_S
        room = random.choices(rooms, cum_weights=weights)[0]
        common = {"event_id": f"e-{number:09d}", "room_id": room, "event_time_ms": at_ms - 30}
        user = f"user-{random.randrange(100_000):06d}"
        draw = random.random()
        if draw < 0.70:
            topic, event = 1, {"type": "like", **common, "user_id": user, "count": 3}
        elif draw < 0.85:
            topic, event = 0, {"type": "comment", **common, "user_id": user, "text": "this one looks lovely"}
        elif draw < 0.95:
            topic = 2
            event = {"type": "cart_add", **common, "user_id": user, "sku_id": "sku-1", "quantity": 1, "sale_id": "drop"}
        else:
            topic = 3
            line = {"sku_id": "sku-1", "quantity": 1, "amount_minor": 19_900, "sale_id": "drop"}
            order = {"order_id": f"o-{number // 40}", "status": ("placed", "paid")[number // 20 % 2]}
            event = {"type": "order", **common, "user_id": user, **order, "lines": [line], "currency": "CNY"}
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        queue = queues.setdefault(topic, [])
        queue.append(Rec(msgspec.json.encode(event), room.encode(), offset, at_ms))
        if len(queue) == SLICE:
            out.append((topic, queue))
            queues[topic] = []
    return out + [(topic, queue) for topic, queue in queues.items() if queue]


def main() -> None:
    """Run once and print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    pieces = mix(events)
    fold = PartitionFold(0, Rules(), TOPICS)
    spent = {"decode + fold": 0.0, "publish": 0.0, "cut": 0.0}
    documents = records = record_bytes = 0
    last_cut_ms = last_publish_ms = T0_MS
    for topic, piece in pieces:
        began = time.process_time()
        fold.fold(topic, piece)
        fold.advance(piece[-1].timestamp, "log")
        spent["decode + fold"] += time.process_time() - began
        if fold.clock_ms - last_publish_ms >= 100:
            last_publish_ms = fold.clock_ms
            began = time.process_time()
            documents += len(fold.publish(None, 1))
            spent["publish"] += time.process_time() - began
        if fold.clock_ms - last_cut_ms >= 1_000:
            last_cut_ms = fold.clock_ms
            began = time.process_time()
            cut = fold.cut(1)
            spent["cut"] += time.process_time() - began
            records += len(cut.records)
            record_bytes += sum(len(key) + len(value or b"") for key, value in cut.records)
    count = sum(fold.counters.received)
    figures = {part: round(seconds / count * 1e6, 3) for part, seconds in spent.items()}
    figures["all"] = round(sum(spent.values()) / count * 1e6, 3)
    report = {
        "events": count,
        "us_per_event": figures,
        "us_per_document": round(spent["publish"] / max(documents, 1) * 1e6, 1),
        "documents": documents,
        "checkpoint_records": records,
        "checkpoint_bytes_per_event": round(record_bytes / count, 1),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for part, us in figures.items():
        print(f"{part:14} {us:8.3f} µs/event")
    print(json.dumps({key: value for key, value in report.items() if key != "us_per_event"}, indent=1))
    out = Path(__file__).parent / "out" / "fold.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
