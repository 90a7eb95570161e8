"""The native kernel beside Python, in turn within one run: fetched bytes → records → state, CPU µs an event.

    python -m bench.kernel [EVENTS [ROUNDS [ODD]]]

The mix of `bench/mix.py` in uncompressed batches of 100 records, read as the worker reads a fetch answer, and folded in
pieces as the worker cuts them. No Kafka, no Redis, no checkpoints. The ratio of a round is of its two runs, so a busy
machine moves it little. ODD: of so many records one has an escape in its event id, so that the kernel does not take it.
Prints a table and writes bench/out/kernel.json.
"""

from __future__ import annotations

import platform
import sys
import time
from statistics import median
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bench import measuring
from bench.fold import T0_MS, TOPICS, Rec, mix
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.kernel.library import chosen
from stream.kernel.packed import Packer
from stream.records import reading

BATCH_RECORDS = 100
PIECE_RECORDS = 2_500
PARTS = ("read", "fold")


def batches(records: list[Rec]) -> bytes:
    """Records as a broker sends them."""
    whole = []
    for start in range(0, len(records), BATCH_RECORDS):
        of_batch = records[start : start + BATCH_RECORDS]
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=False,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=1 << 20,
        )
        for place, each in enumerate(of_batch):
            builder.append(place, timestamp=each.timestamp, key=each.key, value=each.value, headers=[])
        raw = bytearray(builder.build())
        raw[:8] = of_batch[0].offset.to_bytes(8, "big")
        whole.append(bytes(raw))
    return b"".join(whole)


def one_odd_of(number: int, records: list[Rec]) -> list[Rec]:
    """The records, each so-many-th with an escape in its event id."""
    said = b'"event_id":"'
    return [
        each if place % number else each._replace(value=each.value.replace(said + b"e", said + rb"\u0065"))
        for place, each in enumerate(records)
    ]


def read(raw: bytes, at: int) -> Any:
    """The records of one answer, as the worker takes them."""
    tp = TopicPartition("t", 0)
    state = SimpleNamespace(paused=False, position=at, consumed_to=lambda _: None)
    records = PartitionRecords(tp, reading.FetchedRecords(raw), None, at, None, None, True, READ_UNCOMMITTED)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    return FetchResult(tp, assignment=assignment, partition_records=records, backoff=0).getall(None)


def run_once(answers: list[tuple[int, int, bytes]], packer: Packer | None) -> tuple[dict[str, float], Any]:
    """CPU seconds of each part, and what the state came to."""
    reading.take_whole_batches(packer)
    fold = PartitionFold(0, Rules(), TOPICS)
    spent = dict.fromkeys(PARTS, 0.0)
    for topic, at, raw in answers:
        began = time.process_time()
        records = read(raw, at)
        spent["read"] += time.process_time() - began
        began = time.process_time()
        for start in range(0, len(records), PIECE_RECORDS):
            fold.fold(topic, records[start : start + PIECE_RECORDS])
        fold.advance(records[-1].timestamp, "log")
        spent["fold"] += time.process_time() - began
    return spent, [each.document for each in fold.publish(None, 1, everything=True)]


def main() -> None:
    """Run in turn, compare, print, write."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    odd = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    kernel, why = chosen("auto")
    if kernel is None:
        print(f"nothing to compare: {why}")
        return
    pieces = [(topic, one_odd_of(odd, piece) if odd else piece) for topic, piece in mix(events)]
    answers = [(topic, piece[0].offset, batches(piece)) for topic, piece in pieces]
    packers = {"python": None, "native": Packer(kernel)}
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in packers}
    for number in range(rounds):
        documents = []
        for name, packer in packers.items() if number % 2 == 0 else [*packers.items()][::-1]:
            seconds, shown = run_once(answers, packer)
            spent[name].append(seconds)
            documents.append(shown)
        if documents[0] != documents[1]:
            sys.exit("the kernels differ")
    rows, report = (
        [],
        {"events": events, "rounds": rounds, "odd": odd, "python": platform.python_version(), "t0_ms": T0_MS},
    )
    for part in (*PARTS, "both"):
        us = {
            name: [sum(run.values()) if part == "both" else run[part] for run in runs] for name, runs in spent.items()
        }
        ratios = [old / new for old, new in zip(us["python"], us["native"], strict=True)]
        figures = [*(median(of) / events * 1e6 for of in us.values()), median(ratios), min(ratios), max(ratios)]
        rows.append((part, *figures))
        report[part] = dict(zip(("python_us", "native_us", "ratio", "least", "most"), figures, strict=True))
    measuring.show("µs an event", ("part", "python", "native", "ratio", "least", "most"), rows)
    measuring.write_report("kernel", report)


if __name__ == "__main__":
    main()
