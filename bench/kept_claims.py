"""What `live.claims` costs: CPU and bytes of a document at a cut, with and without it, in turn.

    python -m bench.kept_claims

A room with some sales, in which someone buys before each cut (`bench/pieces.py`); a cut a second, as a worker makes.
CPU time of one thread. Prints a table, writes bench/out/kept_claims.json.
"""

from __future__ import annotations

import statistics
import time

from msgspec import structs

from bench import measuring
from bench.pieces import BUYERS, OneRoom
from stream.settings import load_settings

SALES = (1, 5, 50)
ROUNDS = 200
# Between two cuts of a worker.
CUT_EVERY_MS = 1_000


def measured(sales: int) -> dict[str, float]:
    """Per cut of a room with this many sales: CPU µs without and with the claims, bytes of the document and of them."""
    rules = load_settings().rules()
    rooms = {keeps: OneRoom(sales, structs.replace(rules, keep_claims=keeps)) for keeps in (False, True)}
    took: dict[bool, list[float]] = {False: [], True: []}
    document_bytes, claim_bytes, records = [], [], []
    for number in range(ROUNDS):
        for keeps, room in rooms.items():
            room.sell(BUYERS + number)
            room.fold.advance(room.fold.clock_ms + CUT_EVERY_MS, "log")
            begin = time.thread_time_ns()
            cut = room.fold.cut(1)
            took[keeps].append((time.thread_time_ns() - begin) / 1_000)
            if keeps:
                (signal,) = cut.signals
                document_bytes.append(len(signal.document))
                claim_bytes.append(sum(len(key) + len(value) for key, value in signal.claims))
                records.append(len(signal.claims))
    without, having = (statistics.median(took[keeps]) for keeps in (False, True))
    return {
        "cut_us": without,
        "with_claims_us": having,
        "claims_us": having - without,
        "document_bytes": statistics.mean(document_bytes),
        "claims_bytes": statistics.mean(claim_bytes),
        "claims_records": statistics.mean(records),
    }


def main() -> None:
    """Measure, print, write."""
    found = {sales: measured(sales) for sales in SALES}
    rows = [(f"{sales} sales", *each.values()) for sales, each in found.items()]
    head = ("per cut of a room", "cut us", "with us", "more us", "document B", "claims B", "records")
    measuring.show("what live.claims costs", head, rows)
    measuring.write_report("kept_claims", {str(sales): each for sales, each in found.items()})


if __name__ == "__main__":
    main()
