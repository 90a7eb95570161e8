"""The whole job of one worker process: a filled log of a real Kafka, folded, saved, projected into a real Redis.

    python -m bench.worker [--events 2000000] [--runs 5] [--partitions 4]

Each run: fresh broker and Redis, the mix of `bench/mix.py` written by another process, then the worker is started
on the backlog. CPU is the worker process's own, user + system, from its first record to its last; events per second are
by the wall clock over the same span. The totals in Redis must equal those of the mix, or the figure does not count.
Broker, Redis and worker share the machine's cores. Prints a table, writes bench/out/worker.json.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from bench import measuring
from bench.measuring import Worker, wait_until
from bench.mix import CART_ADDS, COMMENTS, LIKES, ORDERS, draw
from stream.contract.reading import read_overlay
from stream.local.stack import local_stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.local.stack import Stack

PREFIX = "bench"
FIGURES = ("events_per_s", "cpu_us_per_event", "rss_peak_mib")


def drawn_totals(events: int) -> dict[str, Counter[int]]:
    """Events of each topic by room, as drawn."""
    totals: dict[str, Counter[int]] = {}
    for topic_index, room_id, _ in draw(events, 0, 1):
        totals.setdefault(room_id, Counter())[topic_index] += 1
    return totals


def totals_hold(redis_url: str, prefix: str, totals: Mapping[str, Counter[int]], times: int = 1) -> bool:
    """Whether every room's document shows what was drawn, so many times over."""
    raws = measuring.documents(redis_url, prefix, list(totals))
    for raw, drawn in zip(raws, totals.values(), strict=True):
        if raw is None:
            return False
        shown = read_overlay(raw).totals
        wanted = (3 * drawn[LIKES] * times, drawn[COMMENTS] * times, drawn[CART_ADDS] * times)
        if (shown.likes, shown.comments, shown.cart_adds) != wanted:
            return False
        # An order that is paid without having been placed counts as placed: never more than there are records.
        if not drawn[ORDERS] * times // 2 <= shown.orders.placed <= drawn[ORDERS] * times:
            return False
    return True


def fill(stack: Stack, prefix: str, events: int, partitions: int) -> None:
    """Topics, and the mix in them, by a process of its own."""
    stack.apply_topics(prefix, partitions=partitions)
    flags = ("--events", str(events), "--partitions", str(partitions))
    loading = measuring.load("mix", stack.bootstrap_servers, prefix, *flags)
    measuring.said(loading)
    loading.wait()


def run_once(stack: Stack, events: int, totals: Mapping[str, Counter[int]]) -> dict[str, float]:
    """One worker over a filled log."""
    with Worker(stack, PREFIX) as worker:
        wait_until(lambda: worker.received() > 0, "the first record")
        first, cpu, begun = worker.received(), measuring.cpu_s(worker.pid), time.monotonic()
        wait_until(lambda: worker.received() >= events, "the last record")
        wall, spent, count = time.monotonic() - begun, measuring.cpu_s(worker.pid) - cpu, events - first
        wait_until(lambda: totals_hold(stack.redis_url, PREFIX, totals), "equal totals in Redis")
        peak = measuring.rss_peak_mib(worker.pid)
    return {"events_per_s": count / wall, "cpu_us_per_event": spent / count * 1e6, "rss_peak_mib": peak}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=4)
    flags = parser.parse_args()
    totals = drawn_totals(flags.events)
    runs = []
    for number in range(flags.runs):
        with local_stack(with_topics=False) as stack:
            fill(stack, PREFIX, flags.events, flags.partitions)
            runs.append(run_once(stack, flags.events, totals))
        print(f"run {number + 1}: " + ", ".join(f"{name} {value:,.1f}" for name, value in runs[-1].items()), flush=True)
    report: dict[str, Any] = {"events": flags.events, "partitions": flags.partitions, "runs": runs, "totals": "equal"}
    report |= {name: measuring.spread(run[name] for run in runs) for name in FIGURES}
    rows = [(name, *report[name].values()) for name in FIGURES]
    measuring.show("one worker, the whole job", ("figure", "median", "least", "most"), rows)
    measuring.write_report("worker", report)


if __name__ == "__main__":
    main()
