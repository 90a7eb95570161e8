"""What the gateway takes: events a second in bodies of 100, and what one costs in CPU, beside a real broker.

    python -m bench.ingest [--seconds 10] [--connections 8] [--json bench/out/ingest.json]

Three processes: a broker of its own, `snapup ingest` on one core at most (one thread works), and this one, which
sends over plain sockets so that sending costs little. Each body of 100 events is a mix of likes, comments, enters, cart
adds and orders of 20 rooms. First as fast as it goes, then at half of that with a body at fixed times: the time
of an answer is from the moment at which its body was due. The gateway's own CPU time says what it would take on a quiet
core, whatever else the machine is busy with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from stream.local.stack import Stack, local_stack

PREFIX = "live"
BATCH = 100
BODIES = 200
ROOMS = 20
READY_S = 60.0
PORT = re.compile(rb"127\.0\.0\.1:(\d+)/v1/events")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KINDS: tuple[dict[str, Any], ...] = (
    *({"type": "like", "count": 12},) * 8,
    *({"type": "comment", "text": "is the coat still there? size M"},) * 5,
    *({"type": "enter", "source": "feed"},) * 4,
    *({"type": "cart_add", "sku_id": "sku-881", "quantity": 1},) * 2,
    {
        "type": "order",
        "status": "paid",
        "currency": "CNY",
        "lines": [{"sku_id": "sku-881", "quantity": 2, "amount_minor": 39_800, "sale_id": "coat-drop"}],
    },
)


def requests() -> list[bytes]:
    """Whole requests, ready to be written."""
    at_ms, numbers = time.time_ns() // 1_000_000, count()
    made = []
    for body in range(BODIES):
        events = []
        for place in range(BATCH):
            number = next(numbers)
            event = KINDS[(body + place) % len(KINDS)] | {
                "event_id": f"e-{number}",
                "room_id": f"room-{number % ROOMS}",
                "event_time_ms": at_ms,
                "user_id": f"u-{number % 1_000}",
            }
            events.append(event | ({"order_id": f"o-{number}"} if event["type"] == "order" else {}))
        data = msgspec.json.encode(events)
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        made.append(head.encode() + data)
    return made


class Gateway:
    """`snapup ingest` in a process of its own."""

    def __init__(self, stack: Stack, log: Path) -> None:
        environment = {
            **os.environ,
            **stack.environment(),
            "SNAPUP_TOPIC_PREFIX": PREFIX,
            "SNAPUP_INGEST_PORT": "0",
            "SNAPUP_INGEST_METRICS_PORT": "0",
            "SNAPUP_LOG_LEVEL": "warning",
        }
        self._log = log
        with log.open("wb") as out:
            command = [sys.executable, "-c", "from stream.cli import main; main()", "ingest"]
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        self.port = 0

    async def ready(self, body: bytes) -> None:
        """Wait until it acknowledges a body."""
        async with asyncio.timeout(READY_S):
            while (found := PORT.search(self._log.read_bytes())) is None:  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.1)
            self.port = int(found[1])
            while True:
                connection = await connect(self.port)
                status = await exchange(*connection, body)
                connection[1].close()
                if status == b"202":
                    return
                await asyncio.sleep(0.1)

    def cpu_s(self) -> float:
        """The CPU time of the process until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def rss_mib(self) -> float:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the gateway."""
    return await asyncio.open_connection("127.0.0.1", port)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """The status of one request's answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if length is not None:
        await reader.readexactly(int(length[1]))
    return head.split(b" ", 2)[1]


async def run(
    gateway: Gateway, bodies: list[bytes], connections: int, seconds: float, bodies_per_s: float | None
) -> dict[str, Any]:
    """The figures of one load; `bodies_per_s` None: as fast as it goes."""
    numbers, took_s, statuses = count(), list[float](), dict[str, int]()
    cpu_s, begun_s = gateway.cpu_s(), time.monotonic()

    async def sender() -> None:
        reader, writer = await connect(gateway.port)
        while True:
            number = next(numbers)
            due_s = time.monotonic() if bodies_per_s is None else begun_s + number / bodies_per_s
            if due_s - begun_s >= seconds:
                break
            if (early_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
            status = (await exchange(reader, writer, bodies[number % len(bodies)])).decode()
            took_s.append(time.monotonic() - due_s)
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(sender() for _ in range(connections)))
    wall_s, cpu_s = time.monotonic() - begun_s, gateway.cpu_s() - cpu_s
    events = BATCH * statuses.get("202", 0)
    ordered = sorted(took_s)
    return {
        "events_per_s": events / wall_s,
        "cpu_us_per_event": 1e6 * cpu_s / events,
        "events_per_cpu_s": events / cpu_s,
        "cpu_share": cpu_s / wall_s,
        "p50_ms": 1_000 * ordered[len(ordered) // 2],
        "p99_ms": 1_000 * ordered[int(0.99 * (len(ordered) - 1))],
        "max_ms": 1_000 * ordered[-1],
        "statuses": statuses,
        "rss_mib": gateway.rss_mib(),
    }


async def measure(stack: Stack, log: Path, seconds: float, connections: int) -> dict[str, Any]:
    """Both loads."""
    bodies = requests()
    gateway = Gateway(stack, log)
    try:
        await gateway.ready(bodies[0])
        await run(gateway, bodies, connections, 2.0, None)  # warm
        most = await run(gateway, bodies, connections, seconds, None)
        half = await run(gateway, bodies, 4 * connections, seconds, most["events_per_s"] / BATCH / 2)
    finally:
        gateway.process.terminate()
        gateway.process.wait()
    return {"body_bytes": sum(map(len, bodies)) // len(bodies), "most": most, "half": half}


def main() -> None:
    """Measure, print, write the JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=4)
        report = asyncio.run(measure(stack, Path(folder) / "ingest.log", flags.seconds, flags.connections))
    for name in ("most", "half"):
        row = report[name]
        print(
            f"{name}: {row['events_per_s']:,.0f} events/s, {row['cpu_us_per_event']:.1f} CPU µs an event "
            f"({row['events_per_cpu_s']:,.0f} events a CPU second), p50 {row['p50_ms']:.1f} ms, "
            f"p99 {row['p99_ms']:.1f} ms, max {row['max_ms']:.1f} ms, {row['rss_mib']:.0f} MiB, {row['statuses']}"
        )
    if flags.json is not None:
        flags.json.parent.mkdir(parents=True, exist_ok=True)
        flags.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
