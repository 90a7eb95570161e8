"""What a record costs in `stream.contract.decode`, in CPU µs: good ones by type, and refused ones by reason.

    python bench/decode.py [--rounds 30] [--json decode.json]

Prints a table. Compares with the typed msgspec pass alone, which is the floor. Takes CPU time, and of many rounds the
least and the median: a busy machine slows the median, hardly the least.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import TOPIC_NAMES, RoomEvent

NOW_MS = 1_700_000_000_000
RECORDS = 5_000
Case = tuple[str, str, dict[str, Any] | bytes, Sequence[tuple[str, bytes]]]


def cases() -> list[Case]:
    """Name, topic, record, headers."""
    person = {
        "event_id": "01JD8Q5W4Z3V9T7KX2M6YB1C0N",
        "room_id": "viya-2017",
        "event_time_ms": NOW_MS,
        "user_id": "u-1204118",
    }
    like = {"type": "like", **person, "count": 12, "client": "ios-9.1", "app": "taobao"}
    line = {"sku_id": "sku-881", "quantity": 1, "amount_minor": 19_900, "sale_id": "coat-drop"}
    order = {"type": "order", **person, "order_id": "o-31544", "status": "paid", "currency": "CNY"}
    body = {"room_id": "viya-2017", "user_id": "u-1204118", "count": 12}
    ce = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_type", b"snapup.like.v1"),
        ("ce_time", b"2023-11-14T22:13:20Z"),
    ]
    return [
        ("like", "likes", like, ()),
        ("like, trace header", "likes", like, [("traceparent", b"00-4bf92f3577b34da6-01")]),
        ("like, CloudEvent", "likes", body, ce),
        ("comment, Chinese", "comments", {"type": "comment", **person, "text": "这件外套还有货吗 想要一件"}, ()),
        ("enter", "visits", {"type": "enter", **person, "source": "feed"}, ()),
        ("order, 2 lines", "orders", {**order, "lines": [line] * 2}, ()),
        ("order, 100 lines", "orders", {**order, "lines": [line] * 100}, ()),
        ("refused: count 0", "likes", like | {"count": 0}, ()),
        ("refused: unknown type", "likes", like | {"type": "gift"}, ()),
        ("refused: not JSON", "likes", msgspec.json.encode(like)[:-1], ()),
        ("refused: 16 KiB of brackets", "likes", b"[" * 16_384, ()),
    ]


def cpu_us(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """CPU µs a record: least and median of the rounds."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time_ns()
        call()
        taken.append((time.process_time_ns() - begin) / RECORDS / 1_000)
    return min(taken), statistics.median(taken)


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """One row: the decoder, and for a good record also the typed pass alone."""
    name, topic, record, headers = case
    value = record if isinstance(record, bytes) else msgspec.json.encode(record)
    key = b"viya-2017"
    # As in a fetched slice, every record has its own bytes: nothing may be remembered by identity.
    records = [(bytes(bytearray(value)), bytes(bytearray(key))) for _ in range(RECORDS)]
    decode = Decoder(TOPIC_NAMES.index(topic)).decode
    answer = decode(value, key, NOW_MS, headers)
    typed = msgspec.json.Decoder(RoomEvent).decode

    def ours() -> None:
        for record_value, record_key in records:
            decode(record_value, record_key, NOW_MS, headers)

    def floor() -> None:
        for record_value, _ in records:
            typed(record_value)

    least, median = cpu_us(ours, rounds)
    row = {"case": name, "bytes": len(value), "us_min": least, "us_median": median, "us_min_typed_pass": None}
    if not isinstance(answer, DeadLetter) and "type" in record:
        row["us_min_typed_pass"] = cpu_us(floor, rounds)[0]
    return row


def main() -> None:
    """Measure all cases, print the table, write the JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [measure(case, arguments.rounds) for case in cases()]
    table = Table("record", "bytes", "µs least", "µs median", "typed pass alone, least")
    for row in rows:
        floor_us = "" if row["us_min_typed_pass"] is None else f"{row['us_min_typed_pass']:.2f}"
        table.add_row(row["case"], str(row["bytes"]), f"{row['us_min']:.2f}", f"{row['us_median']:.2f}", floor_us)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"records": RECORDS, "rounds": arguments.rounds, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
