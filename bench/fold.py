"""The pure core alone: µs per event of decode + fold + publish + cut, on the realistic mix. No Kafka, no Redis.

    python -m bench.fold [EVENTS]

The mix of `bench/mix.py`, at 100 000 events per second of log time.
Prints a table and writes bench/out/fold.json. One process, CPU time.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench.mix import draw
from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
SLICE = 5_000
EVENTS_PER_S = 100_000
T0_MS = 1_700_000_000_000


class Rec(NamedTuple):
    """The parts of a Kafka record that the fold reads."""

    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def mix(events: int) -> list[tuple[int, list[Rec]]]:
    """Slices of the mix, by topic, in log order."""
    queues: dict[int, list[Rec]] = {}
    offsets: Counter[int] = Counter()
    out: list[tuple[int, list[Rec]]] = []
    for number, (topic, room, value) in enumerate(draw(events, T0_MS, EVENTS_PER_S)):
        queue = queues.setdefault(topic, [])
        queue.append(Rec(value, room.encode(), offsets[topic], T0_MS + 30 + number * 1_000 // EVENTS_PER_S))
        offsets[topic] += 1
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
