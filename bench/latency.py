"""From append to visible in Redis, while a load of a known rate runs: probe events, each with its own clock.

    python -m bench.latency [--maximum EVENTS_PER_S] [--shares 25,50,75] [--seconds 60]

At shares of the maximum that `bench/worker.py` measured. The load comes paced from a process of its own, in batches
encoded beforehand. A probe's clock starts before it is handed to its producer and stops when its room's document, read
from Redis after the nudge, counts it; the rooms of the probes have a sale, and no other traffic. The totals of the load
must be right afterwards. Writes bench/out/latency.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bench import measuring
from bench.measuring import Worker, wait_until
from bench.worker import drawn_totals, totals_hold
from stream.local.stack import local_stack
from stream.verify.audit import Where
from stream.verify.latency import LatencyProbe, quantile

if TYPE_CHECKING:
    from stream.local.stack import Stack

PREFIX = "bench"
PARTITIONS = 4
PROBES = 8
WARM_S = 8
GOAL_SHARE, GOAL_P50_MS, GOAL_P99_MS = 50, 60, 250


async def probe(stack: Stack, seconds: float) -> list[LatencyProbe]:
    """The probes, after a while of probing in several rooms at once."""
    where = Where(bootstrap_servers=stack.bootstrap_servers, redis_url=stack.redis_url, prefix=PREFIX)
    probes = [LatencyProbe(where, f"probe-{number}") for number in range(PROBES)]
    tasks = [asyncio.create_task(each.run()) for each in probes]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done():
            task.result()  # a probe never ends by itself
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    return probes


def at_rate(rate: int, seconds: int) -> dict[str, Any]:
    """The figures of one load."""
    loaded_s = seconds + 2 * WARM_S
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        with Worker(stack, PREFIX, name="latency") as worker:
            wait_until(worker.is_ready, "a ready worker")
            flags = ("--partitions", str(PARTITIONS), "--rate", str(rate), "--seconds", str(loaded_s))
            load = measuring.load("pace", stack.bootstrap_servers, PREFIX, *flags)
            measuring.said(load)
            time.sleep(WARM_S)
            before, cpu, began = worker.metrics(), measuring.cpu_s(worker.pid), time.monotonic()
            probes = asyncio.run(probe(stack, seconds))
            wall_s = time.monotonic() - began
            after, cpu = worker.metrics(), measuring.cpu_s(worker.pid) - cpu
            sent = measuring.said(load)
            totals = drawn_totals(rate)
            wait_until(lambda: totals_hold(stack.redis_url, PREFIX, totals, loaded_s), "equal totals in Redis")
            peak = measuring.rss_peak_mib(worker.pid)
    samples = [sample for each in probes for sample in each.samples_ms]
    folded = measuring.total(after, "stream_received_total") - measuring.total(before, "stream_received_total")
    return {
        "rate": rate,
        "p50_ms": quantile(samples, 0.5),
        "p99_ms": quantile(samples, 0.99),
        "max_ms": max(samples),
        "probes": len(samples),
        "lost": sum(each.lost for each in probes),
        "worker_cpu": cpu / wall_s,
        "folded_per_s": folded / wall_s,
        "sent_late_s": sent["behind_s"],
        "visible_p99_s": measuring.quantile_of(before, after, "stream_visible_latency_seconds", 0.99),
        "rss_peak_mib": peak,
    }


def measured_maximum(parser: argparse.ArgumentParser) -> int:
    """The median that `bench/worker.py` found last."""
    path = measuring.OUT / "worker.json"
    if not path.exists():
        parser.error("--maximum is not known: give it, or run python -m bench.worker first")
    return int(json.loads(path.read_text("utf-8"))["events_per_s"]["median"])


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maximum", type=int, help="events/s; default: the median of bench/out/worker.json")
    parser.add_argument("--shares", default="25,50,75")
    parser.add_argument("--seconds", type=int, default=60)
    flags = parser.parse_args()
    maximum = flags.maximum or measured_maximum(parser)
    loads = []
    for share in (int(text) for text in flags.shares.split(",")):
        found = {"share": share, **at_rate(maximum * share // 100, flags.seconds)}
        loads.append(found)
        said = ", ".join(f"{name} {value:,.2f}" for name, value in found.items())
        print(f"  {said}", flush=True)
    rows = [
        (
            f"{load['share']} % of the maximum, {load['rate']:,} events/s",
            *(f"{load[name]:,.0f}" for name in ("p50_ms", "p99_ms", "max_ms")),
            *(load["probes"], load["lost"], f"{load['worker_cpu']:.2f}"),
        )
        for load in loads
    ]
    columns = ("append → visible in Redis", "p50 ms", "p99 ms", "max ms", "probes", "lost", "worker, cores")
    measuring.show(f"latency, maximum {maximum:,} events/s", columns, rows)
    goal = {"share": GOAL_SHARE, "p50_ms": GOAL_P50_MS, "p99_ms": GOAL_P99_MS}
    measuring.write_report("latency", {"maximum": maximum, "loads": loads, "goal": goal})


if __name__ == "__main__":
    main()
