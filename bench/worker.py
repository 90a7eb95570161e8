"""The whole job of one worker process: a filled log of a real Kafka, folded, saved, projected into a real Redis.

    python -m bench.worker [--events 2000000] [--runs 5] [--partitions 4]

Each run: fresh broker and Redis, the mix of `bench/mix.py` written by another process, then the worker is started
on the backlog. CPU is the worker process's own, user + system, from its first record to its last; events per second are
by the wall clock over the same span. The totals in Redis must equal those of the mix, or the figure does not count.
Broker, Redis and worker share the machine's cores. Prints a table, writes bench/out/worker.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import redis
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from bench.mix import CART_ADDS, COMMENTS, LIKES, ORDERS, draw
from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay, room_key
from stream.local.ports import free_ports
from stream.local.stack import local_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.local.stack import Stack

BATCH_RECORDS = 2_000
EVENTS_PER_S = 100_000
DEADLINE_S = 600
POLL_S = 0.5  # a look at /metrics costs the worker some 5 ms
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def fill(bootstrap_servers: str, prefix: str, events: int, partitions: int) -> None:
    """Write the mix, in batches, to the partition that any client would choose."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks=1, max_batch_size=1 << 20)
    await producer.start()
    batches: dict[tuple[int, int], Any] = {}
    counts: Counter[tuple[int, int]] = Counter()
    place: dict[str, int] = {}

    async def send(at: tuple[int, int]) -> None:
        counts[at] = 0
        await producer.send_batch(batches.pop(at), f"{prefix}.{TOPIC_NAMES[at[0]]}", partition=at[1])

    try:
        for topic_index, room_id, value in draw(events, int(time.time() * 1_000) - 2_000, EVENTS_PER_S):
            key = room_id.encode()
            partition = place.get(room_id)
            if partition is None:
                partition = place[room_id] = (murmur2(key) & 0x7FFFFFFF) % partitions
            at = (topic_index, partition)
            batch = batches.get(at)
            if batch is None:
                batch = batches[at] = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None) is None:
                await send(at)
                batch = batches[at] = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
            counts[at] += 1
            if counts[at] >= BATCH_RECORDS:
                await send(at)
        for at in list(batches):
            await send(at)
        await producer.flush()
    finally:
        await producer.stop()


def cpu_s(pid: int) -> float:
    """CPU seconds of one process so far, user + system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_peak_mib(pid: int) -> float:
    """Peak resident memory of one process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def received(port: int) -> int:
    """Records that the worker says it has received; 0 before it answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    return int(
        sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("stream_received_total{"))
    )


def expected_totals(events: int) -> dict[str, Counter[int]]:
    """Events of each topic by room, as drawn."""
    totals: dict[str, Counter[int]] = {}
    for topic_index, room_id, _ in draw(events, 0, EVENTS_PER_S):
        totals.setdefault(room_id, Counter())[topic_index] += 1
    return totals


def totals_hold(redis_url: str, prefix: str, events: int) -> bool:
    """Whether every room's document shows what was drawn."""
    client = redis.Redis.from_url(redis_url)
    decode = msgspec.json.Decoder(Overlay).decode
    for room_id, drawn in expected_totals(events).items():
        raw = client.get(room_key(prefix, room_id, "overlay"))
        if not isinstance(raw, bytes):
            return False
        totals = decode(raw).totals
        shown = (totals.likes, totals.comments, totals.cart_adds)
        if shown != (3 * drawn[LIKES], drawn[COMMENTS], drawn[CART_ADDS]) or totals.orders.placed > drawn[ORDERS]:
            return False
    return True


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Poll; a deadline ends the bench."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > end:
            sys.exit(f"bench: {what} did not happen within {DEADLINE_S} s")
        time.sleep(POLL_S)


def run_once(stack: Stack, events: int, partitions: int) -> dict[str, float | bool]:
    """One worker over one filled log."""
    prefix = "bench"
    stack.apply_topics(prefix, partitions=partitions)
    command = [sys.executable, "-m", "bench.worker", "--fill", stack.bootstrap_servers]
    subprocess.run([*command, "--events", str(events), "--partitions", str(partitions)], check=True)
    port = free_ports(1)[0]
    settings = {**stack.environment(), "SNAPUP_TOPIC_PREFIX": prefix, "SNAPUP_METRICS_PORT": str(port)}
    log = Path(__file__).parent / "out" / "worker.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [Path(sys.executable).parent / "snapup", "worker"], env={**os.environ, **settings}, stdout=out, stderr=out
        )
        try:
            wait_until(lambda: received(port) > 0, "the first record")
            first, cpu, begun = received(port), cpu_s(worker.pid), time.monotonic()
            wait_until(lambda: received(port) >= events, "the last record")
            wall, spent, count = time.monotonic() - begun, cpu_s(worker.pid) - cpu, events - first
            wait_until(lambda: totals_hold(stack.redis_url, prefix, events), "equal totals in Redis")
            peak = rss_peak_mib(worker.pid)
        finally:
            worker.terminate()
            worker.wait(30)
    return {"events_per_s": count / wall, "cpu_us_per_event": spent / count * 1e6, "rss_peak_mib": peak, "totals": True}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--fill", metavar="BOOTSTRAP", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.fill:
        asyncio.run(fill(flags.fill, "bench", flags.events, flags.partitions))
        return
    runs = []
    for number in range(flags.runs):
        with local_stack(with_topics=False) as stack:
            runs.append(run_once(stack, flags.events, flags.partitions))
        shown = ", ".join(f"{name} {value:,.1f}" for name, value in runs[-1].items() if name != "totals")
        print(f"run {number + 1}: {shown}", flush=True)
    report: dict[str, Any] = {
        "events": flags.events,
        "partitions": flags.partitions,
        "runs": runs,
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    print(f"{'figure':18} {'median':>12} {'least':>12} {'most':>12}")
    for name in ("events_per_s", "cpu_us_per_event", "rss_peak_mib"):
        values = [float(run[name]) for run in runs]
        report[name] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        print(f"{name:18} {statistics.median(values):12,.2f} {min(values):12,.2f} {max(values):12,.2f}")
    (Path(__file__).parent / "out" / "worker.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
